//! The picture: newest frames scaled once into a persistent I420 canvas.

mod bitmap;
mod blend;
mod canvas;
mod colour;
mod fonts;
mod frame;
mod initials;
mod label;
mod scale;

use std::collections::HashMap;
use std::sync::Arc;

pub use canvas::Canvas;
pub use fonts::Fonts;
pub use frame::{Frame, Plane};

use crate::ids::TrackId;
use crate::scene::{Face, Rect, Scene, Size, Theme, Tile, place};
use blend::Overlay;
use fonts::Typesetter;

/// More labels than this are not kept; a scene has at most 25.
const MOST_LABELS: usize = 128;

/// Owns the canvas. It knows neither time nor where frames come from: show a scene, paint what came, tick.
pub struct Compositor {
    canvas: Canvas,
    theme: Theme,
    slots: Vec<Slot>,
    changed: bool,
    /// A card lies over the page.
    card: bool,
    typesetter: Typesetter,
    labels: HashMap<(String, Size), Option<Arc<Overlay>>>,
}

/// What a tick gives.
#[derive(Clone, Copy, Debug)]
pub enum Tick<'a> {
    /// The picture is not the one of the last tick.
    Changed(&'a Canvas),
    /// Nothing has changed since: send the last one again.
    Same,
}

/// A tile, and what of it is on the canvas.
struct Slot {
    tile: Tile,
    label: Option<Arc<Overlay>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Shown since the last tick and not painted yet; what is under it is stale.
    Blank,
    /// The initials are there.
    Initials,
    /// A picture fills this part of the tile, bars the rest.
    Painted(Rect),
}

impl Compositor {
    /// An empty dark page. The fonts are read only as far as names need them.
    pub fn new(size: Size, fonts: &Fonts) -> Self {
        Self {
            canvas: Canvas::new(size, colour::page(Theme::Dark)),
            theme: Theme::Dark,
            slots: Vec::new(),
            changed: true,
            card: false,
            typesetter: Typesetter::new(fonts),
            labels: HashMap::new(),
        }
    }

    /// Shows this scene from now on. Tiles that are the same as before stay as they are on the canvas; the others must
    /// be painted, see [`wants`](Self::wants). Tiles of the scene must not overlap; one that leaves the canvas is ignored.
    pub fn show(&mut self, scene: Scene) {
        let mut old = std::mem::take(&mut self.slots);
        if scene.theme != self.theme || std::mem::take(&mut self.card) {
            self.theme = scene.theme;
            self.canvas.fill(self.canvas.size().rect(), colour::page(self.theme));
            self.changed = true;
            old.clear();
        }
        let size = self.canvas.size();
        let tiles: Vec<Tile> = scene.tiles.into_iter().filter(|t| !t.rect.is_empty() && t.rect.within(size)).collect();
        for gone in old.iter().filter(|slot| !tiles.contains(&slot.tile)) {
            self.canvas.fill(gone.tile.rect, colour::page(self.theme));
            self.changed = true;
        }
        for tile in tiles {
            let slot = match old.iter().position(|slot| slot.tile == tile) {
                Some(kept) => old.swap_remove(kept),
                None => {
                    self.changed = true;
                    Slot { label: self.label(&tile), tile, state: State::Blank }
                }
            };
            self.slots.push(slot);
        }
    }

    /// Shows a page with this line in its middle, until there is a scene to be shown. `behind` it, dimmed, a picture of the
    /// canvas' size; else it is empty.
    pub fn card(&mut self, line: &str, behind: Option<Frame<'_>>) {
        self.slots.clear();
        let size = self.canvas.size();
        if !behind.is_some_and(|frame| self.canvas.dim(&frame)) {
            self.canvas.fill(size.rect(), colour::page(self.theme));
        }
        if let Some(label) = label::label(&mut self.typesetter, line, size) {
            let (x, y) = (label.width.centred_in(size.width), label.height.centred_in(size.height));
            label.blend(&mut self.canvas, x, y);
        }
        (self.card, self.changed) = (true, true);
    }

    /// The tracks whose newest frame must be painted again because their tile is new, moved or changed. One that has no
    /// frame yet needs nothing: the next tick shows initials in its place.
    pub fn wants(&self) -> Vec<TrackId> {
        let blank = self.slots.iter().filter(|slot| slot.state == State::Blank);
        blank
            .filter_map(|slot| match &slot.tile.face {
                Face::Track(track) => Some(track.clone()),
                Face::Initials(_) => None,
            })
            .collect()
    }

    /// A new frame of a track: scaled once, into its place. Off screen it costs nothing. A frame whose planes do not hold
    /// what its size says is ignored.
    pub fn paint(&mut self, track: &TrackId, frame: Frame<'_>) {
        let shows = |slot: &&mut Slot| matches!(&slot.tile.face, Face::Track(shown) if shown == track);
        for slot in self.slots.iter_mut().filter(shows) {
            let tile = &slot.tile;
            let Some(placement) = place(tile.fit, tile.rect, frame.width, frame.height) else { continue };
            if !scale::scale(&frame, placement, &mut self.canvas) {
                continue;
            }
            let target = placement.target;
            let label = slot.label.as_ref().map(|label| (label, label::place(label, tile.rect)));
            // Bars stay on the canvas, but for those under the label: it must not be laid over itself.
            let fresh = slot.state != State::Painted(target);
            for bar in tile.rect.around(target) {
                let stale = if fresh { Some(bar) } else { label.and_then(|(_, rect)| bar.intersection(rect)) };
                if let Some(stale) = stale {
                    self.canvas.fill(stale, colour::bars(self.theme));
                }
            }
            if let Some((label, rect)) = label {
                label.blend(&mut self.canvas, rect.x, rect.y);
            }
            slot.state = State::Painted(target);
            self.changed = true;
        }
    }

    /// The picture at this instant.
    pub fn tick(&mut self) -> Tick<'_> {
        for slot in self.slots.iter_mut().filter(|slot| slot.state == State::Blank) {
            draw_initials(&mut self.canvas, &mut self.typesetter, self.theme, slot);
            self.changed = true;
        }
        if std::mem::take(&mut self.changed) { Tick::Changed(&self.canvas) } else { Tick::Same }
    }

    /// The canvas as it is, without the effect of a tick.
    pub fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// Rendered once for each name and size of tile: who speaks in turn moves to and fro between two sizes.
    fn label(&mut self, tile: &Tile) -> Option<Arc<Overlay>> {
        if self.labels.len() >= MOST_LABELS {
            self.labels.clear();
        }
        let render = || label::label(&mut self.typesetter, &tile.name, tile.rect.size()).map(Arc::new);
        self.labels.entry((tile.name.clone(), tile.rect.size())).or_insert_with(render).clone()
    }
}

fn draw_initials(canvas: &mut Canvas, typesetter: &mut Typesetter, theme: Theme, slot: &mut Slot) {
    let Tile { name, rect, .. } = &slot.tile;
    let (background, disc) = colour::person(theme, name);
    canvas.fill(*rect, background);
    let disc = initials::disc(typesetter, name, disc, rect.size());
    let (x, y) = initials::place(&disc, rect.size());
    disc.blend(canvas, rect.x + x, rect.y + y);
    if let Some(label) = &slot.label {
        let place = label::place(label, *rect);
        label.blend(canvas, place.x, place.y);
    }
    slot.state = State::Initials;
}
