//! The simulated network as gateways use it: plain streams of turmoil in place of TLS.
//!
//! Who is at the other end is what TLS would have established; here it follows from the host that connects. Everything above it is as it
//! ships: HTTP/2 with its limits, the exchange, signatures over batches and answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use hyper_util::rt::TokioIo;
use schakel::courier::{Dial, Dialled};
use schakel::peers::Peer;
use schakel::tls::PeerInfo;
use schakel_domain::id::OrgId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;
use tonic::transport::{Endpoint, Uri};
use turmoil::net::{TcpListener, TcpStream};

use crate::world::{ORGS, PORT, host, org, spki};

/// As the channel over TLS has them.
const CONNECT: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// One accepted connection and who is at its other end.
pub(crate) struct SimStream {
    stream: TcpStream,
    info: PeerInfo,
}

impl Connected for SimStream {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.info.clone()
    }
}

impl AsyncRead for SimStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Opens the federation port; whoever connects comes out of the stream.
pub(crate) async fn listen() -> io::Result<impl Stream<Item = io::Result<SimStream>>> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    Ok(futures_util::stream::unfold(listener, |listener| async move {
        let accepted =
            listener.accept().await.map(|(stream, remote)| SimStream { info: who(&turmoil::reverse_lookup(remote.ip())), stream });
        Some((accepted, listener))
    }))
}

fn who(name: &Option<String>) -> PeerInfo {
    let found = ORGS.into_iter().map(org).find(|org| name.as_deref() == Some(host(org).as_str()));
    PeerInfo {
        door: "federation",
        remote: None,
        spki: found.as_ref().map(spki),
        org: found,
        client: None,
        san: None,
        thumbprint: None,
        not_after: Some("2027-11-01T00:00:00Z".parse().unwrap()),
        uid: None,
        life: schakel::tls::Life::default(),
    }
}

/// Connects to whatever the party record names.
pub(crate) struct SimDial;

impl Dial for SimDial {
    fn dial(&self, _org: &OrgId, peer: &Peer) -> Result<Dialled, String> {
        let address = peer.endpoint.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let address = address.clone();
            async move {
                let connected = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
                connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?.map(TokioIo::new)
            }
        });
        let endpoint = Endpoint::from_shared(format!("http://{}", peer.endpoint)).map_err(|error| error.to_string())?;
        let channel = endpoint
            .connect_timeout(CONNECT + Duration::from_secs(1))
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(connector);
        Ok(Dialled { channel, why: Arc::new(|| None) })
    }
}
