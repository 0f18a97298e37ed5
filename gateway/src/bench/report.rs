//! REPORT: medians over the rounds, ratios within each round, and what is judged of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::idle::Idle;
use super::measure::Sample;
use super::run::Options;
use super::{LEVELS, Part};

/// Cores that others may take; with more, nothing is judged.
const MOST_OTHERS: f64 = 0.2;
/// Fewer turns say too little.
const FEWEST_ROUNDS: usize = 5;
/// So does a shorter time per level, in seconds.
const SHORTEST: f64 = 0.8;
/// An fdatasync that is faster than this, in milliseconds, did not reach a disk.
const FASTEST_SYNC_MS: f64 = 0.01;

/// On which stores something was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// New SQLite stores.
    Empty,
    /// SQLite stores with cases in them.
    Filled,
    /// PostgreSQL.
    Postgres,
}

impl Kind {
    /// As shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Empty => "empty",
            Kind::Filled => "filled",
            Kind::Postgres => "postgres",
        }
    }
}

/// What was measured, round by round.
#[derive(Debug, Clone, Default)]
pub struct Series(BTreeMap<(Part, usize), Vec<Sample>>);

impl Series {
    pub(super) fn add(&mut self, part: Part, level: usize, sample: Sample) {
        self.0.entry((part, level)).or_default().push(sample);
    }

    fn samples(&self, part: Part, level: usize) -> &[Sample] {
        self.0.get(&(part, level)).map_or(&[], Vec::as_slice)
    }

    /// Medians of each figure; none when it was not measured.
    fn median(&self, part: Part, level: usize) -> Option<Sample> {
        let samples = self.samples(part, level);
        let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure));
        Some(Sample { per_s: of(|s| s.per_s)?, p50_ms: of(|s| s.p50_ms)?, p99_ms: of(|s| s.p99_ms)?, cpu_us: of(|s| s.cpu_us)? })
    }

    fn json(&self, part: Part) -> Option<Value> {
        let levels = LEVELS.iter().filter_map(|level| Some((level.to_string(), sample_json(self.median(part, *level)?))));
        let levels: Map<String, Value> = levels.collect();
        (!levels.is_empty()).then_some(Value::Object(levels))
    }
}

fn sample_json(sample: Sample) -> Value {
    let Sample { per_s, p50_ms, p99_ms, cpu_us } = sample;
    json!({ "per_s": round(per_s, 1), "p50_ms": round(p50_ms, 3), "p99_ms": round(p99_ms, 3), "cpu_us": round(cpu_us, 1) })
}

fn round(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}

/// None of nothing.
fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(numbers[middle]),
        _ => Some(f64::midpoint(numbers[middle - 1], numbers[middle])),
    }
}

/// The ratio of two parts, round by round; its median.
fn ratio(above: &[Sample], below: &[Sample], figure: fn(&Sample) -> f64) -> Option<f64> {
    median(above.iter().zip(below).map(|(above, below)| figure(above) / figure(below)))
}

/// What a ratio must be, and what we would like it to be.
struct Target {
    name: &'static str,
    at_least: bool,
    must: f64,
    dream: f64,
}

impl Target {
    fn met(&self, found: f64) -> bool {
        if self.at_least { found >= self.must } else { found <= self.must }
    }
}

/// What counts. The numbers come from prototypes that were measured with and without each guarantee, on two cores.
const TARGETS: [Target; 4] = [
    Target { name: "exchange_to_raw_128", at_least: true, must: 0.20, dream: 0.40 },
    Target { name: "link_to_floor_128", at_least: true, must: 0.15, dream: 0.30 },
    Target { name: "handover_p99_to_floor_1", at_least: false, must: 3.5, dream: 1.5 },
    Target { name: "filled_to_empty_128", at_least: true, must: 0.9, dream: 1.0 },
];

/// What an idle gateway must do.
const IDLE_RSS_MB: f64 = 40.0;
const IDLE_READY_S: f64 = 1.0;

/// What was found.
#[derive(Debug)]
pub struct Report {
    series: BTreeMap<Kind, Series>,
    ratios: Vec<(&'static str, f64)>,
    fdatasync: (f64, f64),
    others: f64,
    not_judged: Vec<String>,
    idle: Option<Idle>,
    rounds: usize,
    filled: u64,
}

impl Report {
    pub(super) fn new(options: &Options, series: BTreeMap<Kind, Series>, syncs: &[(f64, f64)], others: f64, idle: Option<Idle>) -> Self {
        let of = |figure: fn(&(f64, f64)) -> f64| median(syncs.iter().map(figure)).unwrap_or_default();
        let fdatasync = (of(|sync| sync.0), of(|sync| sync.1));
        let ratios = ratios(&series);
        let not_judged = not_judged(options, fdatasync.0, others);
        Self { series, ratios, fdatasync, others, not_judged, idle, rounds: options.rounds, filled: options.fill }
    }

