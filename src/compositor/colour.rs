//! Colours: BT.601 in limited range, as what is painted beside them, and which ones we use.

use crate::scene::Theme;

/// Y, U and V.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Yuv(pub [u8; 3]);

/// Red, green and blue, 0 to 255, as on a screen (sRGB).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rgb(pub [f32; 3]);

/// ITU-R BT.601 in limited range: what to add to 16 and to 128. It is what libwebrtc makes of a camera or a screen unless it
/// says otherwise, and all that VP8 has (RFC 6386, section 9.2).
pub(super) fn bt601([r, g, b]: [f32; 3]) -> [f32; 3] {
    [
        0.256_788 * r + 0.504_129 * g + 0.097_906 * b,
        -0.148_223 * r - 0.290_993 * g + 0.439_216 * b,
        0.439_216 * r - 0.367_788 * g - 0.071_427 * b,
    ]
}

impl Rgb {
    const fn hex(rgb: u32) -> Self {
        Self([(rgb >> 16 & 255) as f32, (rgb >> 8 & 255) as f32, (rgb & 255) as f32])
    }

    /// Hue in degrees, saturation and lightness from 0 to 1.
    fn hsl(hue: f32, saturation: f32, lightness: f32) -> Self {
        let spread = saturation * lightness.min(1.0 - lightness);
        let channel = |n: f32| {
            let k = (n + hue / 30.0) % 12.0;
            255.0 * (lightness - spread * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0))
        };
        Self([channel(0.0), channel(8.0), channel(4.0)])
    }

    pub(super) fn yuv(self) -> Yuv {
        let [y, u, v] = bt601(self.0);
        Yuv([16.0 + y, 128.0 + u, 128.0 + v].map(|c| c.round().clamp(0.0, 255.0) as u8))
    }
}

/// White, for text.
pub(super) const WHITE: Rgb = Rgb::hex(0xFF_FF_FF);
/// The pill under a name.
pub(super) const PILL: Rgb = Rgb::hex(0x0B_0D_11);

/// Behind all tiles.
pub(super) fn page(theme: Theme) -> Yuv {
    match theme {
        Theme::Dark => Rgb::hex(0x0E_10_14).yuv(),
        Theme::Light => Rgb::hex(0xFF_FF_FF).yuv(),
    }
}

/// Beside a picture that does not fill its tile.
pub(super) fn bars(theme: Theme) -> Yuv {
    match theme {
        Theme::Dark => Rgb::hex(0x1A_1D_24).yuv(),
        Theme::Light => Rgb::hex(0xE8_EB_F0).yuv(),
    }
}

/// Someone without a picture: background of the tile, and the disc on it. The same name always gets the same hue.
pub(super) fn person(theme: Theme, name: &str) -> (Yuv, Rgb) {
    // FNV-1a: stable across releases, unlike the standard library's hasher.
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
    // Hues that white text stands out from; the upper bits are the better mixed ones.
    const HUES: [f32; 10] = [4.0, 24.0, 90.0, 145.0, 172.0, 196.0, 214.0, 246.0, 282.0, 330.0];
    let hue = HUES[((hash >> 40) % HUES.len() as u64) as usize];
    match theme {
        Theme::Dark => (Rgb::hsl(hue, 0.22, 0.15).yuv(), Rgb::hsl(hue, 0.42, 0.40)),
        Theme::Light => (Rgb::hsl(hue, 0.38, 0.91).yuv(), Rgb::hsl(hue, 0.42, 0.42)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_bt601_in_limited_range() {
        assert_eq!(WHITE.yuv(), Yuv([235, 128, 128]));
        assert_eq!(Rgb::hex(0).yuv(), Yuv([16, 128, 128]));
        assert_eq!(Rgb::hex(0xFF_00_00).yuv(), Yuv([81, 90, 240]));
        assert_eq!(Rgb::hsl(120.0, 1.0, 0.5).0, [0.0, 255.0, 0.0]);
    }

    #[test]
    fn a_name_keeps_its_colour_in_both_themes() {
        assert_eq!(person(Theme::Dark, "Ada"), person(Theme::Dark, "Ada"));
        for name in ["", "Ada", "山田", "🦊"] {
            let ((dark, _), (light, _)) = (person(Theme::Dark, name), person(Theme::Light, name));
            assert!(dark.0[0] < 60 && light.0[0] > 190, "{name}: {dark:?} {light:?}");
        }
    }
}
