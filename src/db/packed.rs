//! Pure. The parts of an upload as one short text: a checkpoint is written anew with each of up to ten thousand parts.
//!
//! Base64 of, for each part: one byte of flags, its index and its CRC-32 (little endian), its length unless it is the usual one,
//! and the store's name for it: sixteen bytes when that is an MD5 in hexadecimal, as S3's ETags are, else length and text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::recording::Part;

/// The part is as long as all but the last are.
const USUAL: u8 = 1;
/// Its name is an MD5, within quotation marks or without.
const MD5: u8 = 2;
const QUOTED: u8 = 4;

/// These parts, of which most are `usual` bytes long.
pub fn pack(parts: &[Part], usual: u64) -> String {
    let mut bytes = Vec::with_capacity(parts.len() * 25);
    for part in parts {
        let quoted = part.id.strip_prefix('"').and_then(|id| id.strip_suffix('"'));
        let md5 = md5_of(quoted.unwrap_or(&part.id));
        let mut flags = if part.bytes == usual { USUAL } else { 0 };
        flags |= if md5.is_some() { MD5 } else { 0 } | if quoted.is_some() { QUOTED } else { 0 };
        bytes.push(flags);
        bytes.extend(part.index.to_le_bytes());
        bytes.extend(part.crc32.to_le_bytes());
        if part.bytes != usual {
            bytes.extend(part.bytes.to_le_bytes());
        }
        match md5 {
            Some(md5) => bytes.extend(md5),
            None => {
                bytes.extend(u32::try_from(part.id.len()).unwrap_or(u32::MAX).to_le_bytes());
                bytes.extend(part.id.as_bytes());
            }
        }
    }
    STANDARD.encode(bytes)
}

/// The parts of this text.
pub fn unpack(text: &str, usual: u64) -> Result<Vec<Part>, String> {
    let bytes = STANDARD.decode(text).map_err(|e| e.to_string())?;
    let (mut rest, mut parts) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        parts.push(part(&mut rest, usual).ok_or("its parts end too early")?);
    }
    Ok(parts)
}

fn part(rest: &mut &[u8], usual: u64) -> Option<Part> {
    let [flags] = take(rest)?;
    let (index, crc32) = (u32::from_le_bytes(take(rest)?), u32::from_le_bytes(take(rest)?));
    let bytes = if flags & USUAL == 0 { u64::from_le_bytes(take(rest)?) } else { usual };
    let id = if flags & MD5 == 0 {
        let length = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
        let (id, after) = rest.split_at_checked(length)?;
        *rest = after;
        String::from_utf8(id.to_vec()).ok()?
    } else {
        let md5: String = take::<16>(rest)?.iter().map(|byte| format!("{byte:02x}")).collect();
        if flags & QUOTED == 0 { md5 } else { format!("\"{md5}\"") }
    };
    Some(Part { index, bytes, crc32, id })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

/// The sixteen bytes of 32 small hexadecimal digits.
fn md5_of(id: &str) -> Option<[u8; 16]> {
    let digits = id.as_bytes();
    if digits.len() != 32 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u128::from_str_radix(id, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_packed_comes_back(
            parts in proptest::collection::vec(
                (any::<u32>(), prop_oneof![Just(7), any::<u64>()], any::<u32>(), "(\"[0-9a-f]{32}\"|[0-9a-f]{32}|[0-9A-F]{32}|.{0,40})"),
                0..20,
            ),
            garbage in ".{0,80}",
        ) {
            let part = |(index, bytes, crc32, id)| Part { index, bytes, crc32, id };
            let parts: Vec<_> = parts.into_iter().map(part).collect();
            prop_assert_eq!(unpack(&pack(&parts, 7), 7), Ok(parts));
            let _ = unpack(&garbage, 7);
        }
    }

    #[test]
    fn a_part_takes_few_bytes() {
        let part = |index| Part { index, bytes: 5 << 20, crc32: !index, id: format!("\"{:032x}\"", u128::MAX / 3) };
        let parts: Vec<_> = (0..10_000).map(part).collect();
        assert!(pack(&parts, 5 << 20).len() < 350_000, "{}", pack(&parts, 5 << 20).len());
    }
}
