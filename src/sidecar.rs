//! Assembly: builds every part in order, runs them, stops them in reverse.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::api::egress::Egress;
use crate::api::{self, Api, ApiKey, Metrics, Ports, Served, Sharer};
use crate::capacity::{self, Capacity};
use crate::config::Config;
use crate::control::{Admission, Adopter, AtClose, Calendar, Control, ControlParts, Launcher, Timeouts};
use crate::db::Db;
use crate::egress::Targets;
use crate::error::{Error, ErrorKind, Result};
use crate::notify::{Links, Notifier};
use crate::outbox::{Marks, Outbox, Worker};
use crate::psrpc::{Bus, Documents};
use crate::recording::{Quality, Target};
use crate::sealing::Sealer;
use crate::spool::Spool;
use crate::storage::{self, Shelf, Storage, Stores};
use crate::worker::Workers;

/// How long open requests may take once everything is saved.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How often expired recordings are looked for.
const EXPIRE: Duration = Duration::from_secs(60);

/// How often is looked whether recordings keep up.
const OVERLOAD_POLL: Duration = Duration::from_secs(1);

/// How long the link in a letter is good, when the recording does not end before.
const EMAIL_LINK: SignedDuration = SignedDuration::from_hours(24 * 90);
/// How long a service has for fetching an object.
const SIGNED: Duration = Duration::from_secs(24 * 3600);

/// A running sidecar.
#[derive(Debug)]
pub struct Sidecar {
    address: SocketAddr,
    control: Control,
    stop: oneshot::Sender<()>,
    api: JoinHandle<()>,
    egress_api: Option<api::egress::Open>,
    metrics: Metrics,
    ports: Served,
    driver: JoinHandle<()>,
    post: JoinHandle<()>,
    clock: JoinHandle<()>,
    marks: (JoinHandle<()>, Marks),
}

