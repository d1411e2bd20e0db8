//! The compositor with synthetic frames: what is where, to the pixel, and nothing painted that need not be.

use greffier::compositor::{Canvas, Compositor, Fonts, Frame, Plane, Tick};
use greffier::ids::{ParticipantId, TrackId};
use greffier::pipeline::system_fonts;
use greffier::scene::{Even, Face, Fit, Layout, Rect, Scene, Size, Source, Subject, Theme, Tile, arrange};

const RED: [u8; 3] = [63, 102, 240];
const GREEN: [u8; 3] = [173, 42, 26];
const BLUE: [u8; 3] = [32, 240, 118];
const GREY: [u8; 3] = [125, 128, 128];

/// A picture in memory, with padded rows as decoders have them.
struct Image {
    width: u32,
    height: u32,
    planes: [(Vec<u8>, usize); 3],
}

impl Image {
    fn new(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Self {
        let plane = |i: usize| {
            let half = if i == 0 { 1 } else { 2 };
            let (w, h) = (width.div_ceil(half), height.div_ceil(half));
            let stride = (w as usize).next_multiple_of(32) + 32;
            let mut data = vec![0; stride * h as usize];
            for y in 0..h {
                for x in 0..w {
                    data[y as usize * stride + x as usize] = colour(x * half, y * half)[i];
                }
            }
            // A decoder's last row need not be padded.
            data.truncate(stride * (h as usize - 1) + w as usize);
            (data, stride)
        };
        Self { width, height, planes: [plane(0), plane(1), plane(2)] }
    }

    fn plain(width: u32, height: u32, colour: [u8; 3]) -> Self {
        Self::new(width, height, |_, _| colour)
    }

    /// Red in the outer eighth on every side, green inside.
    fn framed(width: u32, height: u32) -> Self {
        Self::new(width, height, |x, y| {
            let inside = (width / 8..width - width / 8).contains(&x) && (height / 8..height - height / 8).contains(&y);
            if inside { GREEN } else { RED }
        })
    }

    fn frame(&self) -> Frame<'_> {
        let plane = |i: usize| Plane { data: &self.planes[i].0, stride: self.planes[i].1 };
        Frame { width: self.width, height: self.height, planes: [plane(0), plane(1), plane(2)] }
    }
}

fn size(width: u32, height: u32) -> Size {
    Size::new(width, height).expect("even")
}

fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
    Rect { x: Even::floor(x), y: Even::floor(y), width: Even::floor(width), height: Even::floor(height) }
}

fn track(name: &str) -> TrackId {
    TrackId::new(format!("TR_{name}"))
}

fn tile(name: &str, rect: Rect, fit: Fit) -> Tile {
    Tile { face: Face::Track(track(name)), name: name.to_owned(), rect, fit }
}

fn scene(size: Size, tiles: Vec<Tile>) -> Scene {
    Scene { size, theme: Theme::Dark, tiles }
}

fn camera(name: &str) -> Subject {
    Subject {
        participant: ParticipantId::new(format!("PA_{name}")),
        name: name.to_owned(),
        source: Source::Camera,
        track: Some(track(name)),
        portrait: false,
    }
}

/// One tile over 320×180 in the middle of a larger page, without labels.
fn one_tile(fit: Fit) -> Compositor {
    let mut compositor = Compositor::new(size(400, 300), &Fonts::none());
    compositor.show(scene(size(400, 300), vec![tile("a", rect(40, 60, 320, 180), fit)]));
    compositor
}

fn tick(compositor: &mut Compositor) -> Option<Canvas> {
    match compositor.tick() {
        Tick::Changed(canvas) => Some(canvas.clone()),
        Tick::Same => None,
    }
}

#[track_caller]
fn assert_colour(canvas: &Canvas, (x, y): (u32, u32), expected: [u8; 3]) {
    let found = canvas.pixel(x, y).expect("inside");
    let near = found.iter().zip(expected).all(|(f, e)| f.abs_diff(e) <= 2);
    assert!(near, "at {x},{y}: {found:?} instead of {expected:?}");
}

