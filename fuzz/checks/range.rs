//! What must hold of whatever is asked of a file by `Range` and the headers beside it.

use super::{RangeDecision, RangeRequest};

const TAG: &str = "\"tag\"";

/// A part lies within the file and is not empty; without a range there is none.
pub fn check(range: Option<&str>, if_range: Option<&str>, if_none_match: Option<&str>, bytes: u64) {
    match (RangeRequest { range, if_range, if_none_match }.decide(bytes, TAG)) {
        RangeDecision::Part(part) => {
            assert!(part.start < part.end && part.end <= bytes, "{part:?} of {bytes}");
            assert!(range.is_some() && if_range.is_none_or(|known| known.trim() == TAG));
        }
        RangeDecision::Unsatisfiable => assert!(range.is_some()),
        RangeDecision::Whole => {}
        RangeDecision::Unchanged => assert!(if_none_match.is_some()),
    }
}
