//! Pure. Lengths of time as people and Go write them.

use std::time::Duration;

use crate::error::{Error, Result};

/// `90`, `90s`, `30m`, `1h30m`, `1h0m0s`, `500ms`; zero too. A bare number counts seconds. `field` is named in the error.
pub fn length(field: &str, text: &str) -> Result<Duration> {
    let wrong =
        || Error::invalid(field, format!("{text:?} is not a length of time; use for example 90s, 30m or 1h30m"));
    let mut seconds = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += number
            * match &rest[..end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" | "" => 1.0,
                "ms" => 1e-3,
                _ => return Err(wrong()),
            };
        rest = &rest[end..];
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

#[cfg(test)]
#[path = "../../fuzz/checks/length.rs"]
mod check;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_written_is_a_length_or_refused(any in ".*", likely in "([0-9.]{0,20}(h|m|s|ms)?){0,4}") {
            check::check(&any);
            check::check(&likely);
        }
    }

    #[test]
    fn lengths_are_read_as_people_write_them() {
        let seconds = |text| length("d", text).map(|d| d.as_secs_f64());
        assert_eq!(seconds("90"), Ok(90.0));
        assert_eq!(seconds("1h30m"), Ok(5400.0));
        assert_eq!(seconds("2h0m0s"), Ok(7200.0));
        assert_eq!(seconds("2.5s"), Ok(2.5));
        assert_eq!(seconds("1500ms"), Ok(1.5));
        assert_eq!(seconds("0"), Ok(0.0));
        for wrong in ["", "soon", "5x", "-3s", "1e99h", "h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
