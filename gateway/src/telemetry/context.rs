//! A trace across processes and restarts: what a caller or a peer says of it, and what is kept beside a message.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, trace};
use schakel_domain::traceparent::TraceParent;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header in which a caller says where its call stands, and in which we send it on.
pub const TRACEPARENT: &str = "traceparent";
/// The header of an answer, as the draft of W3C Trace Context 2 names it: where the call stood at ours.
pub const TRACERESPONSE: &str = "traceresponse";

/// What a header or a field says; whatever is no `traceparent` says nothing.
#[must_use]
pub fn said(text: &str) -> Option<TraceParent> {
    text.parse().ok()
}

/// Where this span stands; none when nothing is traced.
#[must_use]
pub fn of(span: &Span) -> Option<TraceParent> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let here = context.span();
    let here = here.span_context();
    let sampled = here.trace_flags().is_sampled();
    here.is_valid().then(|| TraceParent { trace: here.trace_id().to_bytes(), span: here.span_id().to_bytes(), sampled })
}

/// Lets a new span go on where that stood, and names the trace in the log lines below it.
pub(super) fn follow(span: &Span, parent: Option<TraceParent>) {
    if span.is_disabled() {
        return;
    }
    if let Some(parent) = parent {
        // An error means that the span has begun: it then stands by itself, which harms nobody.
        let _begun = span.set_parent(Context::new().with_remote_span_context(remote(parent)));
    }
    if let Some(here) = of(span) {
        span.record("trace_id", trace::TraceId::from_bytes(here.trace).to_string());
    }
}

/// What another process said, as the library knows it.
pub(super) fn remote(said: TraceParent) -> SpanContext {
    let flags = if said.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(TraceId::from_bytes(said.trace), SpanId::from_bytes(said.span), flags, true, TraceState::default())
}