/// Every pixel outside the rectangle is the same in both.
#[track_caller]
fn assert_same_outside(a: &Canvas, b: &Canvas, inside: Rect) {
    for y in 0..a.size().height.get() {
        for x in 0..a.size().width.get() {
            let within = (inside.x.get()..inside.right().get()).contains(&x)
                && (inside.y.get()..inside.bottom().get()).contains(&y);
            assert!(within || a.pixel(x, y) == b.pixel(x, y), "{x},{y} changed outside of {inside:?}");
        }
    }
}

#[test]
fn a_canvas_is_one_raw_picture() {
    let mut compositor = Compositor::new(size(1278, 718), &Fonts::none());
    let canvas = tick(&mut compositor).expect("the first picture is new");
    assert_eq!(canvas.bytes().len(), 1278 * 718 * 3 / 2);
    let page = canvas.pixel(0, 0).expect("inside");
    assert!(page[0] < 40, "a dark page: {page:?}");
    assert_colour(&canvas, (1277, 717), page);
    assert_eq!(canvas.pixel(1278, 0), None);
    assert!(tick(&mut compositor).is_none());
}

#[test]
fn a_frame_fills_its_tile_exactly() {
    for (w, h) in [(320, 180), (640, 360), (1280, 720), (1920, 1080), (160, 90), (641, 361), (317, 179), (16, 9)] {
        let mut compositor = one_tile(Fit::Cover);
        let page = tick(&mut compositor).expect("new").pixel(0, 0).expect("inside");
        compositor.paint(&track("a"), Image::plain(w, h, BLUE).frame());
        let canvas = tick(&mut compositor).expect("painted");
        for inside in [(40, 60), (359, 60), (40, 239), (359, 239), (200, 150)] {
            assert_colour(&canvas, inside, BLUE);
        }
        for outside in [(39, 60), (360, 60), (40, 59), (40, 240), (359, 240)] {
            assert_colour(&canvas, outside, page);
        }
    }
}

#[test]
fn cover_cuts_the_middle_out_of_another_shape() {
    // 4:3 in 16:9: an eighth above and below goes, the red at the sides stays.
    let mut compositor = one_tile(Fit::Cover);
    compositor.paint(&track("a"), Image::framed(640, 480).frame());
    let canvas = tick(&mut compositor).expect("painted");
    assert_colour(&canvas, (200, 64), GREEN);
    assert_colour(&canvas, (200, 236), GREEN);
    assert_colour(&canvas, (44, 150), RED);
    assert_colour(&canvas, (356, 150), RED);
    // 32:9: the sides go, above and below stay.
    compositor.paint(&track("a"), Image::framed(1280, 360).frame());
    let canvas = tick(&mut compositor).expect("painted");
    assert_colour(&canvas, (44, 150), GREEN);
    assert_colour(&canvas, (356, 150), GREEN);
    assert_colour(&canvas, (200, 64), RED);
    assert_colour(&canvas, (200, 236), RED);
}

#[test]
fn a_share_is_never_cropped() {
    let mut compositor = one_tile(Fit::Contain);
    compositor.paint(&track("a"), Image::framed(1024, 768).frame());
    let canvas = tick(&mut compositor).expect("painted");
    // 240×180 in the middle, with all of its red border.
    for border in [(84, 150), (316, 150), (200, 64), (200, 236)] {
        assert_colour(&canvas, border, RED);
    }
    assert_colour(&canvas, (200, 150), GREEN);
    let bar = canvas.pixel(42, 150).expect("inside");
    assert!(bar[0] < 50, "{bar:?}");
    assert_colour(&canvas, (357, 150), bar);
}

