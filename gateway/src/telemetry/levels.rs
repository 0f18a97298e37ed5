//! What is logged: the one place that says so.
//!
//! `RUST_LOG` chooses how much of our own is told, down to `trace`; it cannot make a library tell more than warnings, because what those
//! tell of a call at lower levels is not ours to answer for.

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, FilterFn, filter_fn};
use tracing_subscriber::layer::Filter;

/// When `RUST_LOG` says nothing.
const USUAL: LevelFilter = LevelFilter::INFO;
/// The most that libraries tell.
const LIBRARIES: LevelFilter = LevelFilter::WARN;
/// The target of our spans, so that they can be told from everything else; without telemetry none is made.
pub(super) const SPANS: &str = "schakel_spans";

/// Of what goes to standard error. Spans only when they are made: each line then names its trace.
pub(super) fn local<S>(traced: bool) -> impl Filter<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let ours = filter_fn(move |told| (is_ours(told) && (traced || told.target() != SPANS)) || *told.level() <= LIBRARIES);
    chosen().and(ours)
}

/// Of what goes to the collector as log lines: our own, so that its sending is not sent.
pub(super) fn sent<S>() -> impl Filter<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    chosen().and(filter_fn(|told| told.is_event() && is_ours(told)))
}

/// Of what goes to the collector as spans: those of `spans`, at any level.
pub(super) fn spans() -> FilterFn {
    filter_fn(|told| told.is_span() && told.target() == SPANS)
}

fn chosen() -> EnvFilter {
    EnvFilter::builder().with_default_directive(USUAL.into()).from_env_lossy()
}

fn is_ours(told: &Metadata<'_>) -> bool {
    told.target().starts_with("schakel")
}
