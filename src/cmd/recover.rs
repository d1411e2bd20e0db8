//! `greffier recover`: finishes recordings of a sidecar that was lost with its disk, from what is in the bucket.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::words::{moment, plain};
use super::{ConfigArgs, say, show};
use crate::config::{Config, length};
use crate::control::{Adopter, AtClose, FoundMark, Timeouts};
use crate::db::{Change, Db};
use crate::error::{Error, ErrorKind, Result};
use crate::outbox::{Marks, Todo};
use crate::recording::Recording;
use crate::sealing::Sealer;
use crate::sidecar::{self, Sidecar};
use crate::spool::Spool;
use crate::storage::Stores;

/// How long storing and notifying may take.
const GRACE: Duration = Duration::from_secs(6 * 3600);

/// Which ones.
#[derive(Args)]
pub struct RecoverArgs {
    /// From the marks and parts in the configured bucket
    #[arg(long, required = true)]
    from_bucket: bool,
    /// Only list what is there, and change nothing; a running sidecar does not matter
    #[arg(long)]
    dry_run: bool,
    /// Only this recording, however recently its sidecar was heard of: make sure that it does not run any more
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Those whose sidecar has been silent for this long, such as 30m [default: the configuration's recording.adopt_after]
    #[arg(long, value_name = "TIME", value_parser = |text: &str| length("--silent-for", text).map_err(|e| e.to_string()))]
    silent_for: Option<Duration>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Finishes each, stores it, notifies whoever is to be notified, and leaves.
pub fn run(args: RecoverArgs) -> Result<()> {
    let (config, _) = Config::read(&args.config.clone().sources())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot start the runtime: {e}")))?;
    let done = runtime.block_on(recover(&args, &config));
    runtime.shutdown_background();
    done
}

async fn recover(args: &RecoverArgs, config: &Config) -> Result<()> {
    let stores = sidecar::stores(config)?;
    if stores.marked().is_empty() {
        let why = "no bucket is configured; recordings in a local folder are lost with their disk";
        return Err(Error::invalid("storage", why));
    }
    let silent_for = args.silent_for.unwrap_or(config.feature.adopt_after);
    let wanted = |found: &FoundMark| match &args.id {
        Some(id) => found.mark.recording == *id,
        None => is_silent(found, Timestamp::now(), silent_for),
    };
    let found: Vec<_> = Adopter::find(&stores).await?.into_iter().filter(|found| !found.mark.over).collect();
    if args.dry_run {
        return show(&listed(&found, wanted));
    }
    let found: Vec<_> = found.into_iter().filter(wanted).collect();
    if found.is_empty() {
        let Some(id) = &args.id else { return show("nothing is to be recovered\n") };
        return Err(Error::new(ErrorKind::NotFound, format!("the bucket has no mark of {id}")));
    }
    let (taken, failed) = take_over(config, stores, found).await?;
    let ids: Vec<_> = taken.iter().map(|recording| recording.id.clone()).collect();
    if !taken.is_empty() {
        finish(config).await?;
    }
    let db = Db::open(&config.data_dir)?;
    for id in ids {
        let state = db.get(&id)?.map_or_else(|| "gone".to_owned(), |now| format!("{}  {}", now.key, now.state));
        show(&format!("{id}  {}\n", plain(&state)))?;
    }
    match failed {
        0 => Ok(()),
        failed => Err(Error::new(ErrorKind::FailedPrecondition, format!("{failed} could not be recovered; see above"))),
    }
}

/// Brings them here, as rows of this store.
async fn take_over(config: &Config, stores: Stores, found: Vec<FoundMark>) -> Result<(Vec<Recording>, usize)> {
    let (spool, db) = (Spool::open(&config.data_dir)?, Db::open(&config.data_dir)?);
    if let Some(other) = db.unended()?.first() {
        let why =
            format!("{} in it has not ended; start greffier serve, which finishes what is in the bucket too", other.id);
        return Err(Error::of_field(ErrorKind::FailedPrecondition, "data_dir", why));
    }
    let (completions, _heard) = mpsc::unbounded_channel();
    let sealer = Sealer::new(&config.server.api_secret);
    let marks = Marks::new(db.clone(), stores.clone(), sealer, config.feature.adopt_after, completions)?;
    let adopter = Adopter { db: db.clone(), spool, stores, marks: marks.clone() };
    let (mut taken, mut failed) = (Vec::new(), 0);
    for found in found {
        let id = found.mark.recording.clone();
        let done = async {
            if adopter.todo(&found.mark)? != Todo::TakeOver {
                say(&format!("{}: it is this sidecar's own, or known here already", plain(&id)));
                return Ok(None);
            }
            let Some(recording) = adopter.take_over(&found).await? else {
                say(&format!("{}: another sidecar is finishing it", plain(&id)));
                return Ok(None);
            };
            let kept = db.commit(Change { recordings: &[&recording], ..Change::default() });
            marks.taken(&recording.id, kept.is_ok()).await;
            kept.map(|()| Some(recording))
        };
        match done.await {
            Ok(recording) => taken.extend(recording),
            Err(error) => {
                say(&format!("{}: {error}", plain(&id)));
                failed += 1;
            }
        }
    }
    Ok((taken, failed))
}

/// What a sidecar does with what it finds at its start: it is stored, and whoever is to be notified is.
async fn finish(config: &Config) -> Result<()> {
    let mut config = config.clone();
    config.api.listen.set_port(0);
    (config.health_port, config.prometheus_port) = (None, None);
    config.feature.adopt_after = Duration::ZERO;
    let timeouts = Timeouts { grace: GRACE, ..Timeouts::default() };
    let sidecar = Sidecar::start(&config, sidecar::livekit(&config), timeouts).await?;
    sidecar.stop(AtClose::Stop).await
}

fn is_silent(found: &FoundMark, now: Timestamp, silent_for: Duration) -> bool {
    let silent = found.mark.heard_at().map(|at| now.duration_since(at));
    silent.is_none_or(|silent| Duration::try_from(silent).is_ok_and(|silent| silent >= silent_for))
}

fn listed(found: &[FoundMark], wanted: impl Fn(&FoundMark) -> bool) -> String {
    let mut text = String::new();
    for one in found {
        let mark = &one.mark;
        let what = if wanted(one) { "lost" } else { "alive" };
        let (id, key, owner) = (plain(&mark.recording), plain(&mark.key), plain(&mark.owner));
        let _ = writeln!(text, "{what:5}  {id}  {key}  heard of {} by {owner}", moment(&mark.heard_at));
    }
    if text.is_empty() { "no recording is marked as unfinished\n".to_owned() } else { text }
}
