//! `greffier serve`: the sidecar, until a signal ends it.

use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::cmd::{LiveKitArgs, show};
use crate::config::{Config, Overrides};
use crate::control::Patience;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use crate::sidecar::{self, Sidecar};

/// What the sidecar needs; every flag goes before the file.
#[derive(Args)]
pub struct ServeArgs {
    /// YAML file
    #[arg(long, env = "GREFFIER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    livekit: LiveKitArgs,
    /// Address and port of the HTTP door [default: 127.0.0.1:7990]
    #[arg(long, env = "GREFFIER_LISTEN")]
    listen: Option<String>,
    /// Where recordings and their state are kept [default: greffier-data]
    #[arg(long, env = "GREFFIER_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What clients must show as `Authorization: Bearer`; needed unless --listen is this machine alone
    #[arg(long, env = "GREFFIER_API_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    api_token: Option<String>,
}

/// Serves until SIGINT or SIGTERM, then finishes every recording; a second signal leaves at once.
pub fn run(args: ServeArgs) -> Result<()> {
    let ServeArgs { config, livekit, listen, data_dir, api_token } = args;
    // A variable that is set to nothing is not set.
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let overrides = Overrides {
        url: given(livekit.url),
        api_key: given(livekit.api_key),
        api_secret: given(livekit.api_secret).map(Secret::new),
        ca_file: livekit.ca_file,
        insecure: livekit.insecure,
        listen: given(listen),
        data_dir: data_dir.filter(|path| !path.as_os_str().is_empty()),
        api_token: given(api_token).map(Secret::new),
    };
    let (config, warnings) = Config::read(config.as_deref(), overrides)?;
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
    let mut asked_to_end = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let sidecar = Sidecar::start(config, sidecar::livekit(config.server.clone()), Patience::default()).await?;
    show(&format!("greffier is listening on http://{}\n", sidecar.address()))?;
    asked_to_end().await;
    tracing::info!("finishing every recording; a second signal leaves at once");
    tokio::select! {
        done = sidecar.stop() => done,
        () = asked_to_end() => {
            let message = "left at the second signal; the next start takes up what was not finished";
            Err(Error::new(ErrorKind::Unavailable, message))
        }
    }
}