#[test]
fn a_portrait_is_not_stretched_even_where_a_landscape_was_announced() {
    for fit in [Fit::Cover, Fit::Contain] {
        let mut compositor = one_tile(fit);
        compositor.paint(&track("a"), Image::framed(720, 1280).frame());
        let canvas = tick(&mut compositor).expect("painted");
        // 102×180 in the middle of 320.
        for border in [(150, 150), (249, 150), (200, 64), (200, 236)] {
            assert_colour(&canvas, border, RED);
        }
        assert_colour(&canvas, (200, 150), GREEN);
        let bar = canvas.pixel(44, 150).expect("inside");
        assert_ne!(bar, RED);
        assert_colour(&canvas, (146, 150), bar);
        assert_colour(&canvas, (253, 150), bar);
    }
}

#[test]
fn a_change_of_resolution_leaves_nothing_of_the_old_shape() {
    let mut compositor = one_tile(Fit::Contain);
    compositor.paint(&track("a"), Image::plain(720, 1280, RED).frame());
    compositor.paint(&track("a"), Image::plain(1280, 720, BLUE).frame());
    compositor.paint(&track("a"), Image::plain(1024, 768, GREEN).frame());
    let canvas = tick(&mut compositor).expect("painted");
    assert_colour(&canvas, (200, 150), GREEN);
    for bar in [(42, 62), (42, 238), (358, 150)] {
        let colour = canvas.pixel(bar.0, bar.1).expect("inside");
        assert!(colour[0] < 50 && colour[1].abs_diff(128) < 8, "{bar:?}: {colour:?}");
    }
}

#[test]
fn frames_that_are_not_whole_are_ignored() {
    let mut compositor = one_tile(Fit::Cover);
    let before = tick(&mut compositor).expect("new");
    let image = Image::plain(64, 64, RED);
    let mut short = image.frame();
    short.planes[2].data = &short.planes[2].data[1..];
    let mut narrow = image.frame();
    narrow.planes[0].stride = 63;
    let mut wide = image.frame();
    wide.planes[1].stride = usize::MAX;
    let empty = Frame { width: 0, ..image.frame() };
    let huge = Frame { width: u32::MAX, height: u32::MAX, ..image.frame() };
    for frame in [short, narrow, wide, empty, huge] {
        compositor.paint(&track("a"), frame);
    }
    assert!(tick(&mut compositor).is_none());
    assert_eq!(compositor.canvas().bytes(), before.bytes());
}

#[test]
fn off_screen_tracks_and_repeated_scenes_change_nothing() {
    let mut compositor = one_tile(Fit::Cover);
    compositor.paint(&track("a"), Image::plain(320, 180, GREY).frame());
    let before = tick(&mut compositor).expect("painted");
    compositor.paint(&track("someone else"), Image::plain(320, 180, RED).frame());
    compositor.show(scene(size(400, 300), vec![tile("a", rect(40, 60, 320, 180), Fit::Cover)]));
    assert_eq!(compositor.wants(), []);
    assert!(tick(&mut compositor).is_none());
    assert_eq!(compositor.canvas().bytes(), before.bytes());
}

#[test]
fn only_what_moved_is_damaged() {
    let canvas = size(640, 360);
    let (left, right) = (rect(0, 90, 320, 180), rect(320, 90, 320, 180));
    let mut compositor = Compositor::new(canvas, &system_fonts());
    compositor.show(scene(canvas, vec![tile("a", left, Fit::Cover), tile("b", right, Fit::Cover)]));
    assert_eq!(compositor.wants(), [track("a"), track("b")]);
    compositor.paint(&track("a"), Image::plain(640, 360, RED).frame());
    compositor.paint(&track("b"), Image::plain(640, 360, GREEN).frame());
    let before = tick(&mut compositor).expect("painted");

    // b makes room for c; a stays as it is.
    compositor.show(scene(canvas, vec![tile("a", left, Fit::Cover), tile("c", right, Fit::Cover)]));
    assert_eq!(compositor.wants(), [track("c")]);
    compositor.paint(&track("c"), Image::plain(640, 360, BLUE).frame());
    assert_eq!(compositor.wants(), []);
    let after = tick(&mut compositor).expect("painted");
    assert_same_outside(&before, &after, right);
    assert_colour(&after, (500, 120), BLUE);

    // a and c change places: both are wanted again.
    compositor.show(scene(canvas, vec![tile("c", left, Fit::Cover), tile("a", right, Fit::Cover)]));
    assert_eq!(compositor.wants(), [track("c"), track("a")]);

    // All leave: only the page is left.
    compositor.show(scene(canvas, Vec::new()));
    let empty = tick(&mut compositor).expect("changed");
    let page = empty.pixel(0, 0).expect("inside");
    for y in (0..360).step_by(6) {
        for x in (0..640).step_by(6) {
            assert_colour(&empty, (x, y), page);
        }
    }
}

