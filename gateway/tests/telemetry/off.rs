//! Off unless asked for, and nobody ever waits for a collector.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use schakel_proto::r#type::v1 as words;

use super::collector::Collector;
use super::node::Pair;

/// A call that waited for a collector would take far longer.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn without_the_section_nothing_is_sent_whatever_the_environment_says() {
    let mut collector = Collector::start();
    let mut pair = Pair::make(None).await;
    pair.first.start_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint), ("OTEL_TRACES_EXPORTER", "otlp")]);

    pair.first.open(words::Dossier { age: Some(15), ..Default::default() }).await.unwrap();
    pair.first.stop();
    collector.stop();

    assert!(collector.raw().iter().all(|(_, sent)| sent.is_empty()), "something was sent");
    let local = std::fs::read_to_string(&pair.first.log).unwrap();
    assert!(!local.contains("trace_id"), "no span is made: {local}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_or_never_answers_holds_up_neither_calls_nor_the_stop() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for place in [silent.local_addr().unwrap(), gone] {
        let mut pair = Pair::make(Some(&format!("http://{place}"))).await;
        pair.first.start();

        let since = Instant::now();
        for _ in 0..20 {
            pair.first.open(words::Dossier { age: Some(15), ..Default::default() }).await.unwrap();
        }

        assert!(since.elapsed() < SOON, "calls waited for the collector");
        pair.first.stop();
    }
}
