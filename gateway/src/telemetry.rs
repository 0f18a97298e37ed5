//! TELEMETRY: traces, metrics and logs for operators, over OTLP to a collector of theirs. Off unless the configuration names one.
//!
//! What an operator sees is about the gateway and never about a young person: spans and metrics are made in [`spans`] and [`metrics`] alone,
//! of organisations, kinds, counts and reasons. Nothing waits for the collector: everything goes through queues of a fixed length, what
//! does not fit is dropped and counted (`otel.sdk.processor.*.processed` with `error.type` `queue_full`), and stopping has a bound.
//!
//! [`levels`] says what is logged, [`calls`] stands before the doors, [`context`] carries a trace across processes and restarts.

pub mod calls;
pub mod context;
pub mod levels;
pub mod metrics;
pub mod spans;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{BatchConfigBuilder as LogBatch, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use tonic::transport::{Channel, Endpoint};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::config::Telemetry as Settings;
use crate::tls::{LocalFiles, channel_local, system_clock};

/// Spans, and log lines, that wait for the collector; what comes beyond is dropped and counted.
const QUEUE: usize = 4_096;
/// Sent at once.
const BATCH: usize = 512;
/// How long they wait for each other.
const DELAY: Duration = Duration::from_secs(2);
/// Longest wait for an answer of the collector.
const ANSWER: Duration = Duration::from_secs(5);
/// How often metrics are sent.
const METRICS: Duration = Duration::from_secs(15);
/// Longest wait at a stop for what is still to be sent, for each of the three.
const FLUSH: Duration = Duration::from_secs(2);
/// Attributes, links and events of one span.
const MOST_OF_A_SPAN: u32 = 64;

/// What sends to the collector; nothing at all when telemetry is off.
#[derive(Debug, Default)]
pub struct Telemetry {
    sending: Option<Sending>,
}

#[derive(Debug)]
struct Sending {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
}

/// Log lines to standard error, and, when there are settings, everything to the collector. To be called within a runtime. A second call in one
/// process keeps the first subscriber.
///
/// # Errors
/// What of the settings cannot be used. A collector that does not answer is no error.
pub fn start(settings: Option<&Settings>, organization: &str, gateway: &str) -> Result<Telemetry, String> {
    let local = tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).with_filter(levels::local(settings.is_some()));
    let Some(settings) = settings else {
        let _kept = Registry::default().with(local).try_init();
        return Ok(Telemetry::default());
    };
    let sending = Sending::new(settings, resource(settings, organization, gateway))?;
    let spans = tracing_opentelemetry::layer()
        .with_tracer(sending.traces.tracer("schakel"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(levels::spans());
    let lines = OpenTelemetryTracingBridge::new(&sending.logs).with_filter(levels::sent());
    // The spans first: whoever comes after them knows the trace.
    let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = vec![spans.boxed(), local.boxed(), lines.boxed()];
    let _kept = Registry::default().with(layers).try_init();
    Ok(Telemetry { sending: Some(sending) })
}

impl Telemetry {
    /// Sends what is left, within a bound. What then still waits is lost; it was for operators alone.
    pub async fn stop(self) {
        let Some(Sending { traces, metrics, logs }) = self.sending else { return };
        let stops: [Box<dyn FnOnce() -> bool + Send>; 3] = [
            Box::new(move || traces.shutdown_with_timeout(FLUSH).is_ok()),
            Box::new(move || metrics.shutdown_with_timeout(FLUSH).is_ok()),
            Box::new(move || logs.shutdown_with_timeout(FLUSH).is_ok()),
        ];
        // The library waits in a thread; one that hangs is left behind, and ends with the process.
        let all = futures_util::future::join_all(stops.map(tokio::task::spawn_blocking));
        let _late = tokio::time::timeout(FLUSH * 2, all).await;
    }
}

impl Sending {
    fn new(settings: &Settings, resource: Resource) -> Result<Self, String> {
        let channel = channel(settings)?;
        let told = |error: opentelemetry_otlp::ExporterBuildError| format!("telemetry: {error}");
        let exporter = MetricExporter::builder().with_tonic().with_channel(channel.clone()).with_timeout(ANSWER).build().map_err(told)?;
        let reader = PeriodicReader::builder(exporter).with_interval(METRICS).build();
        let metrics = SdkMeterProvider::builder().with_reader(reader).with_resource(resource.clone()).build();
        // First: the queues below count what they drop.
        global::set_meter_provider(metrics.clone());
        let exporter = SpanExporter::builder().with_tonic().with_channel(channel.clone()).with_timeout(ANSWER).build().map_err(told)?;
        let batch = BatchConfigBuilder::default().with_max_queue_size(QUEUE).with_max_export_batch_size(BATCH).with_scheduled_delay(DELAY);
        let traces = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batch.build()).build())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sampling))))
            .with_max_attributes_per_span(MOST_OF_A_SPAN)
            .with_max_links_per_span(MOST_OF_A_SPAN)
            .with_max_events_per_span(MOST_OF_A_SPAN)
            .with_resource(resource.clone())
            .build();
        let exporter = LogExporter::builder().with_tonic().with_channel(channel).with_timeout(ANSWER).build().map_err(told)?;
        let batch = LogBatch::default().with_max_queue_size(QUEUE).with_max_export_batch_size(BATCH).with_scheduled_delay(DELAY);
        let processor = BatchLogProcessor::builder(exporter).with_batch_config(batch.build()).build();
        let logs = SdkLoggerProvider::builder().with_log_processor(processor).with_resource(resource).build();
        Ok(Self { traces, metrics, logs })
    }
}

/// Lazy: it connects when there is something to send, and again after every loss.
fn channel(settings: &Settings) -> Result<Channel, String> {
    let place = settings.place()?;
    match &settings.trust {
        Some(trust) => {
            let files = LocalFiles { trust: trust.clone(), client: settings.certificate.clone().zip(settings.key.clone()) };
            let address = place.parse().map_err(|error: crate::tls::TlsError| error.to_string())?;
            channel_local(&address, &files, system_clock()).map(|(channel, _)| channel).map_err(|error| error.to_string())
        }
        None => Endpoint::from_shared(format!("http://{place}")).map(|endpoint| endpoint.connect_lazy()).map_err(|error| error.to_string()),
    }
}

/// Who sends. Nothing of it is taken from the environment.
fn resource(settings: &Settings, organization: &str, gateway: &str) -> Resource {
    let own = [
        KeyValue::new("service.name", "schakel"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", gateway.to_owned()),
        KeyValue::new("schakel.organization", organization.to_owned()),
    ];
    let theirs = settings.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty().with_attributes(theirs.chain(own)).build()
}
