//! LINE: what stands between an organisation's gateway and everybody who calls it: a TCP relay that can be cut.
//!
//! The party record of each organisation names the relay, so every other gateway comes this way. A cut breaks what is open and refuses what
//! is new; the organisation itself still reaches others, as with a broken inbound route. The relay sees only bytes of TLS.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    whole: bool,
    /// How often it was cut: a cut ends what was open before it, also when the line is whole again before anybody looked.
    cuts: u64,
}

/// The line to one gateway. It ends when dropped.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Line {
    /// A whole line on a free port of this machine, to `target`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn open(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (state, watched) = watch::channel(State { whole: true, cuts: 0 });
        let task = tokio::spawn(relay(listener, target, watched));
        Ok(Self { address, state, task })
    }

    /// Where others call.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks what is open and refuses what comes.
    pub fn cut(&self) {
        self.state.send_modify(|state| *state = State { whole: false, cuts: state.cuts + 1 });
    }

    /// Lets calls through again.
    pub fn restore(&self) {
        self.state.send_modify(|state| state.whole = true);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(listener: TcpListener, target: SocketAddr, state: watch::Receiver<State>) {
    loop {
        let Ok((caller, _)) = listener.accept().await else { continue };
        let now = *state.borrow();
        if now.whole {
            tokio::spawn(carry(caller, target, state.clone(), now.cuts));
        }
    }
}

/// Carries one connection until either side or a cut ends it.
async fn carry(mut caller: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>, cuts: u64) {
    let Ok(mut gateway) = TcpStream::connect(target).await else { return };
    // Small messages go at once; a socket that cannot do so is slower, no less right.
    drop(caller.set_nodelay(true).and_then(|()| gateway.set_nodelay(true)));
    tokio::select! {
        _ended = tokio::io::copy_bidirectional(&mut caller, &mut gateway) => {}
        _cut = state.wait_for(|state| state.cuts != cuts) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A listener that repeats the first byte of each connection.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    while let Ok(byte) = stream.read_u8().await {
                        stream.write_u8(byte).await.unwrap();
                    }
                });
            }
        });
        address
    }

    async fn says(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_u8(7).await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn a_cut_breaks_what_is_open_and_refuses_what_comes_until_it_is_restored() {
        let line = Line::open(echo().await).await.unwrap();
        let mut open = TcpStream::connect(line.address()).await.unwrap();
        assert_eq!(says(&mut open).await.unwrap(), 7);

        line.cut();

        assert!(says(&mut open).await.is_err());
        let mut during = TcpStream::connect(line.address()).await.unwrap();
        assert!(says(&mut during).await.is_err());
        line.restore();
        let mut after = TcpStream::connect(line.address()).await.unwrap();
        assert_eq!(says(&mut after).await.unwrap(), 7);
    }
}
