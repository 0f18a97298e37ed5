//! A whole gateway whose files change while it runs: new ones are taken, bad ones refused by name while the old stay in force, and people
//! are told in time of what ends, once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use schakel::assembly::{self, Listeners, Running};
use schakel::config::Config;
use schakel::demo::client::Client;
use schakel::demo::scenario::Scenario;
use schakel::demo::world::{Ports, World};
use schakel::desk::Source;
use schakel::source::SystemSource;
use schakel_proto::care::v1::GetCaseRequest;
use tempfile::TempDir;
use uuid::Uuid;

use super::kit::{bytes, expect, within};

/// The machine's clock, some days ahead.
#[derive(Debug, Default)]
struct Ahead {
    source: SystemSource,
    days: AtomicI64,
}

impl Source for Ahead {
    fn now(&self) -> Timestamp {
        self.source.now() + SignedDuration::from_hours(24 * self.days.load(Ordering::SeqCst))
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        self.source.uuid(now)
    }

    fn salt(&self) -> [u8; 32] {
        self.source.salt()
    }
}

/// One gateway of the Gelderland story, alone.
struct Alone {
    running: Running,
    clock: Arc<Ahead>,
    client: Client,
    ca: PathBuf,
    home: PathBuf,
    _folder: TempDir,
}

impl Alone {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut scenario = Scenario::gelderland().unwrap();
        scenario.organizations.truncate(2);
        scenario.steps.clear();
        let listeners = || -> [std::net::TcpListener; 4] { std::array::from_fn(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()) };
        let bound = [listeners(), listeners()];
        let ports: Vec<Ports> = bound.iter().map(ports).collect();
        let world = World::make(&folder.path().canonicalize().unwrap(), &scenario, &ports, Timestamp::now()).unwrap();
        let home = &world.homes[0];
        let clock = Arc::new(Ahead::default());
        let [federation, care, audit, admin] = bound.into_iter().next().unwrap().map(Some);
        let listeners = Listeners { federation, care, audit, admin };
        let running = assembly::start(Config::read(&home.config).unwrap(), listeners, Arc::clone(&clock) as _).await.unwrap();
        let client = Client::new(home, &world.ca).unwrap();
        let alone = Self { running, clock, client, ca: world.ca.clone(), home: home.dir.clone(), _folder: folder };
        alone.answers().await;
        alone
    }

    /// The care door answers on a connection of before.
    async fn answers(&self) {
        let nothing = GetCaseRequest { name: "cases/00000000-0000-7000-8000-000000000000".to_owned(), ..Default::default() };
        let answer = within(self.client.cases().get_case(nothing)).await.unwrap_err();
        assert!(schakel::wire::status::to_refusal(&answer).is_some(), "an answer of the gateway itself: {answer}");
    }

    /// Reads everything again; what was refused, by part.
    async fn refused(&self) -> Vec<(String, String)> {
        let done = self.running.reload().await;
        assert!(done.len() > 5, "every part is read: {done:?}");
        done.into_iter().filter_map(|one| one.refused.map(|why| (one.part, why))).collect()
    }

    /// Kinds and states of the events so far that begin like this.
    async fn events(&self, kind: &str) -> Vec<(String, String)> {
        let events = self.running.desk.store().events(0, 1000).await.unwrap();
        let events = events.into_iter().filter(|event| event.event.kind.starts_with(kind));
        events.map(|event| (event.event.kind, event.event.state)).collect()
    }
}

fn ports([federation, care, audit, admin]: &[std::net::TcpListener; 4]) -> Ports {
    let address = |listener: &std::net::TcpListener| listener.local_addr().unwrap();
    Ports { federation: address(federation), line: address(federation), care: address(care), audit: address(audit), admin: address(admin) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_new_file_is_refused_by_name_and_the_old_stays_in_force_while_calls_go_on() {
    let alone = Alone::start().await;
    assert_eq!(alone.refused().await, []);
    let bad: [(PathBuf, &[u8], &str); 4] = [
        (alone.ca.with_extension("crl"), b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "federation"),
        (alone.ca.clone(), b"no certificate", "federation"),
        (alone.home.join("keys/login.jwks.json"), b"{}", "care token keys"),
        (alone.home.join("local-ca.crt"), b"", "care"),
    ];
    for (path, garbage, part) in bad {
        let good = bytes(&path);
        std::fs::write(&path, garbage).unwrap();

        let refused = alone.refused().await;

        let named = |(found, why): &(String, String)| found == part && why.contains(path.file_name().unwrap().to_str().unwrap());
        assert!(refused.iter().any(named), "{part}: {refused:?}");
        alone.answers().await;
        std::fs::write(&path, good).unwrap();
        assert_eq!(alone.refused().await, [], "the good file is taken again");
    }
    let told = alone.events("configuration.refused").await;
    assert!(told.len() >= 4 && told[0].1 == "federation", "people are told: {told:?}");
    within(alone.running.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_ours_is_refused_and_a_changed_file_is_seen_without_being_told() {
    let alone = Alone::start().await;
    let (certificate, key) = (alone.home.join("gateway.crt"), alone.home.join("gateway.key"));
    let other = std::fs::read_dir(alone.ca.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let other = other.into_iter().find(|path| path.join("gateway.crt").exists() && *path != alone.home).unwrap();
    let good = [bytes(&certificate), bytes(&key)];
    let put = |path: &Path, bytes: &[u8]| std::fs::write(path, bytes).unwrap();

    put(&certificate, &bytes(&other.join("gateway.crt")));
    let refused = alone.refused().await;
    assert!(refused.iter().any(|(part, why)| part == "federation" && why.contains("cannot be used with")), "{refused:?}");
    put(&key, &bytes(&other.join("gateway.key")));
    let refused = alone.refused().await;
    assert!(refused.iter().any(|(part, why)| part == "federation" && why.contains("stands for urn:schakel:organization:")), "{refused:?}");
    put(&certificate, &good[0]);
    put(&key, &good[1]);
    assert_eq!(alone.refused().await, []);

    // Nobody says a word: the look that comes by itself finds it.
    let before = alone.events("configuration.refused").await.len();
    put(&alone.ca.with_extension("crl"), b"garbage");
    expect("an event", async || alone.events("configuration.refused").await.len() > before).await;
    alone.answers().await;
    within(alone.running.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_sixty_thirty_fourteen_seven_and_one_day_before_a_certificate_ends_and_once_each() {
    let alone = Alone::start().await;
    let told = async || {
        alone.running.reload().await;
        let mut states: Vec<_> = alone.events("certificate.").await.into_iter().map(|(_, state)| state).collect();
        states.sort();
        states
    };
    assert_eq!(told().await, Vec::<String>::new(), "ninety days left");
    let mut all: Vec<String> = Vec::new();
    for days in [60, 30, 14, 7, 1] {
        alone.clock.days.store(90 - days, Ordering::SeqCst);
        let expected = [format!("certificate {days} days"), format!("root {days} days"), format!("root {days} days")];
        all.extend(expected);
        all.sort();

        assert_eq!(told().await, all, "the gateway's own, the federation's root, that of its own systems");
        assert_eq!(told().await, all, "and not again");
    }
    let lists = async || alone.events("revocation-list").await.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    assert_eq!(lists().await, ["revocation-list.ending"], "a day before its end");
    alone.clock.days.store(91, Ordering::SeqCst);
    all.extend(["certificate", "root", "root"].map(|place| format!("{place} expired")));
    all.sort();
    assert_eq!(told().await, all);
    assert_eq!(lists().await, ["revocation-list.ending", "revocation-list.refusing"]);
    within(alone.running.stop()).await;
}
