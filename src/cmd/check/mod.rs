//! `greffier check`: tries everything that a recording needs; one line each, with the fix.

mod disk;
mod finding;
mod livekit;
mod local;

use std::time::Duration;

use clap::Args;

pub(super) use self::finding::{Finding, Grade};
pub(super) use self::livekit::server as livekit_server;
use super::{ConfigArgs, show};
use crate::config::{Config, Warning};
use crate::error::{Error, ErrorKind, Result};
use crate::notify::Transport;
use crate::psrpc;
use crate::storage::{Settings, Storage, Target};

/// What to check.
#[derive(Args)]
pub struct CheckArgs {
    #[command(flatten)]
    sources: ConfigArgs,
    /// Join this room, which must exist, and wait for the UDP path to the server
    #[arg(long)]
    room: Option<String>,
}

/// The whole takes less than 10 s, since the probes run side by side and none may take longer than this.
const TIMEOUT: Duration = Duration::from_secs(9);
/// For the mail server to accept a connection.
const MAIL: Duration = Duration::from_secs(3);

/// Prints a line for each thing; fails when one of them would keep recordings from being made.
pub fn run(args: CheckArgs) -> Result<()> {
    let (config, warnings) = Config::read(&args.sources.sources())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot start the runtime: {e}")))?;
    let mut findings: Vec<_> = warnings.iter().map(configured).collect();
    if findings.is_empty() {
        findings.push(Finding::ok("config", "read; `greffier config --show` prints it"));
    }
    findings.extend(runtime.block_on(probe(&config, args.room.as_deref())));
    // A probe that hangs must not keep us.
    runtime.shutdown_background();
    show(&findings.iter().map(Finding::line).collect::<String>())?;
    match findings.iter().filter(|finding| finding.verdict == Grade::Fail).count() {
        0 => Ok(()),
        failed => Err(Error::new(ErrorKind::FailedPrecondition, format!("{failed} of these must be put right first"))),
    }
}

/// What was written and has no effect was wanted all the same.
fn configured(warning: &Warning) -> Finding {
    const WHAT: &str = "config";
    if warning.is_mistake() {
        Finding::failure(WHAT, warning.to_string())
    } else {
        Finding::warning(WHAT, warning.to_string())
    }
}

/// All of them, side by side; the lines keep this order.
async fn probe(config: &Config, room: Option<&str>) -> Vec<Finding> {
    let data_dir = config.data_dir.clone();
    let (media, server, udp, redis, spool, storage, mail, disk) = tokio::join!(
        in_time(
            "gstreamer",
            blocking("gstreamer", || {
                let mut findings = local::gstreamer();
                findings.push(local::fonts());
                findings
            })
        ),
        in_time("livekit", livekit::server(&config.server)),
        in_time("udp", livekit::udp(&config.server, room)),
        in_time("redis", redis(config)),
        in_time("data_dir", {
            let data_dir = data_dir.clone();
            blocking("data_dir", move || vec![local::data_dir(&data_dir)])
        }),
        in_time("storage", storages(config, Proof::Whole)),
        in_time("mail", mail(config)),
        in_time("disk", {
            let data_dir = data_dir.clone();
            blocking("disk", move || disk::space(&data_dir))
        }),
    );
    [media, server, udp, redis, spool, storage, mail, disk].concat()
}

/// What it finds, or that it took too long.
async fn in_time(what: &'static str, probe: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    let late = || vec![Finding::failure(what, format!("no answer within {} s", TIMEOUT.as_secs()))];
    tokio::time::timeout(TIMEOUT, probe).await.unwrap_or_else(|_| late())
}

async fn blocking(what: &'static str, probe: impl FnOnce() -> Vec<Finding> + Send + 'static) -> Vec<Finding> {
    let done = tokio::task::spawn_blocking(probe).await;
    done.unwrap_or_else(|e| vec![Finding::failure(what, format!("the probe broke: {e}"))])
}

async fn redis(config: &Config) -> Vec<Finding> {
    const WHAT: &str = "redis";
    let Some(settings) = config.redis.clone() else {
        return vec![Finding::skipped(WHAT, "not configured: LiveKit's own egress API is not served")];
    };
    let name = settings.name();
    vec![match psrpc::Bus::start(settings).ping().await {
        Ok(()) => Finding::ok(WHAT, format!("{name} answers")),
        Err(e) if e.kind == ErrorKind::Unauthenticated => Finding::error(WHAT, &e),
        Err(e) => Finding::failure(WHAT, format!("{e}; check redis.address, redis.use_tls and the network")),
    }]
}

/// How a storage is tried.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    /// An object is written, read back and deleted.
    Whole,
    /// It takes writes; in a bucket nothing appears.
    Writable,
}

/// The storage, and those that modes have of their own.
pub(super) async fn storages(config: &Config, proof: Proof) -> Vec<Finding> {
    let mut findings = vec![storage(config, &config.storage, "", proof).await];
    for (mode, settings) in &config.mode_storages {
        findings.push(storage(config, settings, &format!("of {mode}, "), proof).await);
    }
    findings
}

async fn storage(config: &Config, settings: &Settings, whose: &str, proof: Proof) -> Finding {
    const WHAT: &str = "storage";
    let target = match &settings.target {
        Target::Local(folder) => format!("the folder {}", folder.as_ref().unwrap_or(&config.data_dir).display()),
        Target::S3(s3) => format!("bucket {} of {}", s3.bucket, s3.endpoint.as_deref().unwrap_or("Amazon")),
        Target::Gcp(gcp) => format!("bucket {} of Google", gcp.bucket),
        Target::Azure(azure) => format!("container {} of Azure", azure.container_name),
    };
    let tried = match (Storage::open(settings, &config.data_dir), proof) {
        (Ok(storage), Proof::Whole) => storage.check().await,
        (Ok(storage), Proof::Writable) => storage.check_key_writable("greffier-check.txt", "text/plain").await,
        (Err(e), _) => Err(e),
    };
    let done = match proof {
        Proof::Whole => "written, read back, deleted",
        Proof::Writable => "can be written to",
    };
    match tried {
        Ok(()) => Finding::ok(WHAT, format!("{whose}{target}: {done}")),
        Err(e) => Finding { text: format!("{e} ({whose}{target})"), ..Finding::error(WHAT, &e) },
    }
}

/// Whether the mail server can be reached; a letter would have to be sent to know more.
async fn mail(config: &Config) -> Vec<Finding> {
    const WHAT: &str = "mail";
    let Transport::Smtp(smtp) = &config.notify.mail.transport else {
        return vec![Finding::skipped(WHAT, "no mail server configured (mail.smtp)")];
    };
    let at = format!("{}:{}", smtp.host, smtp.port);
    let reached = tokio::time::timeout(MAIL, tokio::net::TcpStream::connect((smtp.host.as_str(), smtp.port))).await;
    let why = match reached {
        Ok(Ok(_)) => return vec![Finding::ok(WHAT, format!("{at} can be reached; login and sender were not tried"))],
        Ok(Err(e)) => e.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    // Recordings are made and kept; letters wait.
    vec![Finding::warning(WHAT, format!("{at}: {why}; check mail.smtp.host, mail.smtp.port and the network"))]
}
