//! Where small documents lie that several processes write in turn: a bucket, or what else a deployment shares.

use std::fmt::Debug;
use std::pin::Pin;

use bytes::Bytes;

use super::{Expected, Storage, Version};
use crate::error::Result;

/// What a [`Shelf`] answers, in time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// See the methods of [`Storage`] of the same names.
pub trait Shelf: Debug + Send + Sync {
    /// Writes a document, if what is expected is there; gives the name of its new content, if contents have names here.
    /// `AlreadyExists` when something else is there, `Unimplemented` when conditions are not known here.
    fn put_if<'a>(&'a self, key: &'a str, bytes: Bytes, expected: &'a Expected) -> Answer<'a, Version>;

    /// The whole of a document with the name of its content; `None` when nothing is there.
    fn read_small<'a>(&'a self, key: &'a str) -> Answer<'a, Option<(Bytes, Version)>>;

    /// The keys in this folder, with the names of their contents.
    fn list<'a>(&'a self, folder: &'a str) -> Answer<'a, Vec<(String, Version)>>;

    /// Takes a document away; one that is not there is no failure.
    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()>;
}

impl Shelf for Storage {
    fn put_if<'a>(&'a self, key: &'a str, bytes: Bytes, expected: &'a Expected) -> Answer<'a, Version> {
        Box::pin(Self::put_if(self, key, bytes, expected))
    }

    fn read_small<'a>(&'a self, key: &'a str) -> Answer<'a, Option<(Bytes, Version)>> {
        Box::pin(Self::read_small(self, key))
    }

    fn list<'a>(&'a self, folder: &'a str) -> Answer<'a, Vec<(String, Version)>> {
        Box::pin(Self::list(self, folder))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        Box::pin(Self::delete(self, key))
    }
}
