//! Documents that several processes write in turn, in a real Redis.

use bytes::Bytes;
use greffier::error::ErrorKind;
use greffier::psrpc::{Documents, Settings};
use greffier::secret::Secret;
use greffier::storage::{Expected, Shelf as _};

use crate::support::redis::Redis;

const KEY: &str = "marks/EG_1.json";

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn a_document_is_written_only_over_what_was_expected() {
    let mut redis = Redis::start();
    let settings = Settings::at(&redis.address()).unwrap();
    let (one, other) = (Documents::new(settings.clone()), Documents::new(settings));
    assert_eq!(one.read_small(KEY).await.unwrap(), None);
    assert_eq!(one.list("marks").await.unwrap(), []);
    let first = one.put_if(KEY, text("first"), &Expected::Nothing).await.unwrap().expect("contents have names");
    let there = other.put_if(KEY, text("second"), &Expected::Nothing).await.unwrap_err();
    assert_eq!(there.kind, ErrorKind::AlreadyExists, "{there}");
    assert_eq!(other.read_small(KEY).await.unwrap(), Some((text("first"), Some(first.clone()))));
    let second = other.put_if(KEY, text("second"), &Expected::Version(first.clone())).await.unwrap().unwrap();
    assert_ne!(first, second);
    let late = one.put_if(KEY, text("third"), &Expected::Version(first)).await.unwrap_err();
    assert_eq!(late.kind, ErrorKind::AlreadyExists, "{late}");
    one.put_if("marksmen", text(""), &Expected::Anything).await.unwrap();
    assert_eq!(one.list("marks").await.unwrap(), [(KEY.to_owned(), Some(second.clone()))]);
    one.delete(KEY).await.unwrap();
    one.delete(KEY).await.unwrap();
    let gone = other.put_if(KEY, text("fourth"), &Expected::Version(second)).await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::AlreadyExists, "{gone}");

    redis.kill();
    assert_eq!(one.list("marks").await.unwrap_err().kind, ErrorKind::Unavailable);
    redis.launch();
    assert_eq!(one.list("marks").await.unwrap(), [], "it kept nothing, and is asked anew");
    one.put_if(KEY, text("fifth"), &Expected::Nothing).await.unwrap();
}

#[tokio::test]
async fn a_login_that_may_not_is_told_what_it_lacks() {
    let user = ["--user", "greffier", "on", ">secret", "~*", "&*", "+@all", "-eval"];
    let redis = Redis::start_with(&user);
    let (username, password) = (Some("greffier".to_owned()), Some(Secret::new("secret")));
    let documents = Documents::new(Settings { username, password, ..Settings::at(&redis.address()).unwrap() });
    let error = documents.put_if(KEY, text("x"), &Expected::Nothing).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("EVAL") && !error.to_string().contains("secret"), "{error}");
}