#[test]
fn who_has_no_frame_yet_is_shown_by_initials_until_one_comes() {
    let mut compositor = one_tile(Fit::Cover);
    let canvas = tick(&mut compositor).expect("new");
    let (disc, ground) = (canvas.pixel(175, 150).expect("inside"), canvas.pixel(50, 70).expect("inside"));
    assert_ne!(disc, ground);
    assert_colour(&canvas, (358, 70), ground);
    assert_eq!(compositor.wants(), []);
    compositor.paint(&track("a"), Image::plain(640, 360, GREEN).frame());
    let canvas = tick(&mut compositor).expect("painted");
    assert_colour(&canvas, (175, 150), GREEN);
    assert_colour(&canvas, (50, 70), GREEN);
}

#[test]
fn a_light_theme_is_light() {
    let canvas = size(640, 360);
    let mut compositor = Compositor::new(canvas, &Fonts::none());
    let mut person = tile("a", rect(160, 90, 320, 180), Fit::Cover);
    person.face = Face::Initials(ParticipantId::new("PA_a"));
    let mut light = scene(canvas, vec![person]);
    compositor.show(light.clone());
    assert!(tick(&mut compositor).expect("new").pixel(170, 100).expect("inside")[0] < 70);
    light.theme = Theme::Light;
    compositor.show(light);
    let picture = tick(&mut compositor).expect("changed");
    assert_colour(&picture, (0, 0), [235, 128, 128]);
    assert!(picture.pixel(170, 100).expect("inside")[0] > 190);
}

#[test]
fn labels_stay_in_their_tile_and_do_not_grow_darker() {
    let fonts = system_fonts();
    assert!(!fonts.is_empty(), "this test needs a font: apt-get install fonts-noto-core");
    let canvas = size(640, 360);
    let inside = rect(160, 90, 320, 180);
    let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft ".repeat(40);
    for name in [
        "Ada",
        "ليلى العلوي",
        "שרה כהן",
        "🦊 Fox 👩🏽‍💻🇫🇷",
        "山田 花子",
        "\u{202E}evil\nname\0",
        "ﷺﷺﷺﷺﷺﷺ",
        &long,
        "नमस्ते दुनिया",
    ] {
        let mut blank = Compositor::new(canvas, &Fonts::none());
        let mut named = Compositor::new(canvas, &fonts);
        let image = Image::plain(720, 540, GREY);
        let mut frames = [&mut blank, &mut named].map(|compositor| {
            let mut tile = tile("a", inside, Fit::Contain);
            tile.name = name.to_owned();
            compositor.show(scene(canvas, vec![tile]));
            compositor.paint(&track("a"), image.frame());
            tick(compositor).expect("painted")
        });
        // Lower left; the tile's lower third is more than it may take.
        let place = rect(160, 210, 320, 60);
        assert_same_outside(&frames[0], &frames[1], place);
        assert_ne!(frames[0].bytes(), frames[1].bytes(), "{name} has a label");
        for right in 474..480 {
            assert_eq!(frames[0].pixel(right, 250), frames[1].pixel(right, 250), "{name} ends before the tile does");
        }
        // The label lies half over a bar (160 to 200), half over the picture: painting again must not blend it twice.
        named.paint(&track("a"), image.frame());
        frames[0] = tick(&mut named).expect("painted");
        assert_eq!(frames[0].bytes(), frames[1].bytes(), "{name}");
    }
}