impl Sidecar {
    /// Builds and starts everything. What an earlier process left behind is taken up meanwhile.
    pub async fn start(config: &Config, launcher: Launcher, timeouts: Timeouts) -> Result<Self> {
        capacity::allow_files();
        keep_private(&config.data_dir)?;
        let spool = Spool::open(&config.data_dir)?;
        let db = Db::open(&config.data_dir)?;
        let listener = api::bind(&config.api).await?;
        let ports = Ports::bind(config.health_port, config.prometheus_port).await?;
        let address =
            listener.local_addr().map_err(|e| Error::new(ErrorKind::Internal, format!("listen: no address: {e}")))?;
        // A store that does not answer now may do so later: recordings wait in the spool.
        let stores = stores(config)?;
        let example = format!("{}/a.mp4", config.policy.output_folder);
        stores.usual().check_key(&example).map_err(|e| e.at("recording.output_folder"))?;
        let base = config.api.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let sharer = Sharer::new(&config.server.api_secret, &base);
        let bus = config.redis.clone().map(Bus::start);
        let notifier = notifier(config, sharer.clone(), stores.clone(), bus.as_ref())?;
        let (completions_sender, completions) = mpsc::unbounded_channel();
        let (sealer, after) = (Sealer::new(&config.server.api_secret), config.feature.adopt_after);
        let marks = Marks::new(db.clone(), stores.clone(), sealer, after, completions_sender.clone())?;
        let adopter = Adopter { db: db.clone(), spool: spool.clone(), stores: stores.clone(), marks: marks.clone() };
        let (worker_db, worker_spool) = (db.clone(), spool.clone());
        let worker =
            Worker { db: worker_db, spool: worker_spool, stores: stores.clone(), marks: marks.clone(), notifier };
        let (outbox, post) = Outbox::start(db.clone(), worker.perform(), completions_sender)?;
        let capacity = Capacity::start(config.max_cpu_utilization);
        let overloaded = capacity.clone();
        let admission = Admission {
            stores: stores.clone(),
            capacity: capacity.clone(),
            bucket_only: config.disallow_local_storage,
            api_key: config.server.api_key.clone(),
            targets: Arc::new(targets(config)),
        };
        let mut policy = config.policy.clone();
        policy.targets.extend(bus.is_some().then_some(Target::LiveKit));
        let (control, driver) =
            Control::open(ControlParts { db, spool, launcher, outbox, completions, policy, admission, timeouts })?;
        let (stop, stopped) = oneshot::channel();
        let limits = config.limits;
        let egress =
            Egress { control: control.clone(), capacity: capacity.clone(), limits, unsupported: config.unsupported };
        let metrics = Metrics::new(control.clone(), capacity, Timestamp::now());
        let ports = ports.serve(&metrics)?;
        let egress_api = match &bus {
            Some(bus) => Some(api::egress::serve(egress.clone(), bus, &config.cluster_id).await),
            None => None,
        };
        let parts = api::ApiParts {
            control: control.clone(),
            egress,
            metrics: metrics.clone(),
            stores,
            modes: config.worker_classes.clone(),
            policy: config.policy.clone(),
            limits,
            key: ApiKey { name: config.server.api_key.clone(), secret: config.server.api_secret.clone() },
            sharer,
        };
        let api = Api::new(parts, &config.api);
        let api = tokio::spawn(api.serve(listener, async move {
            let _ = stopped.await;
        }));
        let (one, other) = (expire(control.clone()), watch_overload(control.clone(), overloaded));
        let adopt = adopter.watch(control.clone(), after);
        let clock = tokio::spawn(async move {
            tokio::join!(one, other, adopt);
        });
        let marks = (tokio::spawn(marks.clone().run()), marks);
        Ok(Self { address, control, stop, api, egress_api, metrics, ports, driver, post, clock, marks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses new recordings, ends the others or waits until they end, waits (bounded) until their files are stored and
    /// everybody was notified, then closes the APIs.
    pub async fn stop(self, running: AtClose) -> Result<()> {
        let Self { control, stop, api, egress_api, metrics, ports, driver, post, clock, marks, .. } = self;
        clock.abort();
        metrics.closing();
        let mut egress_api = egress_api;
        egress_api.iter_mut().for_each(api::egress::Open::refuse);
        let closed = control.close(running).await;
        // Until now others had to know that we are there.
        let (signs, marks) = marks;
        signs.abort();
        let _ = tokio::time::timeout(LAST_ANSWERS, marks.sweep()).await;
        drop(marks);
        let _ = stop.send(());
        let abort = api.abort_handle();
        if tokio::time::timeout(LAST_ANSWERS, api).await.is_err() {
            abort.abort();
        }
        ports.close().await;
        drop((egress_api, metrics));
        // The driver ends with its last handle, and with it the store is closed.
        drop(control);
        let _ = tokio::time::timeout(LAST_ANSWERS, driver).await;
        let _ = tokio::time::timeout(LAST_ANSWERS, post).await;
        closed
    }
}

/// Who tells people. Pages are where people reach us; without `public_url`, where we listen.
fn notifier(config: &Config, sharer: Sharer, stores: Stores, bus: Option<&Bus>) -> Result<Notifier> {
    let links = Links::new(sharer.base());
    let links = match config.feature.download_base_url.clone() {
        // A backend's own pages.
        Some(base) => links.with_page(move |about| format!("{base}/{}", about.id)),
        // Whoever has the letter may watch; the link ends with the recording, or after a while.
        None => links.with_page(move |about| sharer.url(about, Timestamp::now(), EMAIL_LINK)),
    };
    let links = links.with_sign(Arc::new(move |about| {
        let (storage, key) = (stores.of(about.options.sealed_store(), about.storing_mode()), about.key.clone());
        Box::pin(async move { Ok(storage?.sign_get(&key, SIGNED).await?.into()) })
    }));
    Notifier::new(config.notify.clone(), &config.data_dir, config.server.clone(), links, bus)
}

/// Where requests over HTTP may send us: wherever the configuration does, and where it says.
fn targets(config: &Config) -> Targets {
    let endpoint = |settings: &storage::Settings| match &settings.target {
        storage::Target::S3(s3) => s3.endpoint.clone(),
        storage::Target::Local(_) | storage::Target::Gcp(_) | storage::Target::Azure(_) => None,
    };
    let notify = &config.notify;
    let webhooks = notify.webhooks.iter().flat_map(|hooks| hooks.urls.clone());
    let ours: Vec<String> = [config.server.url.clone()]
        .into_iter()
        .chain(webhooks)
        .chain(notify.storage_hook.iter().map(|hook| hook.url.clone()))
        .chain([&config.storage].into_iter().chain(config.mode_storages.values()).filter_map(endpoint))
        .collect();
    Targets::new(config.allowed_hosts.clone(), ours.iter().map(String::as_str))
}

/// Nobody else reads what we keep, not even what earlier versions left open.
fn keep_private(data_dir: &Path) -> Result<()> {
    storage::keep_private();
    let failed = |e| Error::invalid("data_dir", format!("{}: cannot be made ours alone: {e}", data_dir.display()));
    ["db", "rows", "spool", "mail"]
        .iter()
        .try_for_each(|own| storage::make_private(&data_dir.join(own)))
        .map_err(failed)
}

/// The storages of this configuration: the one for everything, and those that modes have of their own.
pub fn stores(config: &Config) -> Result<Stores> {
    let open = |settings| Storage::open(settings, &config.data_dir);
    let modes = config.mode_storages.iter().map(|(mode, settings)| Ok((mode.clone(), open(settings)?)));
    let (storage, modes) = (open(&config.storage)?, modes.collect::<Result<_>>()?);
    let shared = config.redis.clone().map(|redis| Arc::new(Documents::new(redis)) as Arc<dyn Shelf>);
    let stores = Stores::new(storage, modes, &config.data_dir, Sealer::new(&config.server.api_secret));
    Ok(stores.of_requests(shared, config.storage.max_unsent))
}

/// Keeps a machine from taking more while a recording on it does not keep up, for ever.
async fn watch_overload(control: Control, capacity: Capacity) {
    let mut ticks = tokio::time::interval(OVERLOAD_POLL);
    loop {
        ticks.tick().await;
        let Ok(progress) = control.progress().await else { return };
        capacity.overloaded(progress.values().any(|progress| progress.quality != Quality::Full));
    }
}

/// Removes what has expired, for ever.
async fn expire(control: Control) {
    let (mut ticks, start, mut calendar) = (tokio::time::interval(EXPIRE), Instant::now(), Calendar::new());
    loop {
        ticks.tick().await;
        if !calendar.believes(Timestamp::now(), start.elapsed()) {
            continue;
        }
        match control.expire(Timestamp::now()).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "recordings expired"),
            Err(_) => return,
        }
    }
}

/// Starts recorders in the rooms of the server, each in a process of its own. Must be called within a tokio runtime.
pub fn livekit(config: &Config) -> Launcher {
    // Also when the file has been replaced meanwhile: a worker is the same program as we are.
    let workers = Workers::start(
        "/proc/self/exe".into(),
        config.logging.arguments().map(Into::into).into(),
        config.server.access(),
        config.recorder_memory,
    );
    Box::new(move |launch| workers.record(launch))
}
