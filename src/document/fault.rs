//! Why a value does not fit, without the value: `serde_json`'s own errors quote it, and it may be a secret.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

/// Why a value, or a field of it, does not fit.
#[derive(Debug)]
pub(super) struct Fault {
    /// The field at fault, when it is not the value that was read.
    pub field: Option<&'static str>,
    why: String,
}

impl Fault {
    /// Something else was wanted.
    pub fn expected(wanted: impl fmt::Display, found: &str) -> Self {
        Self::custom(format_args!("expected {wanted}, found {found}"))
    }
}

impl Error for Fault {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self { field: None, why: why.to_string() }
    }

    fn invalid_type(found: Unexpected, wanted: &dyn Expected) -> Self {
        Self::expected(wanted, kind(&found))
    }

    fn invalid_value(found: Unexpected, wanted: &dyn Expected) -> Self {
        Self::expected(wanted, kind(&found))
    }

    fn invalid_length(_: usize, wanted: &dyn Expected) -> Self {
        Self::expected(wanted, "another number of them")
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self::expected(format_args!("one of {}", known.join(", ")), "something else")
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::custom("there is no such field")
    }

    fn missing_field(field: &'static str) -> Self {
        Self { field: Some(field), ..Self::custom("missing") }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self { field: Some(field), ..Self::custom(TWICE) }
    }
}

/// What is said of a name that is there twice.
pub(super) const TWICE: &str = "it is there twice; leave one of them out";

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Fault {}

/// What it is, without its content.
fn kind(found: &Unexpected) -> &'static str {
    match found {
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Seq => "a list",
        Unexpected::Map => "an object",
        Unexpected::NewtypeStruct
        | Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant
        | Unexpected::Other(_) => "something else",
    }
}
