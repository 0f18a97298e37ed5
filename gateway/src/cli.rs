//! CLI: every command of `schakel`, one file each. Results go to stdout, everything else to stderr.
//!
//! A command gives a [`Report`] (or runs on and prints by itself) and a [`Verdict`]; a [`Failure`] means that it could not run. A new
//! command is a module with `Args` and `run`, and one line in the table below.

mod api;
pub mod audit;
mod bench;
mod case;
mod certs;
mod config;
mod covenant;
mod demo;
mod files;
mod keys;
mod named;
mod outbox;
mod peer;
mod record;
mod remote;
mod report;
mod serve;

use clap::{Parser, Subcommand, ValueEnum};
use schakel_domain::refusal::Lang;

pub use named::Named;
pub use report::{Failure, Report, Verdict, print};

/// What every command knows.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Globals {
    /// Language of texts: nl or en
    #[arg(long, global = true, value_enum)]
    lang: Option<Language>,
    /// Print the result as one JSON object
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Language {
    /// Dutch
    Nl,
    /// English
    En,
}

impl Globals {
    /// The language asked for, or else English: what operators and developers search for.
    #[must_use]
    pub fn lang(&self) -> Lang {
        self.lang_or(Lang::En)
    }

    /// The language asked for, or else this one.
    #[must_use]
    pub fn lang_or(&self, default: Lang) -> Lang {
        match self.lang {
            Some(Language::Nl) => Lang::Nl,
            Some(Language::En) => Lang::En,
            None => default,
        }
    }
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident => $module:ident;)*) => {
        /// Every command.
        #[derive(Debug, Subcommand)]
        pub enum Command { $($(#[$doc])* $name($module::Args),)* }

        impl Command {
            /// Runs it.
            ///
            /// # Errors
            /// Why it could not run.
            pub fn run(self, globals: &Globals) -> Result<Verdict, Failure> {
                match self { $(Command::$name(args) => $module::run(args, globals),)* }
            }
        }
    };
}

commands! {
    /// Run a gateway
    Serve => serve;
    /// Show, check and export the log of a gateway
    Audit => audit;
    /// Who is responsible for a case and whom to call; what two people decide together
    Case => case;
    /// What waits to be sent: try it now, take it back, send it again
    Outbox => outbox;
    /// The other organisations' gateways: how traffic stands, stop it, resume it
    Peer => peer;
    /// Make, sign, check and explain a covenant
    Covenant => covenant;
    /// Make, sign and check a party record: endpoint, keys, telephones
    Record => record;
    /// Make private keys
    Keys => keys;
    /// Request, check or (for a trial) make certificates
    Certs => certs;
    /// Show an example configuration, or check yours
    Config => config;
    /// Print what builders of other systems need
    Api => api;
    /// Play a crisis with several organisations on this machine
    Demo => demo;
    /// Measure how fast it is on this machine
    Bench => bench;
}

/// A gateway for youth crisis care: ask each other's expertise, hand cases over, under a covenant all signed.
#[derive(Debug, Parser)]
#[command(name = "schakel", version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Line {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Reads the command line.
///
/// # Errors
/// What is wrong with it, or the help that was asked for.
pub fn parse(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<(Command, Globals), clap::Error> {
    Line::try_parse_from(args).map(|line| (line.command, line.globals))
}
