//! The API that LiveKit's server knocks at: `EgressInternal` and `EgressHandler` over psrpc.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use livekit_protocol as proto;
use prost::Message;

use super::Egress;
use super::bidding::{self, Requested};
use crate::egress::rpc;
use crate::error::{Error, ErrorKind};
use crate::psrpc::{Bus, Method, PsrpcServer, ServiceKind, Serving};
use crate::recording::Recording;

/// What clients ask of an egress that has ended is answered this long.
const LINGER: SignedDuration = SignedDuration::from_mins(10);
/// How often those are looked through.
const SWEEP: Duration = Duration::from_secs(60);
/// Recordings that a start of this process looks through for those that may still be asked about.
const RECENT: usize = 200;
/// How long Redis is waited for; a subscription that stands later is as good.
const HEARD: Duration = Duration::from_secs(2);

/// The API. Dropped, it is closed for starts; what runs already stays reachable through [`serve`]'s task.
#[derive(Debug)]
pub struct Open {
    start: Option<Serving>,
    list: Serving,
    handlers: Handlers,
    sweep: tokio::task::JoinHandle<()>,
}

/// Per egress: stopping and what else is asked of one.
type Handlers = Arc<Mutex<HashMap<String, Vec<Serving>>>>;

/// Opens the API: bids for starts, answers for what runs. Must be called within a tokio runtime.
pub async fn serve(egress: Egress, bus: &Bus, cluster_id: &str) -> Open {
    let server = PsrpcServer::new(bus.clone());
    let handlers = Handlers::default();
    // What an earlier process began is answered for here.
    let recent = egress.control.page(None, 0, RECENT).await.map(|page| page.recordings).unwrap_or_default();
    let requested = recent.iter().filter(|recording| is_requested(recording, Timestamp::now()));
    futures_util::future::join_all(
        requested.map(|recording| register(&server, &handlers, &egress, recording.id.as_str())),
    )
    .await;
    let (bidder, loser, starter, limits) = (egress.clone(), egress.clone(), egress.clone(), egress.limits);
    let (at, of) = (server.clone(), handlers.clone());
    let mut start = server.serve(
        Method::new("EgressInternal", "StartEgress", cluster_id)
            .reads::<rpc::StartEgressRequest>()
            .map(move |request| Requested::read(request, limits)),
        ServiceKind::claim_or_lose(
            move |requested| bidding::bid(&bidder, requested),
            move |requested| bidding::lost(&loser, &requested),
        ),
        move |Requested { id, start }| {
            let (egress, server, handlers) = (starter.clone(), at.clone(), of.clone());
            async move {
                let info = egress.start(start?).await?;
                // Whoever has the answer may stop it.
                register(&server, &handlers, &egress, &id).await;
                Ok(encoded(&info))
            }
        },
    );
    // Who sees that we listen may start at once; a Redis that is away does not keep the other APIs closed.
    let _ = tokio::time::timeout(HEARD, start.ready()).await;
    let lister = egress.clone();
    let list = server.serve(Method::new("EgressInternal", "ListActiveEgress", ""), ServiceKind::Multi, move |_| {
        let egress = lister.clone();
        async move {
            let request = proto::ListEgressRequest { active: true, ..Default::default() };
            let egress_ids = egress.list(&request, None).await?.items.into_iter().map(|info| info.egress_id).collect();
            Ok(encoded(&rpc::ListActiveEgressResponse { egress_ids }))
        }
    });
    let sweep = tokio::spawn(sweep(handlers.clone(), egress));
    Open { start: Some(start), list, handlers, sweep }
}

impl Open {
    /// Bids for nothing more; what runs is still answered for.
    pub fn refuse(&mut self) {
        self.start = None;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.sweep.abort();
        lock(&self.handlers).clear();
        let _ = &self.list;
    }
}

/// Serves what is asked of one egress, by its id.
async fn register(server: &PsrpcServer, handlers: &Handlers, egress: &Egress, id: &str) {
    if lock(handlers).contains_key(id) {
        return;
    }
    let stopper = egress.clone();
    let stop = Method::new("EgressHandler", "StopEgress", id).reads::<proto::StopEgressRequest>();
    let mut stop = server.serve(stop, ServiceKind::Queue, move |request| {
        let egress = stopper.clone();
        async move { Ok(encoded(&egress.stop(&request.egress_id).await?)) }
    });
    let update = Method::new("EgressHandler", "UpdateStream", id).reads::<proto::UpdateStreamRequest>();
    let mut update = server.serve(update, ServiceKind::Queue, |_| async {
        Err(Error::new(ErrorKind::InvalidArgument, "UpdateStream called on non-streaming egress"))
    });
    let _ = tokio::time::timeout(HEARD, async {
        stop.ready().await;
        update.ready().await;
    })
    .await;
    lock(handlers).insert(id.to_owned(), vec![stop, update]);
}

/// Closes what nobody asks for any more, for ever.
async fn sweep(handlers: Handlers, egress: Egress) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let now = Timestamp::now();
        let requested = |id: &String| {
            let recording = egress.control.get(&crate::ids::RecordingId::new(id.clone()));
            recording.is_ok_and(|recording| is_requested(&recording, now))
        };
        lock(&handlers).retain(|id, _| requested(id));
    }
}

fn is_requested(recording: &Recording, now: Timestamp) -> bool {
    recording.options.origin.notifies_server()
        && (!recording.state.is_final() || now.duration_since(recording.updated_at) < LINGER)
}

fn encoded(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn lock(handlers: &Handlers) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Serving>>> {
    handlers.lock().unwrap_or_else(PoisonError::into_inner)
}
