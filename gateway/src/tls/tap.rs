//! A tap on the connection of one channel: keeps the true reason why it failed, as a reason of the catalogue.
//!
//! In TLS 1.3 a client learns that its certificate was refused only with its first read; the RPC library turns that into "cancelled"
//! or "transport error", at random. Here the alert itself is seen.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use schakel_domain::refusal::Refusal;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::open::{Lease, Life};
use super::reasons;

/// Why the connection of one channel failed last. Empty again as soon as the peer answers.
#[derive(Clone, Default)]
pub struct Tap {
    last: Arc<Mutex<Option<Refusal>>>,
}

impl Tap {
    /// Why it failed last: a reason with a remedy, and what was seen, such as the peer's alert.
    #[must_use]
    pub fn last(&self) -> Option<Refusal> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, error: &io::Error) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(reasons::of_io(error));
    }

    fn clear(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tap").field(&self.last()).finish()
    }
}

/// A connection that tells its tap about the first error, and about an alert even when it comes second. It ends when its life does.
pub(super) struct TapStream {
    stream: TlsStream<TcpStream>,
    tap: Tap,
    life: Life,
    _lease: Lease,
    noted: bool,
    heard: bool,
}

impl TapStream {
    pub(super) fn new(stream: TlsStream<TcpStream>, tap: Tap, life: Life, lease: Lease) -> Self {
        Self { stream, tap, life, _lease: lease, noted: false, heard: false }
    }

    fn note(&mut self, error: &io::Error) {
        let alert = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        if alert || !self.noted {
            self.tap.note(error);
        }
        self.noted = true;
    }

    fn watch<T>(&mut self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &outcome {
            self.note(error);
        }
        outcome
    }
}

impl AsyncRead for TapStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Err(ended) = self.life.check(cx) {
            return self.watch(Poll::Ready(Err(ended)));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if !self.heard && matches!(outcome, Poll::Ready(Ok(()))) {
            if buffer.filled().len() > before {
                // Only now is it known that the other side accepted our certificate.
                self.heard = true;
                self.tap.clear();
            } else {
                self.note(&io::Error::new(io::ErrorKind::UnexpectedEof, "the other side closed the connection without a word"));
            }
        }
        self.watch(outcome)
    }
}

impl AsyncWrite for TapStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