/// Where labels stand, by layout: what is painted with names and is not without, as margins to the two nearest sides of the tile.
#[test]
fn labels_stand_where_the_golden_says() {
    let (fonts, canvas) = (system_fonts(), size(1280, 720));
    let mut golden =
        String::from("# Where names stand in their tiles\n\n| layout | tile | corner | margins |\n|---|---|---|---|\n");
    for layout in ["speaker", "grid", "single-speaker"] {
        let shown = arrange(Layout::from_name(layout), canvas, &[camera("Ada"), camera("Boris"), camera("Chloe")]);
        let [blank, named] = [Fonts::none(), fonts.clone()].map(|fonts| {
            let mut compositor = Compositor::new(canvas, &fonts);
            compositor.show(shown.clone());
            for name in ["Ada", "Boris", "Chloe"] {
                compositor.paint(&track(name), Image::plain(640, 360, GREY).frame());
            }
            tick(&mut compositor).expect("painted")
        });
        for tile in &shown.tiles {
            let Rect { x, y, width, height } = tile.rect;
            let (left, top, right, bottom) = (x.get(), y.get(), x.get() + width.get(), y.get() + height.get());
            let differs = |(x, y): &(u32, u32)| blank.pixel(*x, *y) != named.pixel(*x, *y);
            let all = (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y)));
            let label: Vec<_> = all.filter(differs).collect();
            let (xs, ys) = (label.iter().map(|at| at.0), label.iter().map(|at| at.1));
            let (from_left, from_right) = (xs.clone().min().unwrap() - left, right - 1 - xs.max().unwrap());
            let (from_top, from_bottom) = (ys.clone().min().unwrap() - top, bottom - 1 - ys.max().unwrap());
            let side = if from_left < from_right { "left" } else { "right" };
            let end = if from_bottom < from_top { "lower" } else { "upper" };
            let margins = format!("{} and {} px", from_left.min(from_right), from_bottom.min(from_top));
            golden += &format!("| {layout} | {}×{} | {end} {side} | {margins} |\n", right - left, bottom - top);
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenes/labels.md");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &golden).expect("testdata/scenes can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("UPDATE_GOLDENS=1 writes it");
    assert_eq!(golden, expected, "UPDATE_GOLDENS=1 writes it, git shows the change");
}

#[test]
fn tiny_tiles_have_no_label_and_do_no_harm() {
    let fonts = system_fonts();
    for (w, h) in [(2, 2), (16, 16), (64, 64), (160, 90)] {
        for count in [0, 1, 2, 5, 25, 64] {
            for layout in ["speaker", "grid-light", "single-speaker"] {
                let mut compositor = Compositor::new(size(w, h), &fonts);
                let people: Vec<Subject> = (0..count).map(|i| camera(&format!("Person {i}"))).collect();
                compositor.show(arrange(Layout::from_name(layout), size(w, h), &people));
                for person in people.iter().step_by(2) {
                    compositor.paint(person.track.as_ref().expect("has one"), Image::plain(33, 17, RED).frame());
                }
                assert!(tick(&mut compositor).is_some());
            }
        }
    }
}

#[test]
fn a_tile_outside_of_the_canvas_is_ignored() {
    let mut compositor = Compositor::new(size(64, 64), &Fonts::none());
    let far = Rect { x: Even::floor(u32::MAX), ..rect(0, 0, 64, 64) };
    let tiles = vec![tile("a", rect(32, 32, 64, 64), Fit::Cover), tile("b", far, Fit::Cover)];
    compositor.show(scene(size(64, 64), tiles));
    assert_eq!(compositor.wants(), []);
    compositor.paint(&track("a"), Image::plain(64, 64, RED).frame());
    assert!(tick(&mut compositor).is_some());
}

