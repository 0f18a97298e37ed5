//! Nothing dies in silence: a fault of ours that ends a part of a running gateway is told by name, health says so, and the gateway ends.
//!
//! The fault is a clock that breaks for one part alone: it is asked in every part, and looks who asks.

use std::backtrace::Backtrace;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use schakel::assembly::{self, Fatal, Listeners};
use schakel::desk::Source;
use schakel::source::SystemSource;
use tonic_health::pb::health_check_response::ServingStatus;
use uuid::Uuid;

use super::kit::{Region, config};

/// Long enough for a busy machine; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Planted {
    source: SystemSource,
    /// Where in the program it breaks.
    at: Mutex<Option<&'static str>>,
}

impl Source for Planted {
    fn now(&self) -> Timestamp {
        let at = *self.at.lock().unwrap();
        if let Some(at) = at
            && Backtrace::force_capture().to_string().contains(at)
        {
            panic!("planted at {at}");
        }
        self.source.now()
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        self.source.uuid(now)
    }

    fn salt(&self) -> [u8; 32] {
        self.source.salt()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_panics_ends_the_gateway_by_name_after_health_says_so() {
    let mut region = Region::of(&["sez", "propersona"]).await;
    let sez = region.take("sez");
    let planted = Arc::new(Planted::default());
    let source = Arc::clone(&planted) as Arc<dyn Source>;
    let sez = sez.again_with(|_| {}, |home| Box::pin(assembly::start(config(home).0, Listeners::default(), source))).await;
    let request = tonic_health::pb::HealthCheckRequest { service: String::new() };
    let mut told = sez.client.care_health().watch(request).await.unwrap().into_inner();
    assert_eq!(told.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    *planted.at.lock().unwrap() = Some("link::clock");
    // Work for the clock: a timer.
    let _offered = sez.offer(&sez.open_case().await, region.gateway("propersona")).await;

    let fatal = tokio::time::timeout(PATIENCE, sez.running.fatal()).await.expect("it died in silence");
    assert_eq!(fatal, Fatal::Part("clock"));
    assert_eq!(told.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    *planted.at.lock().unwrap() = None;
    sez.running.stop().await;
    region.stop().await;
}
