//! Golden scenes: one SVG per layout and interesting case in `testdata/scenes`; `UPDATE_GOLDENS=1` writes them anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use greffier::ids::{ParticipantId, TrackId};
use greffier::scene::{Face, Fit, Layout, Scene, Size, Source, Subject, Theme, arrange};

#[test]
fn speaker() {
    let layout = "speaker";
    golden("speaker-1-alone", layout, HD, &["Ada"]);
    golden("speaker-3-cameras", layout, HD, &["Ada", "Boris", "-Chloé"]);
    golden("speaker-8-strip-is-full", layout, HD, &["Ada", "Boris", "Chloé", "Dag", "Emre", "Farah", "Gina", "Hans"]);
    golden("speaker-share-and-3-cameras", layout, HD, &["#Ada", "Boris", "Ada", "|Chloé"]);
    golden("speaker-share-alone", layout, HD, &["#Ada"]);
    golden("speaker-portrait-canvas", layout, (720, 1280), &["Ada", "|Boris", "Chloé"]);
    golden("speaker-uneven-size", layout, (1278, 718), &["Ada", "Boris", "Chloé", "Dag", "Emre"]);
    golden("speaker-light-scripts", "speaker-light", HD, &["ليلى", "山田 花子", "Zoë & <Max>", "-🦊 Fox"]);
}

#[test]
fn grid() {
    let names: Vec<String> = (1..=26).map(|i| format!("P{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for count in [1, 2, 3, 5, 10, 17, 26] {
        golden(&format!("grid-{count:02}"), "grid", HD, &names[..count]);
    }
    golden("grid-portrait-canvas-2", "grid", (720, 1280), &["|Ada", "Boris"]);
    golden("grid-with-share-becomes-speaker", "grid", HD, &["Ada", "Boris", "#Chloé"]);
    golden("grid-light-4", "grid-light", HD, &["Ada", "|Boris", "-Chloé", "Dag"]);
}

#[test]
fn single_speaker_and_nobody() {
    golden("single-speaker-3", "single-speaker", HD, &["Ada", "Boris", "Chloé"]);
    golden("single-speaker-light-share", "single-speaker-light", HD, &["#Ada", "Ada"]);
    golden("nobody-dark", "speaker", HD, &[]);
    golden("nobody-light", "speaker-light", HD, &[]);
}

const HD: (u32, u32) = (1280, 720);

/// Who is there, by rank: `#` shares a screen, `|` holds a phone upright, `-` has the camera off.
fn subjects(people: &[&str]) -> Vec<Subject> {
    let subject = |(i, text): (usize, &&str)| {
        let name = text.trim_start_matches(['#', '|', '-']);
        let sign = &text[..text.len() - name.len()];
        Subject {
            participant: ParticipantId::new(format!("PA_{name}")),
            name: name.to_owned(),
            source: if sign == "#" { Source::ScreenShare } else { Source::Camera },
            track: (sign != "-").then(|| TrackId::new(format!("TR_{i}"))),
            portrait: sign == "|",
        }
    };
    people.iter().enumerate().map(subject).collect()
}

fn golden(name: &str, layout: &str, (width, height): (u32, u32), people: &[&str]) {
    let size = Size::new(width, height).expect("even");
    let svg = draw(&arrange(Layout::from_name(layout), size, &subjects(people))).expect("a String takes all");
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenes").join(format!("{name}.svg"));
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, svg).expect("testdata/scenes can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; UPDATE_GOLDENS=1 writes it", path.display()));
    assert!(svg == expected, "{} differs; UPDATE_GOLDENS=1 writes it, git shows the change", path.display());
}

fn draw(scene: &Scene) -> Result<String, std::fmt::Error> {
    let (width, height) = (scene.size.width.get(), scene.size.height.get());
    let (page, ink) = match scene.theme {
        Theme::Dark => ("#101216", "#ffffff"),
        Theme::Light => ("#ffffff", "#1a1d23"),
    };
    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">"#
    )?;
    writeln!(svg, r#"<rect width="{width}" height="{height}" fill="{page}"/>"#)?;
    writeln!(svg, r#"<g text-anchor="middle" fill="white" stroke="none">"#)?;
    for tile in &scene.tiles {
        let (x, y) = (tile.rect.x.get(), tile.rect.y.get());
        let (w, h) = (tile.rect.width.get(), tile.rect.height.get());
        let (what, colour) = match (&tile.face, tile.fit) {
            (Face::Track(_), Fit::Cover) => ("track, cover", "#3b6ea5"),
            (Face::Track(_), Fit::Contain) => ("track, contain", "#2f855a"),
            (Face::Initials(_), Fit::Cover | Fit::Contain) => ("initials", "#8a8f98"),
        };
        let name = tile.name.replace('&', "&amp;").replace('<', "&lt;");
        let (cx, cy, font) = (x + w / 2, y + h / 2, (h / 8).min(w / 10).max(8));
        let (below, small) = (cy + font, font / 2);
        writeln!(svg, r#"  <rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{colour}" stroke="{page}"/>"#)?;
        writeln!(svg, r#"  <text x="{cx}" y="{cy}" font-size="{font}">{name}</text>"#)?;
        writeln!(svg, r#"  <text x="{cx}" y="{below}" font-size="{small}">{w}×{h} at {x},{y}: {what}</text>"#)?;
    }
    if scene.tiles.is_empty() {
        writeln!(svg, r#"  <text x="{}" y="{}" font-size="60" fill="{ink}">nobody</text>"#, width / 2, height / 2)?;
    }
    svg.push_str("</g>\n</svg>\n");
    Ok(svg)
}
