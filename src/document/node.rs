//! A value as serde reads it. What is wrong is told by what its reader wants; what is null is empty.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::fault::Fault;

type Result<T> = std::result::Result<T, Fault>;

/// A value that is to be read.
pub(super) struct Node(pub Value);

impl Node {
    fn is_not(&self, wanted: &str) -> Fault {
        let found = match &self.0 {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(number) if number.is_f64() => "a number with a fraction or an exponent",
            Value::Number(number) if number.is_i64() && !number.is_u64() => "a negative number",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        Fault::expected(wanted, found)
    }

    fn whole<'de, V: Visitor<'de>>(self, most: u64, visitor: V) -> Result<V::Value> {
        match self.0.as_u64().filter(|number| *number <= most) {
            Some(number) => visitor.visit_u64(number),
            None => Err(self.is_not(&format!("a whole number from 0 to {most}"))),
        }
    }

    fn list<'de, V: Visitor<'de>>(list: Vec<Value>, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(SeqDeserializer::new(list.into_iter().map(Self)))
    }

    fn object<'de, V: Visitor<'de>>(values: Map<String, Value>, visitor: V) -> Result<V::Value> {
        visitor.visit_map(MapDeserializer::new(values.into_iter().map(|(key, value)| (key, Self(value)))))
    }
}

impl IntoDeserializer<'_, Fault> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, Some(number)) => visitor.visit_f64(number),
                (None, None, None) => Err(Fault::custom("a number that is too large")),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(list) => Self::list(list, visitor),
            Value::Object(values) => Self::object(values, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let flag = self.0.as_bool().ok_or_else(|| self.is_not("true or false"))?;
        visitor.visit_bool(flag)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.whole(u8::MAX.into(), visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.whole(u16::MAX.into(), visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.whole(u32::MAX.into(), visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.whole(u64::MAX, visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let number = self.0.as_f64().ok_or_else(|| self.is_not("a number"))?;
        visitor.visit_f64(number)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.is_not("a string (numbers in quotes)"))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => Self::list(Vec::new(), visitor),
            Value::Array(list) => Self::list(list, visitor),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Err(self.is_not("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => Self::object(Map::new(), visitor),
            Value::Object(values) => Self::object(values, visitor),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(self.is_not("an object")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.into_deserializer()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.is_not("a string"))
            }
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}
