//! Stands before every door: one span and one measurement a call. It reads the caller's `traceparent` and the answer's status, nothing else.

use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use super::{context, metrics, spans};
use crate::doors::methods;
use crate::wire::status::to_refusal;

/// What is said of a call of a method that is not ours, such as health or reflection: names of strangers are without number.
const OTHER: &str = "other";

/// Wraps the calls of one door.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    door: &'static str,
}

impl Calls {
    /// Of this door.
    #[must_use]
    pub fn of(door: &'static str) -> Self {
        Self { door }
    }
}

impl<S> Layer<S> for Calls {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { door: self.door, inner }
    }
}

/// A service whose calls are counted.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    door: &'static str,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // From here on whoever prints the headers prints no token.
        if let Some(token) = request.headers_mut().get_mut(http::header::AUTHORIZATION) {
            token.set_sensitive(true);
        }
        let (door, method) = (self.door, named(request.uri().path()));
        let said = request.headers().get(context::TRACEPARENT).and_then(|header| header.to_str().ok()).and_then(context::said);
        let span = spans::call(door, method, said);
        let began = Instant::now();
        let call = span.in_scope(|| self.inner.call(request)).instrument(span.clone());
        Box::pin(async move {
            let mut response = call.await?;
            let status = answered(door, method, &span, response.headers());
            metrics::called(door, method, status, began.elapsed());
            let here = context::of(&span).and_then(|here| here.to_string().parse().ok());
            if let Some(here) = here {
                response.headers_mut().insert(context::TRACERESPONSE, here);
            }
            Ok(response)
        })
    }
}

/// The name of one of our methods, `schakel.care.v1.CaseService/GetCase`.
fn named(path: &str) -> &'static str {
    methods::of_path(path).map_or(OTHER, |method| method.path().trim_start_matches('/'))
}

/// The status in the headers of an answer, where every refusal stands; a status that follows a stream of answers is not known yet.
fn answered(door: &'static str, method: &'static str, span: &Span, headers: &HeaderMap) -> &'static str {
    let status = Status::from_header_map(headers);
    let code = code_name(status.as_ref().map_or(Code::Ok, Status::code));
    span.record("rpc.response.status_code", code);
    if let Some(status) = status.filter(|status| status.code() != Code::Ok) {
        let refusal = to_refusal(&status);
        span.record("otel.status_code", "ERROR");
        span.record("error.type", refusal.as_ref().map_or(code, |refusal| refusal.reason.code()));
        if let Some(refusal) = refusal {
            metrics::refused(door, refusal.reason);
        }
    }
    span.in_scope(|| tracing::debug!(door, method, status = code, "answered"));
    code
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
