//! Pure. Boxes of ISO/IEC 14496-12: heads, children, numbers.

/// The head of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxHead {
    /// The four letters.
    pub kind: [u8; 4],
    /// Bytes, with the head.
    pub size: u64,
    /// Bytes of the head itself: 8, or 16 with a large size.
    pub length: usize,
}

/// Reads a head.
pub fn head(bytes: &[u8]) -> Option<BoxHead> {
    let size = u64::from(u32_at(bytes, 0)?);
    let kind = bytes.get(4..8)?.try_into().ok()?;
    if size == 1 {
        return Some(BoxHead { kind, size: u64_at(bytes, 8)?, length: 16 });
    }
    Some(BoxHead { kind, size, length: 8 })
}

/// A head of sixteen bytes for a box of this size.
pub fn large_head(kind: [u8; 4], size: u64) -> [u8; 16] {
    let mut head = [0; 16];
    head[3] = 1;
    head[4..8].copy_from_slice(&kind);
    head[8..].copy_from_slice(&size.to_be_bytes());
    head
}

/// The boxes in a payload: kind, the whole box, its payload. Stops where they are no longer whole.
pub fn children(payload: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8], &[u8])> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        let head = head(rest)?;
        let size = usize::try_from(head.size).ok()?;
        let whole = rest.get(..size)?;
        let inner = whole.get(head.length..)?;
        rest = rest.get(size..)?;
        Some((head.kind, whole, inner))
    })
}

/// The payload of the first child of this kind.
pub fn child<'a>(payload: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    children(payload).find(|(k, _, _)| k == kind).map(|(_, _, inner)| inner)
}

/// A whole box.
pub fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 8);
    let size = u32::try_from(payload.len() + 8).unwrap_or(u32::MAX);
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(kind);
    out.extend_from_slice(payload);
    out
}

/// A big-endian number.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A big-endian number.
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The decode time of a `tfdt` (ISO/IEC 14496-12, 8.8.12), in either version.
pub fn decode_time(tfdt: &[u8]) -> Option<u64> {
    if tfdt.first() == Some(&1) { u64_at(tfdt, 4) } else { u32_at(tfdt, 4).map(u64::from) }
}

/// Writes a duration into a full box at the place for version 0 or 1.
pub fn set_duration(payload: &mut [u8], version0: usize, version1: usize, duration: u64) {
    if payload.first() == Some(&1) {
        if let Some(place) = payload.get_mut(version1..version1 + 8) {
            place.copy_from_slice(&duration.to_be_bytes());
        }
    } else if let Some(place) = payload.get_mut(version0..version0 + 4) {
        place.copy_from_slice(&u32::try_from(duration).unwrap_or(u32::MAX).to_be_bytes());
    }
}
