//! Pure. What a storage says happened to an object: the shapes of MinIO and of S3.

use serde_json::Value;

use crate::api::body::decode;
use crate::api::settings::Parser;
use crate::recording::Container;
use crate::storage::content_type_of;

/// An object was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// In this bucket.
    pub bucket: String,
    /// Under one of these keys: storages encode keys, some forget to.
    pub keys: [String; 2],
    /// It is of a type that recordings have.
    pub is_media: bool,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageEvent {
    /// Objects were stored.
    Stored(Vec<StoredObject>),
    /// Something else happened, such as a test or a removal.
    Other,
    /// It is not an event.
    Malformed,
}

/// Reads an event.
pub fn read(parser: Parser, body: &[u8]) -> StorageEvent {
    let Ok(event) = serde_json::from_slice::<Value>(body) else { return StorageEvent::Malformed };
    // S3 says hello like this when a notification is configured.
    if event["Event"] == "s3:TestEvent" {
        return StorageEvent::Other;
    }
    let Some(records) = event["Records"].as_array().filter(|records| !records.is_empty()) else {
        return StorageEvent::Malformed;
    };
    let created = |record: &&Value| match record["eventName"].as_str() {
        // S3 leaves out the prefix that MinIO writes.
        Some(name) => name.strip_prefix("s3:").unwrap_or(name).starts_with("ObjectCreated:"),
        None => true,
    };
    let stored: Option<Vec<_>> = records.iter().filter(created).map(|record| stored(parser, record)).collect();
    match stored {
        None => StorageEvent::Malformed,
        Some(stored) if stored.is_empty() => StorageEvent::Other,
        Some(stored) => StorageEvent::Stored(stored),
    }
}

fn stored(parser: Parser, record: &Value) -> Option<StoredObject> {
    let bucket = record["s3"]["bucket"]["name"].as_str().filter(|name| !name.is_empty())?;
    let object = &record["s3"]["object"];
    let raw = object["key"].as_str().filter(|key| !key.is_empty())?;
    let decoded = decode(&raw.replace('+', " ")).unwrap_or_else(|| raw.to_owned());
    let media_type = match parser {
        Parser::Minio => object["contentType"].as_str()?,
        Parser::S3 => content_type_of(raw),
    };
    let is_media = Container::ALL.iter().any(|container| container.content_type() == media_type);
    Some(StoredObject { bucket: bucket.to_owned(), keys: [decoded, raw.to_owned()], is_media })
}

impl StoredObject {
    /// Does the key look as a recording's does in this folder, whether or not there is such a recording?
    pub fn is_in(&self, folder: &str) -> bool {
        self.keys.iter().any(|key| {
            let name = key.strip_prefix(folder).and_then(|name| name.strip_prefix('/'));
            let (id, extension) = name.and_then(|name| name.split_once('.')).unwrap_or_default();
            let plain = |c: u8| c.is_ascii_alphanumeric() || b"_-".contains(&c);
            (1..=64).contains(&id.len())
                && id.bytes().all(plain)
                && Container::ALL.iter().any(|container| container.extension() == extension)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A store knows endings only, and a recording its container: both must say the same of a recording's key.
    #[test]
    fn recordings_have_one_type_wherever_it_is_named() {
        for container in Container::ALL {
            assert_eq!(content_type_of(&format!("a.{}", container.extension())), container.content_type());
        }
    }

    fn event(name: &str, key: &str) -> Vec<u8> {
        let object = json!({"key": key, "contentType": "video/mp4"});
        let record = json!({"eventName": name, "s3": {"bucket": {"name": "b"}, "object": object}});
        json!({"Records": [record]}).to_string().into_bytes()
    }

    fn one(parser: Parser, key: &str) -> StoredObject {
        let read = read(parser, &event("s3:ObjectCreated:Put", key));
        let StorageEvent::Stored(mut stored) = read else { panic!("{read:?}") };
        stored.remove(0)
    }

    #[test]
    fn both_shapes_give_the_key_and_whether_it_is_media() {
        let minio = one(Parser::Minio, "recordings%2Fa+b%2B.mp4");
        assert_eq!((minio.keys[0].as_str(), minio.is_media), ("recordings/a b+.mp4", true));
        let s3 = one(Parser::S3, "a/recordings/EG_x.ogg");
        assert!(s3.is_media && s3.is_in("a/recordings") && !s3.is_in("recordings"));
        assert!(!one(Parser::S3, "recordings/EG_x.part").is_media);
        assert!(!one(Parser::S3, "recordings/EG_x").is_media, "no extension is no failure");
        assert_eq!(one(Parser::S3, "100%.mp4").keys[0], "100%.mp4", "a key that is not encoded");
    }

    #[test]
    fn only_what_looks_like_a_recording_all_along_is_one() {
        for right in ["recordings%2FEG_x.mp4", "recordings/0a1b-2c.ogg"] {
            assert!(one(Parser::Minio, right).is_in("recordings"), "{right}");
        }
        let long = format!("recordings/{}.mp4", "x".repeat(1024));
        for wrong in [
            "recordings%2FEG_x.mp4.part",
            "recordings%2FEG_x.backup.mp4",
            "recordings%2Fparts%2FEG_x.mp4",
            "EG_x.mp4",
            "recordings%2F..%2FEG_x.mp4",
            "x/recordings/EG_x.mp4",
            "recordings/EG%00x.mp4",
            "recordings/.mp4",
            &long,
        ] {
            assert!(!one(Parser::Minio, wrong).is_in("recordings"), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_event_is_said() {
        assert_eq!(read(Parser::Minio, &event("s3:ObjectRemoved:Delete", "k.mp4")), StorageEvent::Other);
        assert_eq!(read(Parser::S3, br#"{"Service": "Amazon S3", "Event": "s3:TestEvent"}"#), StorageEvent::Other);
        for wrong in ["", "{", "[]", "{}", "null", r#"{"Records": []}"#, r#"{"Records": [{}]}"#, r#"{"Records": "x"}"#]
        {
            assert_eq!(read(Parser::Minio, wrong.as_bytes()), StorageEvent::Malformed, "{wrong}");
        }
        let untyped = r#"{"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "recordings/EG_x.mp4"}}}]}"#;
        assert_eq!(read(Parser::Minio, untyped.as_bytes()), StorageEvent::Malformed);
        assert!(matches!(read(Parser::S3, untyped.as_bytes()), StorageEvent::Stored(_)));
    }

    proptest! {
        #[test]
        fn no_body_panics(bytes: Vec<u8>, key in ".*", name in ".*", folder in "[a-z/]{0,9}") {
            for parser in [Parser::Minio, Parser::S3] {
                let _ = read(parser, &bytes);
                if let StorageEvent::Stored(stored) = read(parser, &event(&format!("ObjectCreated:{name}"), &key)) {
                    let _ = stored.iter().all(|one| one.is_in(&folder));
                }
            }
        }

        #[test]
        fn a_key_is_found_however_it_is_encoded(key in "[a-zA-Z0-9 é+/_-]{1,40}") {
            let encoded = percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(&one(Parser::Minio, &encoded).keys[0], &key);
            prop_assert_eq!(&one(Parser::Minio, &encoded.replace("%20", "+")).keys[0], &key);
        }
    }
}
