//! FETCH: one small document by HTTPS, from an address that a configuration names. Bounded in size and time; no redirect is followed, no
//! proxy is used, and where the name leads is judged at the moment of connecting (`network`).
//!
//! Every fetch is a connection of its own. The CA file is read at each, so that a new one counts without a word.

mod network;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, StatusCode, Uri, header};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use self::network::{Network, judge};
use crate::tls::{self, Clock};

/// Longest time of one fetch, from looking up the name to the last byte.
pub const FETCH_TIME: Duration = Duration::from_secs(10);
/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// How long one address may take to answer before the next is tried: a name may lead to one that a firewall drops.
const ADDRESS: Duration = Duration::from_secs(2);
/// Most bytes of the head of an answer.
const MAX_HEAD: usize = 16 << 10;
/// Longest URL, in bytes.
const MAX_URL: usize = 500;

/// Why there is no document. The text is for the operator; it holds nothing that the other side said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The name has no address.
    #[error("{0} has no address")]
    Unknown(String),
    /// Where the name leads is not where we connect to.
    #[error("{host} leads to {address}, which is {kind}: not connected; name its network if it is meant")]
    Forbidden {
        /// The name.
        host: String,
        /// The address.
        address: IpAddr,
        /// What kind of address it is.
        kind: &'static str,
    },
    /// No connection, or the other side is not whom it should be.
    #[error("{0}")]
    Connection(String),
    /// An answer that is none.
    #[error("answers with {0}, expected 200")]
    Status(u16),
    /// A redirect.
    #[error("answers with a redirect ({0}); none is followed: name the address itself")]
    Redirect(u16),
    /// Too large.
    #[error("answers with more than {0} bytes")]
    TooLarge(usize),
    /// Too slow.
    #[error("no whole answer within {} s", FETCH_TIME.as_secs())]
    TooSlow,
}

/// A URL that may be fetched: `https`, or `http` on this very machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    path: String,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "expected https://host/path, at most 500 characters, without user, password and fragment";
        if text.len() > MAX_URL || text.contains(['@', '#']) || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(SHAPE);
        }
        let uri: Uri = text.parse().map_err(|_| SHAPE)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(SHAPE),
        };
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        ServerName::try_from(host).map_err(|_| SHAPE)?;
        let explicit = uri.authority().is_some_and(|authority| authority.as_str().len() > uri.host().unwrap_or_default().len());
        let port = match (uri.port_u16(), explicit) {
            (Some(0), _) | (None, true) => return Err(SHAPE),
            (Some(port), _) => port,
            (None, false) => {
                if secure {
                    443
                } else {
                    80
                }
            }
        };
        let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
        if !secure && !local {
            return Err("expected https: http is for this machine (localhost) alone, since whoever is in between could give other keys");
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { secure, host: host.to_owned(), port, path })
    }

    /// Whether it is fetched over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    fn authority(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

/// Looks a name up.
pub type Resolve = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The resolver of this machine.
#[must_use]
pub fn system_resolver() -> Resolve {
    Arc::new(|host, port| Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()) }))
}

/// What is fetched, and how.
#[derive(Clone)]
pub struct Fetch {
    /// The address.
    pub url: Url,
    /// CA certificates that the server's certificate may chain to, PEM. For `https` alone.
    pub trust: Option<PathBuf>,
    /// Networks that are not public and may be connected to.
    pub networks: Vec<Network>,
    /// Looks names up.
    pub resolve: Resolve,
    /// The clock by which certificates are judged.
    pub clock: Clock,
}

impl Fetch {
    /// Fetches the document.
    ///
    /// # Errors
    /// Why there is none, or that it has more than `most` bytes.
    pub async fn get(&self, most: usize) -> Result<Vec<u8>, FetchError> {
        tokio::time::timeout(FETCH_TIME, self.get_unbounded(most)).await.unwrap_or(Err(FetchError::TooSlow))
    }

