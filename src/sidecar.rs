//! Assembly: builds every part in order, runs them, stops them in reverse.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::api::{self, Door, Sharer};
use crate::config::Config;
use crate::control::{AtClose, Control, Launch, Launcher, Parts, Patience};
use crate::db::Db;
use crate::error::{Error, ErrorKind, Result};
use crate::notify::{Links, LiveKit, Notifier};
use crate::outbox::{Outbox, Worker};
use crate::recorder::Recorder;
use crate::room::Server;
use crate::spool::Spool;
use crate::storage::{Storage, Stores};
use crate::vault::Vault;

/// How long open requests may take once everything is saved.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long files may take to be moved, besides the time they have to be finished.
const LAST_FILES: Duration = Duration::from_secs(10);

/// How often expired recordings are looked for.
const EXPIRE: Duration = Duration::from_secs(60);

/// A running sidecar.
#[derive(Debug)]
pub struct Sidecar {
    address: SocketAddr,
    control: Control,
    patience: Patience,
    stop: oneshot::Sender<()>,
    door: JoinHandle<()>,
    driver: JoinHandle<()>,
    post: JoinHandle<()>,
    clock: JoinHandle<()>,
}

impl Sidecar {
    /// Builds and starts everything. What an earlier process left behind is taken up before the port is open.
    pub async fn start(config: &Config, launcher: Launcher, patience: Patience) -> Result<Self> {
        let spool = Spool::open(&config.data_dir)?;
        let db = Db::open(&config.data_dir)?;
        let listener = api::bind(&config.api).await?;
        let address =
            listener.local_addr().map_err(|e| Error::new(ErrorKind::Internal, format!("listen: no address: {e}")))?;
        // A store that does not answer now may do so later: recordings wait in the spool.
        let storage = Storage::open(&config.storage, &config.data_dir)?;
        let (news_sender, news) = mpsc::unbounded_channel();
        let stores = Stores::new(storage.clone(), &config.data_dir, Vault::new(&config.server.api_secret));
        let notifier = notifier(config, address)?;
        let worker = Worker { db: db.clone(), spool: spool.clone(), stores: stores.clone(), notifier };
        let (outbox, post) = Outbox::start(db.clone(), worker.perform(), news_sender)?;
        let policy = config.policy.clone();
        let (control, driver) = Control::start(Parts { db, spool, launcher, outbox, news, policy, patience }).await?;
        let (stop, stopped) = oneshot::channel();
        let base = config.api.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let sharer = Sharer::new(&config.server.api_secret, &base);
        let door = Door::new(control.clone(), storage, config.worker_classes.clone(), &config.api, sharer);
        let door = tokio::spawn(door.serve(listener, async move {
            let _ = stopped.await;
        }));
        let clock = tokio::spawn(expire(control.clone()));
        Ok(Self { address, control, patience, stop, door, driver, post, clock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses new recordings, ends the others, waits (bounded) until their files are whole, then closes the door.
    pub async fn stop(self) -> Result<()> {
        let Self { control, patience, stop, door, driver, post, clock, .. } = self;
        clock.abort();
        let files = tokio::time::timeout(patience.drain + LAST_FILES, control.close(AtClose::Stop)).await;
        let _ = stop.send(());
        let abort = door.abort_handle();
        if tokio::time::timeout(LAST_ANSWERS, door).await.is_err() {
            abort.abort();
        }
        // The driver ends with its last handle, and with it the store is closed.
        drop(control);
        let _ = tokio::time::timeout(LAST_ANSWERS, driver).await;
        let _ = tokio::time::timeout(LAST_ANSWERS, post).await;
        files.map_err(|_| {
            Error::new(ErrorKind::DeadlineExceeded, "stop: some recordings could not be finished in time")
        })?
    }
}

/// Who tells people. Pages are where people reach us; without `public_url`, where we listen.
fn notifier(config: &Config, address: SocketAddr) -> Result<Notifier> {
    let Server { url, api_key, api_secret, ca_file, insecure } = config.server.clone();
    let server = LiveKit { url, api_key, api_secret, ca_file, insecure };
    let links = Links::new(config.notify.public_url.as_deref().unwrap_or(&format!("http://{address}")));
    Notifier::new(config.notify.clone(), &config.data_dir, server, links)
}

/// Removes what has expired, for ever.
async fn expire(control: Control) {
    let mut ticks = tokio::time::interval(EXPIRE);
    loop {
        ticks.tick().await;
        match control.expire(Timestamp::now()).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "recordings expired"),
            Err(_) => return,
        }
    }
}

/// Starts real recorders in the rooms of this server.
pub fn livekit(server: Server) -> Launcher {
    Box::new(move |Launch { id, request, path, reports }| {
        Box::new(Recorder::start(id, request, server.clone(), path, reports))
    })
}
