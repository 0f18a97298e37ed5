//! One run of one seed: build the region, let the weather blow, let it clear up, wait for rest, judge.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use schakel::demo::checker::{self, History, Subject};
use schakel::ledger::verify::verify;
use schakel::store::Store;
use schakel_domain::id::Hash;

use crate::bug::Bug;
use crate::disk::Faults;
use crate::people::Person;
use crate::record::Chronicle;
use crate::weather::{self, Weather};
use crate::world::{World, host, log_key};

/// How much time passes in one step of the simulation; messages arrive at its beginning.
const TICK: Duration = Duration::from_millis(100);
/// Longest until everything is at rest after the weather cleared up.
const REST: Duration = Duration::from_secs(300);
/// What follows rest: the last checkpoint is signed, and whatever else still wanted to move does.
const AFTER: Duration = Duration::from_secs(3);

/// What became of a run.
pub(crate) struct Outcome {
    pub(crate) violations: Vec<String>,
    pub(crate) hash: Hash,
    pub(crate) lines: u64,
    /// Operations of clients: done, refused, never known.
    pub(crate) operations: (u64, u64, u64),
    pub(crate) transitions: u64,
    pub(crate) faults: Faults,
    pub(crate) elapsed: Duration,
}

/// Panics of the gateways' tasks: a task of its own ends quietly otherwise.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Runs one seed, on a thread of its own so that nothing of this process is older than the seed.
pub(crate) fn run(seed: u64, bug: Option<Bug>, aloud: bool) -> Outcome {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        eprintln!("{panic}");
    }));
    mad_turmoil::rand::set_rng(rand::SeedableRng::seed_from_u64(seed));
    std::thread::spawn(move || in_this_thread(seed, bug, aloud)).join().unwrap()
}

fn in_this_thread(seed: u64, bug: Option<Bug>, aloud: bool) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, "11".repeat(32)).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let quiet = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let chronicle = Arc::new(Chronicle::new(aloud));
    let world = quiet.block_on(World::new(seed, bug, Arc::clone(&chronicle), key_file));
    let mut violations = Vec::new();
    let elapsed = play(&world, &mut violations);
    if PANICS.load(Ordering::SeqCst) > 0 {
        violations.push("panic: a task of a gateway panicked".to_owned());
    }
    let transitions = quiet.block_on(judge(&world, &mut violations));
    let mut faults = Faults::default();
    for node in world.nodes.values() {
        for (point, (before, after)) in &node.disk.faults.lock().unwrap().struck {
            let sum = faults.struck.entry(*point).or_default();
            *sum = (sum.0 + before, sum.1 + after);
        }
    }
    let (lines, hash) = chronicle.sum();
    Outcome { violations, hash, lines, operations: counted(&chronicle), transitions, faults, elapsed }
}

/// Builds the simulated hosts and drives them.
fn play(world: &Arc<World>, violations: &mut Vec<String>) -> Duration {
    let mut builder = turmoil::Builder::new();
    builder.rng_seed(world.seed).tick_duration(TICK).simulation_duration(Duration::from_secs(86_400)).enable_random_order();
    builder.min_message_latency(Duration::from_millis(1)).max_message_latency(Duration::from_millis(150)).tcp_capacity(4_096);
    let mut sim = builder.epoch(UNIX_EPOCH).build();
    for node in world.nodes.values() {
        let (world, node) = (Arc::clone(world), Arc::clone(node));
        sim.host(host(&node.me), move || crate::gateway::live(Arc::clone(&world), Arc::clone(&node)));
    }
    let everybody = Person::all(world);
    sim.client("people", async move {
        let lives: Vec<_> = everybody.into_iter().map(|person| tokio::spawn(person.live())).collect();
        for life in lives {
            life.await?;
        }
        Ok(())
    });
    let mut weather = Weather::of(world);
    while sim.elapsed() < weather::LASTS {
        weather.blow(&mut sim);
        sim.step().unwrap();
    }
    weather.clear_up(&mut sim);
    world.chronicle.settling.store(true, Ordering::Relaxed);
    if let Some(restless) = settle(&mut sim, world) {
        violations.push(format!("not-at-rest: {restless} {} s after everything was put right", REST.as_secs()));
    }
    world.chronicle.over.store(true, Ordering::Relaxed);
    let end = sim.elapsed() + AFTER;
    while sim.elapsed() < end {
        sim.step().unwrap();
    }
    sim.elapsed()
}

/// Until rest; what still moves when the time is over.
fn settle(sim: &mut turmoil::Sim<'_>, world: &World) -> Option<String> {
    let limit = sim.elapsed() + REST;
    loop {
        for _ in 0..10 {
            sim.step().unwrap();
        }
        let restless = world.restless();
        if restless.is_none() || sim.elapsed() > limit {
            return restless;
        }
    }
}

/// What the checker says of everything that was stored, and of what clients were told.
async fn judge(world: &World, violations: &mut Vec<String>) -> u64 {
    let mut subjects = Vec::new();
    for node in world.nodes.values() {
        let store = node.disk.peek() as Arc<dyn Store>;
        let report = verify(&*store, log_key(&node.me).vkey(), None).await.unwrap();
        if !report.ok() || report.size == 0 {
            violations.push(format!("log: {}: {}", node.me, report.json()));
        }
        subjects.push(Subject { org: node.me.clone(), store, checkpoint: None });
    }
    let mut history = History::read_with(subjects, world.chronicle.operations()).await.unwrap();
    history.moments = world.chronicle.moments();
    history.order = Some(world.chronicle.order());
    let findings = checker::check(&history);
    violations.extend(findings.violations.iter().map(ToString::to_string));
    findings.transitions
}

fn counted(chronicle: &Chronicle) -> (u64, u64, u64) {
    use schakel::demo::checker::Outcome::{Done, Refused, Unknown};
    chronicle.operations().iter().fold((0, 0, 0), |(done, refused, unknown), operation| match operation.outcome {
        Done { .. } => (done + 1, refused, unknown),
        Refused { .. } => (done, refused + 1, unknown),
        Unknown => (done, refused, unknown + 1),
    })
}