    async fn get_unbounded(&self, most: usize) -> Result<Vec<u8>, FetchError> {
        let stream = self.connect().await?;
        if !self.url.secure {
            return self.ask(stream, most).await;
        }
        let (trust, clock) = (self.trust.clone(), Arc::clone(&self.clock));
        let config = tokio::task::spawn_blocking(move || tls::https(trust.as_deref(), &clock)).await;
        let config = config.map_err(failed)?.map_err(failed)?;
        let name = ServerName::try_from(self.url.host.clone()).map_err(failed)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)?;
        self.ask(stream, most).await
    }

    /// Connects to an address of the name at which we may connect.
    async fn connect(&self) -> Result<TcpStream, FetchError> {
        let unknown = || FetchError::Unknown(self.url.host.clone());
        let found = (self.resolve)(self.url.host.clone(), self.url.port).await.map_err(|_| unknown())?;
        let mut last = unknown();
        for address in found.into_iter().take(MAX_ADDRESSES) {
            if let Err(kind) = self.judge(address.ip()) {
                last = FetchError::Forbidden { host: self.url.host.clone(), address: address.ip(), kind };
                continue;
            }
            match tokio::time::timeout(ADDRESS, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = failed(format!("{address}: {error}")),
                Err(_) => last = failed(format!("{address}: no answer")),
            }
        }
        Err(last)
    }

    /// `http` is for this machine alone, wherever its name leads; `https` goes where anybody may, and where the configuration says.
    fn judge(&self, address: IpAddr) -> Result<(), &'static str> {
        match (self.url.secure, address.to_canonical().is_loopback()) {
            (false, true) => Ok(()),
            (false, false) => Err("not this machine"),
            (true, _) => judge(address, &self.networks),
        }
    }

    async fn ask(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, most: usize) -> Result<Vec<u8>, FetchError> {
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(MAX_HEAD).handshake::<_, String>(TokioIo::new(stream)).await.map_err(failed)?;
        let request = Request::get(self.url.path.as_str())
            .header(header::HOST, self.url.authority())
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .header(header::CONNECTION, "close")
            .body(String::new())
            .map_err(failed)?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(failed)?;
            match response.status() {
                StatusCode::OK => whole(response.into_body(), most).await,
                status if status.is_redirection() => Err(FetchError::Redirect(status.as_u16())),
                status => Err(FetchError::Status(status.as_u16())),
            }
        };
        tokio::pin!(connection, answer);
        // The connection moves the bytes; it ends with the answer, and an answer cut short is an error of the answer.
        let mut moving = true;
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                _ended = &mut connection, if moving => moving = false,
            }
        }
    }
}

/// The whole body, unless it has more bytes than this.
async fn whole(mut body: Incoming, most: usize) -> Result<Vec<u8>, FetchError> {
    if body.size_hint().lower() > most as u64 {
        return Err(FetchError::TooLarge(most));
    }
    let mut all = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(failed)?.into_data() else { continue };
        if all.len() + data.len() > most {
            return Err(FetchError::TooLarge(most));
        }
        all.extend_from_slice(&data);
    }
    Ok(all)
}

fn failed(error: impl std::fmt::Display) -> FetchError {
    FetchError::Connection(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_fetched() {
        for good in [
            "https://login.example.nl/keys",
            "https://[fd00::1]:8443/k?v=1",
            "http://localhost:8080/k",
            "http://127.0.0.1/k",
            "http://[::1]/k",
        ] {
            assert!(Url::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://login.example.nl/keys",
            "http://127.0.0.1.example.nl/keys",
            "http://localhost.example.nl/",
            "http://10.0.0.1/",
            "ftp://localhost/",
            "file:///etc/passwd",
            "https://user:secret@login.example.nl/",
            "https://login.example.nl:0/",
            "https://login.example.nl:99999/",
            "https://login.example.nl/#k",
            "https:///keys",
            "//login.example.nl/keys",
            "login.example.nl",
            "",
            "https://login.example.nl/a b",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
        assert!(Url::parse(&format!("https://login.example.nl/{}", "x".repeat(500))).is_err());
    }
}
