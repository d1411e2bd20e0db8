//! Text into pixels: any script, emoji in colour, right-to-left, with an ellipsis where it is too long.

use std::sync::Arc;

use cosmic_text::fontdb::Database;
use cosmic_text::{
    Align, Attrs, Buffer, Color, Ellipsize, EllipsizeHeightLimit, Family, FontSystem, Metrics, Shaping, SwashCache,
    Weight, Wrap,
};

use super::colour::{Rgb, WHITE};

/// What we like best first; any other font is better than none.
const FAMILIES: [&str; 6] = ["Inter", "Noto Sans", "Open Sans", "DejaVu Sans", "Liberation Sans", "Arial"];
/// Longer names are cut before they are shaped: no tile shows more, and shaping costs.
const MOST_CHARS: usize = 200;

/// The fonts that text is set in. Finding them takes a moment, so it is done once; a clone is cheap and can be sent.
#[derive(Clone, Default)]
pub struct Fonts(Option<Arc<(String, Database)>>);

impl Fonts {
    /// The fonts of this database, for texts of this locale.
    pub fn of(locale: String, mut db: Database) -> Self {
        let has = |family: &&str| db.faces().any(|face| face.families.iter().any(|(name, _)| name == family));
        let family = FAMILIES.iter().find(|family| has(family)).map(|family| (*family).to_owned());
        let any = || db.faces().next().and_then(|face| face.families.first()).map(|(name, _)| name.clone());
        let Some(family) = family.or_else(any) else { return Self::none() };
        db.set_sans_serif_family(family);
        Self(Some(Arc::new((locale, db))))
    }

    /// No font at all: names and initials are left out.
    pub fn none() -> Self {
        Self(None)
    }

    /// True when no font was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many faces were found.
    pub fn faces(&self) -> usize {
        self.0.as_ref().map_or(0, |fonts| fonts.1.len())
    }
}

impl std::fmt::Debug for Fonts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fonts({} faces)", self.faces())
    }
}

/// Sets text in these fonts; keeps the ones that it has read.
pub(super) struct Typesetter(Option<FontSystem>);

/// One line of text as pixels, relative to the upper left corner of its line box.
pub(super) struct Ink {
    pub pixels: Vec<Pixel>,
    /// Width of the line in pixels.
    pub width: f32,
    /// Height of the line box in pixels.
    pub height: f32,
}

pub(super) struct Pixel {
    pub x: i32,
    pub y: i32,
    pub colour: Rgb,
    pub alpha: f32,
}

impl Typesetter {
    pub(super) fn new(fonts: &Fonts) -> Self {
        let usable = |mut system: FontSystem| {
            // A face that is listed but cannot be read would make shaping panic.
            let ids: Vec<_> = system.db().faces().map(|face| (face.id, face.weight)).collect();
            ids.iter().any(|(id, weight)| system.get_font(*id, *weight).is_some()).then_some(system)
        };
        let load = |fonts: &Arc<(String, Database)>| {
            let (locale, db) = (**fonts).clone();
            usable(FontSystem::new_with_locale_and_db(locale, db))
        };
        Self(fonts.0.as_ref().and_then(load))
    }

    /// One line in white, at most `width` pixels wide. `None` without fonts, or when there is nothing to see.
    pub(super) fn set(&mut self, text: &str, size: f32, weight: Weight, width: f32) -> Option<Ink> {
        let system = self.0.as_mut()?;
        let text = one_line(text);
        let height = size * 1.3;
        let mut buffer = Buffer::new(system, Metrics::new(size, height));
        buffer.set_wrap(Wrap::None);
        buffer.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(1)));
        buffer.set_size(Some(width), Some(height));
        let attrs = Attrs::new().family(Family::SansSerif).weight(weight);
        buffer.set_text(&text, &attrs, Shaping::Advanced, Some(Align::Left));
        buffer.shape_until_scroll(system, false);
        let (left, line_width) = {
            let run = buffer.layout_runs().next()?;
            let left = run.glyphs.iter().map(|g| g.x).fold(f32::INFINITY, f32::min);
            let right = run.glyphs.iter().map(|g| g.x + g.w).fold(f32::NEG_INFINITY, f32::max);
            (left, right - left)
        };
        if !line_width.is_finite() || line_width <= 0.0 {
            return None;
        }
        let shift = left.round() as i32;
        let mut pixels = Vec::new();
        let [r, g, b] = WHITE.0.map(|c| c as u8);
        // The cache would only grow: every text is set once and then kept as an overlay.
        buffer.draw(system, &mut SwashCache::new(), Color::rgb(r, g, b), |x, y, _, _, colour| {
            if colour.a() > 0 {
                let rgb = Rgb([colour.r(), colour.g(), colour.b()].map(f32::from));
                pixels.push(Pixel { x: x - shift, y, colour: rgb, alpha: f32::from(colour.a()) / 255.0 });
            }
        });
        Some(Ink { pixels, width: line_width, height })
    }
}

/// Without line breaks, control characters and overrides of direction, and not endless.
fn one_line(text: &str) -> String {
    let overrides = |c: &char| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}');
    let plain = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    text.trim().chars().filter(|c| !overrides(c)).map(plain).take(MOST_CHARS).collect()
}
