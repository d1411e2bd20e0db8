//! LiveKit's server, by psrpc: the egress is created, then updated.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use crate::egress;
use crate::error::{Attempt, Error, ErrorKind, Undelivered};
use crate::psrpc::{Bus, CallOptions, PsrpcClient};
use crate::recording::{Event, Recording};

/// LiveKit Egress' `io_create_timeout`.
const CREATE: Duration = Duration::from_secs(15);
/// LiveKit Egress' `io_update_timeout`.
const UPDATE: Duration = Duration::from_secs(30);
/// A server that is there bids within this. LiveKit Egress waits as long as for the answer, and so hears of a server that is back
/// half a minute late.
const BID: Duration = Duration::from_secs(5);

/// Asks the servers' `IOInfo`.
#[derive(Clone, Debug)]
pub struct IoInfo {
    client: PsrpcClient,
}

impl IoInfo {
    /// Over this bus. Must be called within a tokio runtime.
    pub fn new(bus: &Bus) -> Self {
        Self { client: PsrpcClient::new(bus, "IOInfo") }
    }

    /// `CreateEgress` once we are in its room, `UpdateEgress` for everything after that. `location` is where the object is.
    pub async fn notify(&self, event: Event, about: &Recording, location: &str) -> Attempt {
        let (method, timeout) = match event {
            Event::Joined => ("CreateEgress", CREATE),
            // LiveKit has no word for them.
            Event::Accepted | Event::LimitNear(_) => return Ok(()),
            Event::Started | Event::Ending | Event::Ended => ("UpdateEgress", UPDATE),
        };
        let info = Bytes::from(egress::proto::info(about, location).encode_to_vec());
        match self.client.call(method, "", info, &CallOptions::patient(timeout, BID)).await {
            Ok(_) => Ok(()),
            Err(e) => {
                let error = Error::of_field(e.kind, &format!("IOInfo.{method}"), e.message);
                Err(match e.kind {
                    // The server has understood and does not want it: it will not want it later.
                    ErrorKind::InvalidArgument
                    | ErrorKind::NotFound
                    | ErrorKind::AlreadyExists
                    | ErrorKind::PermissionDenied
                    | ErrorKind::FailedPrecondition
                    | ErrorKind::Unimplemented => Undelivered::Never(error),
                    ErrorKind::Unauthenticated
                    | ErrorKind::ResourceExhausted
                    | ErrorKind::Unavailable
                    | ErrorKind::DeadlineExceeded
                    | ErrorKind::DataLoss
                    | ErrorKind::Internal => Undelivered::Retry(error),
                })
            }
        }
    }
}
