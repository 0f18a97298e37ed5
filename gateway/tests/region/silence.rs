//! Nothing dies in silence: a fault of ours that ends a part of a running gateway is told by name, health says so, and the gateway ends.
//!
//! The fault is a clock that breaks for one part alone: it is asked in every part, and looks who asks.

use std::backtrace::Backtrace;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel::assembly::{self, Fatal, Listeners, Running, StartError};
use schakel::config::Config;
use schakel::demo::world::Home;
use schakel::desk::Source;
use schakel::source::SystemSource;
use tonic::Streaming;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use uuid::Uuid;

use super::kit::{Gateway, PATIENCE, Region, config, schakel};

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

/// Starts a gateway again, on a clock that can be broken.
async fn again_on(planted: &Arc<Planted>, gateway: Gateway, change: impl FnOnce(&mut Config)) -> Gateway {
    let source = Arc::clone(planted) as Arc<dyn Source>;
    let start = |home: &Home| -> BoxFuture<'static, Result<Running, StartError>> {
        let mut config = config(home).0;
        change(&mut config);
        Box::pin(assembly::start(config, Listeners::default(), source))
    };
    gateway.again_with(|_| {}, start).await
}

/// What the health of the care door says from now on; it serves.
async fn health_of(gateway: &Gateway) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest { service: String::new() };
    let mut told = gateway.client.care_health().watch(request).await.unwrap().into_inner();
    assert_eq!(told.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    told
}

/// The gateway ends because of this, and health says so.
async fn ends_by(gateway: &Gateway, why: Fatal, mut told: Streaming<HealthCheckResponse>) {
    let fatal = tokio::time::timeout(PATIENCE, gateway.running.fatal()).await.expect("it died in silence");
    assert_eq!(fatal, why);
    let told = tokio::time::timeout(PATIENCE, told.message());
    assert_eq!(told.await.expect("health goes on saying that it serves").unwrap().unwrap().status(), ServingStatus::NotServing);
}

/// From now on a head of the log that is kept outside the database is written, and cannot be made durable.
fn break_the_file_of_heads(data: &Path) {
    symlink("/dev/null", data.join("checkpoint.new")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_panics_ends_the_gateway_by_name_after_health_says_so() {
    let mut region = Region::of(&["sez", "propersona"]).await;
    let planted = Arc::new(Planted::default());
    let sez = again_on(&planted, region.take("sez"), |_| {}).await;
    let told = health_of(&sez).await;

    *planted.at.lock().unwrap() = Some("link::clock");
    // Work for the clock: a timer.
    let _offered = sez.offer(&sez.open_case().await, region.gateway("propersona")).await;

    ends_by(&sez, Fatal::Part("clock"), told).await;
    *planted.at.lock().unwrap() = None;
    sez.running.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_takes_no_more_connections_ends_the_gateway_by_name_after_health_says_so() {
    let mut region = Region::of(&["sez"]).await;
    let planted = Arc::new(Planted::default());
    let sez = again_on(&planted, region.take("sez"), |config| config.limits.connections_per_source = Some(1)).await;
    let told = health_of(&sez).await;

    *planted.at.lock().unwrap() = Some("accept_loop");
    // One more than this source may have: that is counted, with the time.
    let _refused = tokio::net::TcpStream::connect(sez.home.ports.care).await.unwrap();

    ends_by(&sez, Fatal::Part("care door"), told).await;
    *planted.at.lock().unwrap() = None;
    sez.running.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_cannot_be_made_durable_ends_the_gateway_after_health_says_so() {
    let region = Region::of(&["sez"]).await;
    let sez = region.gateway("sez");
    let told = health_of(sez).await;

    break_the_file_of_heads(&sez.home.data);
    // Something to sign; whether it is answered makes no difference.
    let _opened = sez.at_care_door(sez.token("worker"), &["case", "list"]).await;

    ends_by(sez, Fatal::Store, told).await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_fails_when_its_gateway_ends_by_itself() {
    let mut region = Region::of(&["sez"]).await;
    let sez = region.take("sez");
    let home = sez.home.clone();
    sez.running.stop().await;
    let mut config: toml::Table = std::fs::read_to_string(&home.config).unwrap().parse().unwrap();
    let operators: toml::Table =
        [(format!("uid:{}", std::fs::metadata(&home.data).unwrap().uid()), "local:beheer".into())].into_iter().collect();
    let admin: toml::Table =
        [("socket".to_owned(), home.data.join("admin.sock").to_str().unwrap().into()), ("operators".to_owned(), operators.into())]
            .into_iter()
            .collect();
    config.insert("admin".to_owned(), admin.into());
    std::fs::write(&home.config, config.to_string()).unwrap();
    break_the_file_of_heads(&home.data);

    let command = ["serve", "--config", home.config.to_str().unwrap()];
    let run = tokio::time::timeout(PATIENCE, schakel(&command)).await.expect("it goes on without its store");

    assert!(run.out.contains(" open: federation "), "it began: {}{}", run.out, run.err);
    assert!(run.code != 0 && run.err.contains("the store broke"), "{}: {}", run.code, run.err);
}
