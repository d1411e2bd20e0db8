//! Someone without a picture: a disc with initials.

use cosmic_text::Weight;

use super::bitmap::Bitmap;
use super::blend::Overlay;
use super::colour::Rgb;
use super::fonts::Typesetter;
use crate::scene::{Even, Size};

/// The disc for this name in a tile of this size; without a font it stays blank.
pub(super) fn disc(typesetter: &mut Typesetter, name: &str, colour: Rgb, tile: Size) -> Overlay {
    let diameter = tile.height.min(tile.width).fraction(9, 20).get();
    let mut disc = Bitmap::new(diameter, diameter);
    disc.pill(colour, 1.0);
    let size = diameter as f32 * 0.40;
    let ink = (size >= 5.0).then(|| typesetter.set(&initials(name), size, Weight::MEDIUM, diameter as f32)).flatten();
    if let Some(ink) = ink {
        // Centred by what is inked, not by the line box: letters have no descenders here, other scripts do.
        let middle = |low: Option<i32>, high: Option<i32>| {
            (diameter as i32 - low.unwrap_or(0) - high.unwrap_or(0) - 1).div_euclid(2)
        };
        let (xs, ys) = (ink.pixels.iter().map(|p| p.x), ink.pixels.iter().map(|p| p.y));
        let (dx, dy) = (middle(xs.clone().min(), xs.max()), middle(ys.clone().min(), ys.max()));
        for p in &ink.pixels {
            disc.over(p.x + dx, p.y + dy, p.colour, p.alpha);
        }
    }
    Overlay::new(&disc)
}

/// Where the disc begins so that it is in the middle.
pub(super) fn place(disc: &Overlay, tile: Size) -> (Even, Even) {
    (disc.width.centred_in(tile.width), disc.height.centred_in(tile.height))
}

/// The first characters of the first and the last word, in capitals; brackets and the like are not characters here.
pub(super) fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(first_character);
    let first = words.next();
    let last = words.next_back();
    let joiner = match (&first, &last) {
        // Letters that would otherwise join into a word.
        (Some(a), Some(b)) if joins(a) && joins(b) => "\u{200C}",
        _ => "",
    };
    let both: Vec<String> = first.into_iter().chain(last).map(|c| c.to_uppercase()).collect();
    both.join(joiner)
}

/// What a reader takes for the first character: with its accents, and emoji sequences and flags whole.
fn first_character(word: &str) -> Option<String> {
    let start = |c: char| !(c.is_ascii_punctuation() || matches!(c, '\u{2000}'..='\u{206F}' | '«' | '»'));
    let word = &word[word.find(start)?..];
    let mut taken = String::new();
    let mut joined = false;
    for c in word.chars() {
        let flag = is_flag_half(c) && taken.chars().count() == 1 && taken.chars().all(is_flag_half);
        if !taken.is_empty() && !joined && !flag && !extends(c) {
            break;
        }
        joined = c == '\u{200D}';
        taken.push(c);
        // A name made of nothing but accents is not a character.
        if taken.len() > 64 {
            break;
        }
    }
    Some(taken)
}

fn is_flag_half(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

/// Belongs to the character before: accents, vowel signs, joiners, emoji variants, skin tones, tags.
fn extends(c: char) -> bool {
    matches!(
        c,
        '\u{0300}'..='\u{036F}'
            | '\u{0591}'..='\u{05BD}'
            | '\u{064B}'..='\u{065F}'
            | '\u{093A}'..='\u{094F}'
            | '\u{0E31}'
            | '\u{0E34}'..='\u{0E3A}'
            | '\u{0E47}'..='\u{0E4E}'
            | '\u{1AB0}'..='\u{1AFF}'
            | '\u{1DC0}'..='\u{1DFF}'
            | '\u{200D}'
            | '\u{20D0}'..='\u{20FF}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{1F3FB}'..='\u{1F3FF}'
            | '\u{E0020}'..='\u{E007F}'
    )
}

/// Written joined to its neighbours: Arabic, Syriac, N'Ko.
fn joins(character: &str) -> bool {
    character.chars().next().is_some_and(|c| matches!(c, '\u{0600}'..='\u{07FF}' | '\u{08A0}'..='\u{08FF}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_first_and_last() {
        for (name, expected) in [
            ("Ada Lovelace", "AL"),
            ("ada", "A"),
            ("Jean-Luc van den Berg", "JB"),
            ("  Émile   zola ", "ÉZ"),
            ("E\u{301}mile Zola", "E\u{301}Z"),
            ("(guest) Bob", "GB"),
            ("Bob (guest)", "BG"),
            ("山田 花子", "山花"),
            ("محمد علي", "م\u{200C}ع"),
            ("שרה כהן", "שכ"),
            ("🦊 Fox", "🦊F"),
            ("👩🏽‍💻 Dev", "👩🏽‍💻D"),
            ("🇫🇷🇩🇪 Franco", "🇫🇷F"),
            ("नि राज", "निरा"),
            ("--- ???", ""),
            ("", ""),
        ] {
            assert_eq!(initials(name), expected, "{name}");
        }
        assert!(initials(&format!("a{}", "\u{301}".repeat(1000))).len() < 80);
    }
}
