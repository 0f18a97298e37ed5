//! `schakel serve`: runs one gateway until it is told to stop.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Globals, Verdict};
use crate::assembly::{self, Addresses, Fatal, Listeners, Running};
use crate::config::check::Ports;
use crate::config::{Config, Severity};
use crate::source::SystemSource;
use crate::telemetry;

/// `schakel serve`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; `schakel config example` prints one
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs it. SIGINT and SIGTERM stop it in good order. A broken store ends it at once, with a failure; so does a part of it that is gone,
/// after a stop in good order.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    let config = Config::read(&args.config).map_err(Failure::new)?;
    let wrong: Vec<String> = config
        .check(Timestamp::now(), Ports::Try)
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| problem.text(globals.lang()))
        .collect();
    if !wrong.is_empty() {
        return Err(Failure::new(format_args!("{}\nschakel config check names every problem", wrong.join("\n"))));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::new)?;
    runtime.block_on(serve(config, globals))
}

async fn serve(config: Config, globals: &Globals) -> Result<Verdict, Failure> {
    let organization = config.organization.clone();
    let telemetry = telemetry::start(config.telemetry.as_ref(), organization.as_str(), &config.gateway).map_err(Failure::new)?;
    let served = run_until_stopped(config, globals).await;
    telemetry.stop().await;
    served
}

async fn run_until_stopped(config: Config, globals: &Globals) -> Result<Verdict, Failure> {
    let organization = config.organization.clone();
    let running = assembly::start(config, Listeners::default(), Arc::<SystemSource>::default()).await.map_err(Failure::new)?;
    super::print(&hello(organization.as_str(), &running.addresses, globals.json))?;
    let stop = stop_signal()?;
    let mut again = signal(SignalKind::hangup()).map_err(Failure::new)?;
    let reload = async {
        while again.recv().await.is_some() {
            // What became of it is in the log of the program, and in the audit log.
            running.reload().await;
        }
    };
    tokio::select! {
        () = stop => {}
        () = reload => {}
        fatal = running.fatal() => {
            if fatal != Fatal::Store {
                say_stopping(&running).await;
                running.stop().await;
            }
            return Err(Failure::new(fatal));
        }
    }
    say_stopping(&running).await;
    running.stop().await;
    Ok(Verdict::Fine)
}

/// The log says that it stopped; when it cannot, stopping goes on all the same.
async fn say_stopping(running: &Running) {
    if let Err(refusal) = running.desk.stopping().await {
        tracing::error!(refusal = %refusal, "the stop could not be logged");
    }
}

/// One line when every door is open: whoever started this process may now call.
fn hello(organization: &str, addresses: &Addresses, json: bool) -> String {
    let admin = addresses.admin.map(|address| address.to_string());
    if json {
        let line = serde_json::json!({
            "ok": true,
            "organization": organization,
            "federation": addresses.federation.to_string(),
            "care": addresses.care.to_string(),
            "audit": addresses.audit.to_string(),
            "admin": admin,
        });
        return format!("{line}\n");
    }
    let admin = admin.unwrap_or_else(|| "socket".to_owned());
    format!("{organization} open: federation {}  care {}  audit {}  admin {admin}\n", addresses.federation, addresses.care, addresses.audit)
}

fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::new)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::new)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