    /// Whether its ratios mean anything.
    #[must_use]
    pub fn judged(&self) -> bool {
        self.not_judged.is_empty()
    }

    /// Whether it is judged and misses a target.
    #[must_use]
    pub fn missed(&self) -> bool {
        self.judged() && (self.verdicts().any(|(_, _, met)| !met) || self.idle_met() == Some(false))
    }

    fn verdicts(&self) -> impl Iterator<Item = (&'static Target, f64, bool)> {
        let found = |target: &'static Target| self.ratios.iter().find(|(name, _)| *name == target.name).map(|(_, found)| *found);
        TARGETS.iter().filter_map(move |target| found(target).map(|found| (target, found, target.met(found))))
    }

    fn idle_met(&self) -> Option<bool> {
        self.idle.map(|idle| idle.rss_mb <= IDLE_RSS_MB && idle.ready_s <= IDLE_READY_S)
    }

    /// The report for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut all = Map::new();
        // What was stored beforehand is what the gateways' figures are about; those of empty stores then stand beside them.
        let main = if self.filled > 0 { Kind::Filled } else { Kind::Empty };
        for part in Part::ALL {
            let series = self.series.get(&if part.of_gateways() { main } else { Kind::Empty });
            if let Some(figures) = series.and_then(|series| series.json(part)) {
                all.insert(part.name().to_owned(), figures);
            }
        }
        for kind in [Kind::Empty, Kind::Postgres].into_iter().filter(|kind| *kind != main) {
            let Some(series) = self.series.get(&kind) else { continue };
            let parts = Part::ALL.into_iter().filter(|part| kind == Kind::Postgres || part.of_gateways());
            let figures: Map<String, Value> = parts.filter_map(|part| Some((part.name().to_owned(), series.json(part)?))).collect();
            all.insert(kind.name().to_owned(), Value::Object(figures));
        }
        let targets = self.verdicts().map(|(target, found, met)| {
            let verdict = json!({ "found": round(found, 3), "must": target.must, "dream": target.dream, "met": met });
            (target.name.to_owned(), verdict)
        });
        let ratios = self.ratios.iter().map(|(name, found)| ((*name).to_owned(), json!(round(*found, 3))));
        let targets: Map<String, Value> = targets.collect();
        let ratios: Map<String, Value> = ratios.collect();
        all.extend([
            ("schema".to_owned(), json!("schakel.bench/v1")),
            ("judged".to_owned(), json!(self.judged())),
            ("not_judged_because".to_owned(), json!(self.not_judged)),
            ("rounds".to_owned(), json!(self.rounds)),
            ("stored_cases".to_owned(), json!(self.filled)),
            ("cores".to_owned(), json!(std::thread::available_parallelism().map_or(0, usize::from))),
            ("other_cpu_cores".to_owned(), json!(round(self.others, 2))),
            ("fdatasync_ms".to_owned(), json!({ "p50": round(self.fdatasync.0, 3), "p99": round(self.fdatasync.1, 3) })),
            ("ratios".to_owned(), Value::Object(ratios)),
            ("targets".to_owned(), Value::Object(targets)),
            ("idle".to_owned(), json!(self.idle)),
        ]);
        Value::Object(all)
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "{:<9} {:<15} {:>9} {:>10} {:>9} {:>9} {:>9}", "store", "part", "in flight", "per s", "p50 ms", "p99 ms", "CPU us")?;
        for (kind, series) in &self.series {
            for part in Part::ALL {
                for level in LEVELS {
                    let Some(Sample { per_s, p50_ms, p99_ms, cpu_us }) = series.median(part, level) else { continue };
                    let store = if part.of_gateways() { kind.name() } else { "" };
                    let name = part.name();
                    writeln!(text, "{store:<9} {name:<15} {level:>9} {per_s:>10.0} {p50_ms:>9.3} {p99_ms:>9.3} {cpu_us:>9.0}")?;
                }
            }
        }
        writeln!(text)?;
        for (name, found) in &self.ratios {
            let Some((target, _, met)) = self.verdicts().find(|(target, ..)| target.name == *name) else {
                writeln!(text, "{name:<26} {found:>7.3}")?;
                continue;
            };
            let (word, verdict) = match (target.at_least, self.judged(), met) {
                (at_least, false, _) => (bound(at_least), "not judged"),
                (at_least, true, true) => (bound(at_least), "met"),
                (at_least, true, false) => (bound(at_least), "MISSED"),
            };
            writeln!(text, "{name:<26} {found:>7.3}   {word} {:<5} {verdict}; we would like {}", target.must, target.dream)?;
        }
        if let Some(Idle { peers, rss_mb, stored_cases, ready_s }) = self.idle {
            writeln!(text, "\nidle with {peers} peers: {rss_mb:.1} MB (at most {IDLE_RSS_MB})")?;
            writeln!(text, "ready with {stored_cases} cases stored: {ready_s:.2} s (at most {IDLE_READY_S})")?;
        }
        writeln!(
            text,
            "\n{} round(s); fdatasync p50 {:.3} ms, p99 {:.3} ms; others took {:.2} core",
            self.rounds, self.fdatasync.0, self.fdatasync.1, self.others
        )?;
        if self.judged() { Ok(()) } else { writeln!(text, "not judged: {}", self.not_judged.join("; ")) }
    }
}

