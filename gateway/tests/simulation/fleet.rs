//! Many seeds, each in a fresh process, as many at once as there are processors; and what became of them, in the words the tests' runner
//! counts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::bug::Bug;
use crate::run;

/// Prints one run as one line of JSON, after its violations. 1 when it failed.
pub(crate) fn one(seed: u64, bug: Option<Bug>, aloud: bool) -> u64 {
    let outcome = run::run(seed, bug, aloud);
    let struck: BTreeMap<String, (u64, u64)> =
        outcome.faults.struck.iter().map(|(point, times)| (format!("{point:?}").to_lowercase(), *times)).collect();
    let (done, refused, unknown) = outcome.operations;
    let line = json!({
        "seed": seed,
        "trace": outcome.hash.to_string(),
        "lines": outcome.lines,
        "elapsed_s": outcome.elapsed.as_secs(),
        "transitions": outcome.transitions,
        "operations": { "done": done, "refused": refused, "unknown": unknown },
        "faults": struck,
        "violations": outcome.violations,
    });
    println!("{line}");
    u64::from(!outcome.violations.is_empty())
}

/// Runs these seeds; the number that failed.
pub(crate) fn many(seeds: Range<u64>, bug: Option<Bug>) -> u64 {
    let since = uptime_s();
    let sum = Mutex::new(Sum::default());
    let stop = AtomicBool::new(false);
    each(seeds, &stop, |seed| {
        let told = tell(seed, bug);
        if let Err(why) = &told {
            println!("seed {seed} failed:\n  {why}\n  again: {}", command(seed, bug));
        }
        sum.lock().unwrap().add(told.ok().as_ref());
    });
    let sum = sum.into_inner().unwrap();
    println!("{}", sum.words(uptime_s() - since));
    println!("{} passed, {} failed", sum.passed, sum.failed);
    sum.failed
}

/// Runs each seed twice, in two fresh processes: the traces must be the same.
pub(crate) fn again(seeds: Range<u64>) -> u64 {
    let (same, other) = (AtomicU64::new(0), AtomicU64::new(0));
    each(seeds, &AtomicBool::new(false), |seed| {
        let (first, second) = (tell(seed, None), tell(seed, None));
        let alike = matches!((&first, &second), (Ok(first), Ok(second)) if first["trace"] == second["trace"]);
        if !alike {
            println!("seed {seed} is not the same again: {first:?} {second:?}\n  again: {} --aloud", command(seed, None));
        }
        if alike { &same } else { &other }.fetch_add(1, Ordering::Relaxed);
    });
    let (same, other) = (same.into_inner(), other.into_inner());
    println!("{same} passed, {other} failed");
    other
}

/// Looks for each planted fault until a seed finds it.
pub(crate) fn planted(most: u64) -> u64 {
    let mut missed = 0;
    for bug in Bug::SOUGHT {
        let (found, stop) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
        each(0..most, &stop, |seed| {
            if let Err(why) = tell(seed, Some(bug)) {
                found.lock().unwrap().insert((seed, why.lines().next().unwrap_or_default().to_owned()));
                stop.store(true, Ordering::Relaxed);
            }
        });
        match found.into_inner().unwrap().first() {
            Some((seed, why)) => println!("{}: found by seed {seed}: {why}", bug.name()),
            None => {
                println!("{}: not found in {most} seeds", bug.name());
                missed += 1;
            }
        }
    }
    println!("{} passed, {missed} failed", Bug::SOUGHT.len() as u64 - missed);
    missed
}

/// Does something for each seed, in order, on every processor, until told to stop.
fn each(seeds: Range<u64>, stop: &AtomicBool, work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(seeds.start);
    let hands = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..hands {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    work(seed);
                }
            });
        }
    });
}

/// What a fresh process tells of a seed; an error is what went wrong.
fn tell(seed: u64, bug: Option<Bug>) -> Result<Value, String> {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--seed", &seed.to_string()]).stdin(Stdio::null());
    if let Some(bug) = bug {
        child.args(["--bug", bug.name()]);
    }
    let output = child.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let last = told.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    match last {
        Some(told) if output.status.success() => Ok(told),
        Some(told) => {
            let violations = told["violations"].as_array().cloned().unwrap_or_default();
            Err(violations.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n  "))
        }
        None => Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Seconds since the machine started. The clocks of the standard library stand still in this program, so that no run can depend on them.
fn uptime_s() -> f64 {
    std::fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap()
}

/// How to see a seed again.
fn command(seed: u64, bug: Option<Bug>) -> String {
    let bug = bug.map(|bug| format!(" --bug {}", bug.name())).unwrap_or_default();
    format!("cargo test -p schakel --test simulation -- --seed {seed}{bug} --aloud")
}

/// What all runs were together.
#[derive(Default)]
struct Sum {
    passed: u64,
    failed: u64,
    transitions: u64,
    operations: BTreeMap<String, u64>,
    faults: BTreeMap<String, (u64, u64)>,
}

impl Sum {
    fn add(&mut self, told: Option<&Value>) {
        let Some(told) = told else {
            self.failed += 1;
            return;
        };
        self.passed += 1;
        self.transitions += told["transitions"].as_u64().unwrap_or_default();
        for (name, times) in told["operations"].as_object().into_iter().flatten() {
            *self.operations.entry(name.clone()).or_default() += times.as_u64().unwrap_or_default();
        }
        for (name, times) in told["faults"].as_object().into_iter().flatten() {
            let sum = self.faults.entry(name.clone()).or_default();
            sum.0 += times[0].as_u64().unwrap_or_default();
            sum.1 += times[1].as_u64().unwrap_or_default();
        }
    }

    fn words(&self, seconds: f64) -> String {
        let runs = self.passed + self.failed;
        let rate = runs as f64 / seconds.max(0.001);
        format!(
            "{runs} seeds in {seconds:.0} s ({rate:.1} a second), {} transitions, operations {:?}, faults (not made, made and unanswered) {:?}",
            self.transitions, self.operations, self.faults
        )
    }
}
