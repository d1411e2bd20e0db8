//! `greffier serve`: the sidecar, until a signal ends it.

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::cmd::{ConfigArgs, log, reach, show};
use crate::config::Config;
use crate::control::{AtClose, Timeouts};
use crate::error::{Error, ErrorKind, Result};
use crate::sidecar::{self, Sidecar};

/// What the sidecar needs.
#[derive(Args)]
pub struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Serves until SIGINT or SIGTERM, then finishes every recording; a second signal leaves at once.
pub fn run(args: ServeArgs) -> Result<()> {
    let (config, warnings) = Config::read(&args.config.sources())?;
    log::start(config.logging);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot start the runtime: {e}")))?;
    let done = runtime.block_on(serve(&config));
    // A thread that hangs in the file system must not keep us.
    runtime.shutdown_background();
    done
}

async fn serve(config: &Config) -> Result<()> {
    let no_signals = |e| Error::new(ErrorKind::Internal, format!("cannot listen for signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut requested_to_end = async || {
        tokio::select! {
            _ = interrupt.recv() => AtClose::Stop,
            _ = terminate.recv() => config.on_sigterm,
        }
    };
    let sidecar = Sidecar::start(config, sidecar::livekit(config), Timeouts::default()).await?;
    show(&format!("greffier is listening on http://{}\n", sidecar.address()))?;
    let reach = tokio::spawn(reach::watch(config.clone()));
    let running = requested_to_end().await;
    reach.abort();
    match running {
        AtClose::Stop => tracing::info!("finishing every recording; a second signal leaves at once"),
        AtClose::Drain => tracing::info!("waiting for every recording to end; a second signal leaves at once"),
        AtClose::Suspend => tracing::info!("leaving; the next start goes on with every recording"),
    }
    tokio::select! {
        done = sidecar.stop(running) => {
            if running == AtClose::Suspend && done.is_ok() {
                // Not by the way of everybody: recorders that are dropped end their files.
                std::process::exit(0);
            }
            done
        }
        _ = requested_to_end() => {
            let message = "left at the second signal; the next start takes up what was not finished";
            Err(Error::new(ErrorKind::Unavailable, message))
        }
    }
}
