//! `greffier check`: tries everything that a recording needs; one line each, with the fix.

mod disk;
mod finding;
mod livekit;
mod local;

use std::time::Duration;

use clap::Args;

use self::finding::{Finding, Verdict};
use super::{ConfigArgs, show};
use crate::config::Config;
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
const PATIENCE: Duration = Duration::from_secs(9);
/// For the mail server to accept a connection.
const MAIL: Duration = Duration::from_secs(3);

/// Prints a line for each thing; fails when one of them would keep recordings from being made.
pub fn run(args: CheckArgs) -> Result<()> {
    let (config, warnings) = Config::read(&args.sources.sources())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot start the runtime: {e}")))?;
    let mut findings: Vec<_> = warnings.into_iter().map(|text| Finding::warning("config", text)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok("config", "read; `greffier config --show` prints it"));
    }
    findings.extend(runtime.block_on(probe(&config, args.room.as_deref())));
    // A probe that hangs must not keep us.
    runtime.shutdown_background();
    show(&findings.iter().map(Finding::line).collect::<String>())?;
    match findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        failed => Err(Error::new(ErrorKind::FailedPrecondition, format!("{failed} of these must be put right first"))),
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
        in_time("storage", storages(config)),
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
    let late = || vec![Finding::failure(what, format!("no answer within {} s", PATIENCE.as_secs()))];
    tokio::time::timeout(PATIENCE, probe).await.unwrap_or_else(|_| late())
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
        Err(e) if e.kind == ErrorKind::Unauthenticated => Finding::failure(WHAT, e.message),
        Err(e) => Finding::failure(WHAT, format!("{}; check redis.address, redis.use_tls and the network", e.message)),
    }]
}

/// The storage, and those that modes have of their own.
async fn storages(config: &Config) -> Vec<Finding> {
    let mut findings = vec![storage(config, &config.storage, "").await];
    for (mode, settings) in &config.mode_storages {
        findings.push(storage(config, settings, &format!("of {mode}, ")).await);
    }
    findings
}

/// Writes, reads and deletes an object.
async fn storage(config: &Config, settings: &Settings, whose: &str) -> Finding {
    const WHAT: &str = "storage";
    let target = match &settings.target {
        Target::Local(folder) => format!("the folder {}", folder.as_ref().unwrap_or(&config.data_dir).display()),
        Target::S3(s3) => format!("bucket {} of {}", s3.bucket, s3.endpoint.as_deref().unwrap_or("Amazon")),
        Target::Gcp(gcp) => format!("bucket {} of Google", gcp.bucket),
        Target::Azure(azure) => format!("container {} of Azure", azure.container_name),
    };
    let tried = match Storage::open(settings, &config.data_dir) {
        Ok(storage) => storage.check().await,
        Err(e) => Err(e),
    };
    match tried {
        Ok(()) => Finding::ok(WHAT, format!("{whose}{target}: written, read back, deleted")),
        Err(e) => Finding::failure(WHAT, format!("{} ({whose}{target})", e.message)),
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