fn bound(at_least: bool) -> &'static str {
    if at_least { "at least" } else { "at most " }
}

fn ratios(series: &BTreeMap<Kind, Series>) -> Vec<(&'static str, f64)> {
    let nothing = Series::default();
    let of = |kind: Kind| series.get(&kind).unwrap_or(&nothing);
    let (empty, filled) = (of(Kind::Empty), of(Kind::Filled));
    let gateways = if series.contains_key(&Kind::Filled) { filled } else { empty };
    let rate: fn(&Sample) -> f64 = |sample| sample.per_s;
    let slowest: fn(&Sample) -> f64 = |sample| sample.p99_ms;
    let all = [
        ("exchange_to_raw_128", ratio(gateways.samples(Part::Exchange, 128), empty.samples(Part::Raw, 128), rate)),
        ("link_to_floor_128", ratio(gateways.samples(Part::Link, 128), empty.samples(Part::Floor, 128), rate)),
        ("handover_p99_to_floor_1", ratio(gateways.samples(Part::Handover, 1), empty.samples(Part::HandoverFloor, 1), slowest)),
        ("exchange_p99_to_raw_1", ratio(gateways.samples(Part::Exchange, 1), empty.samples(Part::Raw, 1), slowest)),
        ("nginx_to_raw_128", ratio(empty.samples(Part::Nginx, 128), empty.samples(Part::Raw, 128), rate)),
        ("exchange_to_nginx_128", ratio(gateways.samples(Part::Exchange, 128), empty.samples(Part::Nginx, 128), rate)),
        ("filled_to_empty_128", ratio(filled.samples(Part::Exchange, 128), empty.samples(Part::Exchange, 128), rate)),
        ("postgres_to_sqlite_128", ratio(of(Kind::Postgres).samples(Part::Exchange, 128), empty.samples(Part::Exchange, 128), rate)),
    ];
    all.into_iter().filter_map(|(name, found)| Some((name, found?))).collect()
}

fn not_judged(options: &Options, sync_ms: f64, others: f64) -> Vec<String> {
    let mut why = Vec::new();
    if cfg!(debug_assertions) {
        why.push("this is a debug build".to_owned());
    }
    if options.rounds < FEWEST_ROUNDS || options.seconds < SHORTEST {
        why.push(format!("fewer than {FEWEST_ROUNDS} rounds of {SHORTEST} s"));
    }
    if others > MOST_OTHERS {
        why.push(format!("others took {others:.2} core, more than {MOST_OTHERS}"));
    }
    if sync_ms < FASTEST_SYNC_MS {
        why.push("an fdatasync in this folder reaches no disk".to_owned());
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { rounds: 5, seconds: 1.0, fill: 0, postgres: None, only: Vec::new(), in_flight: Vec::new(), idle: false, folder: None }
    }

    fn sample(per_s: f64) -> Sample {
        Sample { per_s, p50_ms: 1.0, p99_ms: 2.0, cpu_us: 3.0 }
    }

    #[test]
    fn a_ratio_compares_within_a_round_and_its_median_counts() {
        // The machine becomes twice as fast meanwhile: the parts of one round still compare.
        let below = [sample(100.0), sample(200.0), sample(200.0)];
        let above = [sample(50.0), sample(100.0), sample(20.0)];

        assert_eq!(ratio(&above, &below, |sample| sample.per_s), Some(0.5));
        assert_eq!(ratio(&[], &below, |sample| sample.per_s), None);
    }

    #[test]
    fn whoever_shares_the_processor_ends_the_judging() {
        let judged = |others, sync_ms| not_judged(&options(), sync_ms, others).iter().filter(|why| !why.contains("debug")).count() == 0;

        assert!(judged(0.2, 0.1));
        assert!(!judged(0.21, 0.1), "others on the processor");
        assert!(!judged(0.0, 0.001), "no disk");
        let short = Options { rounds: 4, ..options() };
        assert!(not_judged(&short, 0.1, 0.0).iter().any(|why| why.contains("rounds")), "too few rounds");
    }

    #[test]
    fn a_target_is_met_at_its_bound() {
        for target in &TARGETS {
            let worse = if target.at_least { target.must - 0.01 } else { target.must + 0.01 };
            assert!(target.met(target.must) && target.met(target.dream) && !target.met(worse), "{}", target.name);
        }
    }
}
