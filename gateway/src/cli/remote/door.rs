//! Which door, and what is shown there.

use std::path::PathBuf;

use super::Remote;
use super::token::Token;
use crate::cli::{Failure, Globals};
use crate::tls::{LocalFiles, PeerAddress, channel_local, channel_unix, system_clock};

/// Variable of the environment that names the socket of the admin door.
const SOCKET: &str = "SCHAKEL_ADMIN_SOCKET";

/// The care door: people and systems that work with cases.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Care {
    /// Host and port of the care door, as its certificate names it
    #[arg(long, value_name = "HOST:PORT", env = "SCHAKEL_SERVER")]
    server: PeerAddress,
    /// CA certificates its certificate chains to, PEM
    #[arg(long, value_name = "FILE", env = "SCHAKEL_CA")]
    ca: PathBuf,
    /// Your token: a file that is yours alone (mode 0600)
    #[arg(long, value_name = "FILE", env = "SCHAKEL_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    client: Client,
}

/// The admin door: operators.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Admin {
    /// Unix socket of the admin door
    #[arg(long, value_name = "PATH", env = SOCKET, required_unless_present = "server")]
    socket: Option<PathBuf>,
    /// Or its host and port; then --ca, --cert and --key too
    #[arg(long, value_name = "HOST:PORT", requires = "ca")]
    server: Option<PeerAddress>,
    /// CA certificates its certificate chains to, PEM
    #[arg(long, value_name = "FILE", requires = "server")]
    ca: Option<PathBuf>,
    /// Your token: a file that is yours alone (mode 0600)
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, clap::Args)]
struct Client {
    /// Client certificate, PEM
    #[arg(long, value_name = "FILE", requires_all = ["key", "server"])]
    cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires_all = ["cert", "server"])]
    key: Option<PathBuf>,
}

impl Care {
    /// Prepares the call; nothing is sent yet. Within a runtime.
    pub(in crate::cli) fn open(self, globals: &Globals) -> Result<Remote, Failure> {
        over_tls(&self.server, self.ca, self.client, self.token_file, globals)
    }
}

impl Admin {
    /// Prepares the call; nothing is sent yet. Within a runtime.
    pub(in crate::cli) fn open(self, globals: &Globals) -> Result<Remote, Failure> {
        // A socket of the environment is where this operator usually goes; one on the command line contradicts an address.
        let named = self.socket.as_ref().filter(|socket| std::env::var_os(SOCKET).is_none_or(|usual| usual != socket.as_os_str()));
        if self.server.is_some() && named.is_some() {
            return Err(Failure::usage("one admin door: --socket or --server, and not both"));
        }
        match (self.server, self.ca, self.socket) {
            (Some(server), Some(ca), _) => over_tls(&server, ca, self.client, self.token_file, globals),
            (_, _, Some(socket)) => {
                let place = socket.display().to_string();
                let token = self.token_file.map(|path| Token::read(&path)).transpose()?;
                let channel = channel_unix(socket).map_err(Failure::new)?;
                Ok(Remote { channel, tap: None, place, token, lang: globals.lang() })
            }
            _ => Err(Failure::usage("name the admin door: --socket PATH, or --server HOST:PORT with --ca, --cert and --key")),
        }
    }
}

fn over_tls(
    server: &PeerAddress,
    trust: PathBuf,
    client: Client,
    token_file: Option<PathBuf>,
    globals: &Globals,
) -> Result<Remote, Failure> {
    let token = token_file.map(|path| Token::read(&path)).transpose()?;
    let files = LocalFiles { trust, client: client.cert.zip(client.key) };
    let (channel, tap) = channel_local(server, &files, system_clock()).map_err(Failure::new)?;
    Ok(Remote { channel, tap: Some(tap), place: server.to_string(), token, lang: globals.lang() })
}
