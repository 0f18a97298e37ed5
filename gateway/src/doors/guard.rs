//! Stands before every service: establishes who calls before anything of the request is read, and translates what the RPC library
//! says of unreadable requests into our own reasons.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use super::caller::Identified;
use super::{Door, methods};
use crate::tls::PeerInfo;
use crate::wire::status::{from_refusal, language};

/// A service behind its guard.
#[derive(Debug, Clone)]
pub(super) struct Guard<S> {
    door: Door,
    inner: S,
}

impl<S> Guard<S> {
    pub(super) fn new(door: &Door, inner: S) -> Self {
        Self { door: door.clone(), inner }
    }
}

impl<S: NamedService> NamedService for Guard<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Guard<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let lang = language(request.headers().get("accept-language").and_then(|value| value.to_str().ok()));
        let connection = request.extensions().get::<PeerInfo>().cloned();
        let known = self.door.authentication.identify(self.door.name, request.headers(), connection.as_ref(), Timestamp::now());
        let identified = match known {
            Ok(identified) => Arc::new(identified),
            Err(refusal) => return Box::pin(std::future::ready(Ok(from_refusal(&refusal, lang).into_http()))),
        };
        let path = request.uri().path().to_owned();
        request.extensions_mut().insert(Arc::clone(&identified));
        // The service that was polled ready takes this call; its clone waits for the next.
        let waiting = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, waiting);
        let door = self.door.clone();
        Box::pin(async move {
            let response = ready.call(request).await?;
            match unreadable(&response) {
                Some(refusal) => Ok(refuse(&door, &identified, &path, refusal, lang).await.into_http()),
                None => Ok(response),
            }
        })
    }
}

/// What the library says when it cannot read a request; everything we say ourselves has details.
fn unreadable(response: &http::Response<Body>) -> Option<Refusal> {
    let status = Status::from_header_map(response.headers()).filter(|status| status.details().is_empty())?;
    match status.code() {
        Code::Internal => Some(Refusal::field("request", "expected an encoded request of this method")),
        Code::OutOfRange => Some(Refusal::new(Stage::Door, Reason::MessageTooLarge)),
        _ => None,
    }
}

/// A caller who may not use the method at all hears that first.
async fn refuse(door: &Door, identified: &Identified, path: &str, refusal: Refusal, lang: Lang) -> Status {
    let Some(method) = methods::of_path(path) else { return from_refusal(&refusal, lang) };
    let act = methods::rule(method).act;
    let refusal = identified.caller.may(act).err().unwrap_or(refusal);
    match door.desk.refused(&identified.caller, act, &refusal).await {
        Ok(()) => from_refusal(&refusal, lang),
        Err(unlogged) => from_refusal(&unlogged, lang),
    }
}