/// Frames for people: `GALLERY=/tmp/gallery cargo test --test compositor gallery` writes raw I420 files, to be seen with
/// `ffmpeg -f rawvideo -pix_fmt yuv420p -s 1280x720 -i speaker.yuv speaker.png`. Without it only that nothing is empty.
#[test]
fn gallery() {
    let fonts = system_fonts();
    let mut share = camera("Ada Lovelace");
    share.source = Source::ScreenShare;
    share.track = Some(track("screen"));
    let mut off = camera("Grace Hopper");
    off.track = None;
    let mut phone = camera("Zoë 🦊 Fox");
    phone.portrait = true;
    let mut fox = camera("🦊 Reineke");
    fox.track = None;
    let mut laila = camera("ليلى العلوي");
    laila.track = None;
    let mut hanako = camera("山田 花子");
    hanako.track = None;
    let long = camera("Maximiliane Konstantinopolitanische-Dudelsackpfeifer von und zu Hohenlohe");
    let cases = [
        ("speaker", "speaker", vec![share.clone(), laila.clone(), off.clone(), phone.clone(), camera("Ada Lovelace")]),
        ("speaker-light", "speaker-light", vec![off.clone(), laila.clone(), fox.clone(), hanako.clone(), long.clone()]),
        ("grid", "grid", vec![camera("Ada"), laila.clone(), off.clone(), phone.clone(), fox.clone(), hanako, long]),
        ("grid-light", "grid-light", vec![camera("Ada"), phone.clone(), off.clone()]),
        ("single", "single-speaker", vec![off]),
        ("alone", "speaker", vec![camera("Ada Lovelace")]),
    ];
    for (name, layout, people) in cases {
        let mut compositor = Compositor::new(size(1280, 720), &fonts);
        compositor.show(arrange(Layout::from_name(layout), size(1280, 720), &people));
        for wanted in compositor.wants() {
            let image = if wanted == track("screen") {
                slide()
            } else if wanted == track("Zoë 🦊 Fox") {
                portrait(360, 640)
            } else {
                portrait(1280, 720)
            };
            compositor.paint(&wanted, image.frame());
        }
        let canvas = tick(&mut compositor).expect("painted");
        let (least, most) = canvas.bytes()[..1280 * 720].iter().fold((255, 0), |(l, m), b| (l.min(*b), m.max(*b)));
        assert!(most - least > 100, "{name} shows something");
        if let Some(folder) = std::env::var_os("GALLERY") {
            let path = std::path::Path::new(&folder).join(format!("{name}.yuv"));
            std::fs::write(path, canvas.bytes()).expect("GALLERY is a folder");
        }
    }
}

/// A white page with lines of text, 16:10.
fn slide() -> Image {
    Image::new(1920, 1200, |x, y| {
        let text = (150..1700 - y % 400).contains(&x) && (200..1000).contains(&y) && y % 80 < 24 && x % 90 < 70;
        if text { [60, 135, 120] } else { [225, 128, 128] }
    })
}

/// Head and shoulders before a wall.
fn portrait(width: u32, height: u32) -> Image {
    Image::new(width, height, |x, y| {
        let unit = width.min(height) as f32;
        let (dx, dy) = ((x as f32 - width as f32 / 2.0) / unit, y as f32 / height as f32);
        if dx.hypot((dy - 0.42) * height as f32 / unit) < 0.18 {
            [165, 110, 150]
        } else if dy > 0.62 && dx.abs() < 0.36 {
            [70, 150, 110]
        } else {
            [120 + (dy * 50.0) as u8, 126, 130]
        }
    })
}

/// The painter is a thread of its own.
#[test]
fn compositor_and_fonts_can_be_sent() {
    fn sendable<T: Send>() {}
    sendable::<Compositor>();
    sendable::<Fonts>();
}
