//! The search through one parser's inputs: first what is kept, then changes of it, and of everything that was refused in a new way.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use schakel_domain::id::Hash;

use crate::mutate::{Dice, change};
use crate::parsers::Parser;
use crate::{Ask, MEMORY};

/// Most bytes that one input may make a parser hold.
const MEMORY_MOST: usize = 64 << 20;
/// Longest time for one input when time is judged, in a program that was optimised.
const TIME_MOST: Duration = Duration::from_millis(100);
/// Longer than this is a hang, on any machine.
const HANG: Duration = Duration::from_secs(20);
/// Inputs that are changed further, at most.
const POOL: usize = 2_000;
/// Largest input that is written for the corpus.
const KEPT: usize = 2_048;
/// Characters of an answer that tell it from others, and of a piece of input in it.
const WAY: usize = 400;
const QUOTED: usize = 24;
/// Most faults of one parser that are told.
const TOLD: usize = 5;

/// What a parser works on now, for whoever watches that it ends.
struct Now {
    parser: &'static str,
    input: Vec<u8>,
    since: Instant,
}

/// The most that any input took.
#[derive(Default)]
struct Most {
    time: Duration,
    memory: usize,
}

/// Runs one parser; whether every input was harmless.
pub(crate) fn search(parser: &Parser, ask: &Ask) -> bool {
    let began = Instant::now();
    let now = Arc::new(Mutex::new(None));
    let watched = Arc::clone(&now);
    std::thread::spawn(move || watch(&watched));
    let mut state = State { parser, ask, now: &now, pool: Vec::new(), ways: BTreeSet::new(), faults: 0, most: Most::default() };
    let mut seeds = (parser.seeds)();
    seeds.extend(corpus(parser.name));
    assert!(!seeds.is_empty(), "{} has nothing to begin with", parser.name);
    for seed in seeds {
        state.try_one(seed, true);
    }
    let mut dice = Dice::new(ask.seed ^ u64::from_be_bytes(Hash::sha256(parser.name.as_bytes()).0[..8].try_into().unwrap()));
    for _ in 0..ask.inputs {
        let (input, other) = (dice.one_of(&state.pool), dice.one_of(&state.pool));
        let input = change(&mut dice, input, other, parser.most);
        state.try_one(input, false);
    }
    *now.lock().unwrap() = None;
    let State { pool, ways, faults, most, .. } = state;
    let (time, memory) = (most.time.as_secs_f64() * 1e3, most.memory as f64 / f64::from(1 << 20));
    println!(
        "{} {:<22} {:>9} inputs {:>5} ways {:>5} kept; at most {time:.1} ms, {memory:.1} MiB; {:.0} s",
        if faults == 0 { "ok    " } else { "FAILED" },
        parser.name,
        ask.inputs,
        ways.len(),
        pool.len(),
        began.elapsed().as_secs_f64(),
    );
    faults == 0
}

struct State<'a> {
    parser: &'a Parser,
    ask: &'a Ask,
    now: &'a Mutex<Option<Now>>,
    pool: Vec<Vec<u8>>,
    ways: BTreeSet<u64>,
    faults: usize,
    most: Most,
}

impl State<'_> {
    fn try_one(&mut self, input: Vec<u8>, seed: bool) {
        let since = Instant::now();
        *self.now.lock().unwrap() = Some(Now { parser: self.parser.name, input: input.clone(), since });
        MEMORY.reset_peak_usage();
        let (before, started) = (MEMORY.current_usage(), Instant::now());
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.parser.run)(&input)));
        let (took, held) = (started.elapsed(), MEMORY.peak_usage().saturating_sub(before));
        self.most.time = self.most.time.max(took);
        self.most.memory = self.most.memory.max(held);
        let way = match outcome {
            Ok(way) => way,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                return self.fault(&format!("panicked: {}", text.unwrap_or_default()), &input);
            }
        };
        if held > MEMORY_MOST {
            self.fault(&format!("held {held} bytes"), &input);
        }
        // Once may be the machine; the same input again is the parser.
        if self.ask.judge && took > TIME_MOST && again(self.parser, &input) > TIME_MOST {
            self.fault(&format!("took {took:?}"), &input);
        }
        let new = self.ways.insert(key(&way));
        if (new || seed) && self.pool.len() < POOL {
            if new && !seed {
                self.write(&way, &input);
            }
            self.pool.push(input);
        }
    }

    fn fault(&mut self, what: &str, input: &[u8]) {
        self.faults += 1;
        if self.faults <= TOLD {
            let path = std::env::temp_dir().join(format!("fuzz-{}-{}", self.parser.name, Hash::sha256(input)).replace(':', "-"));
            std::fs::write(&path, input).unwrap();
            eprintln!(
                "{}: {what}; the input is in {}: {:?}",
                self.parser.name,
                path.display(),
                String::from_utf8_lossy(&input[..input.len().min(200)])
            );
        }
    }

    /// Writes an input that was refused in a new way, when somebody wants it for the corpus.
    fn write(&self, way: &str, input: &[u8]) {
        let Some(folder) = self.ask.keep.as_ref().filter(|_| input.len() <= KEPT) else { return };
        let folder = folder.join(self.parser.name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{:016x}", key(way))), input).unwrap();
    }
}

fn again(parser: &Parser, input: &[u8]) -> Duration {
    let started = Instant::now();
    (parser.run)(input);
    started.elapsed()
}

/// What is the same about two answers: their words, without numbers, and of pieces of input in them only the beginning.
fn key(way: &str) -> u64 {
    let mut plain = String::new();
    let mut quoted = None;
    for c in way.chars().take(4_000) {
        match (c, &mut quoted) {
            ('`' | '"', Some(_)) => quoted = None,
            ('`' | '"', None) => quoted = Some(0),
            (_, Some(length)) if *length >= QUOTED => {}
            _ if c.is_ascii_digit() || !c.is_ascii() => {}
            (c, length) => {
                plain.push(c);
                length.iter_mut().for_each(|length| *length += 1);
            }
        }
        if plain.len() >= WAY {
            break;
        }
    }
    u64::from_be_bytes(Hash::sha256(plain.as_bytes()).0[..8].try_into().unwrap())
}

/// What is kept of earlier searches.
fn corpus(parser: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(parser);
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Ends the program when an input takes for ever, with the input.
fn watch(now: &Mutex<Option<Now>>) {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = now.lock().unwrap();
        let Some(Now { parser, input, since }) = &*now else { return };
        if since.elapsed() > HANG {
            eprintln!("{parser}: does not end; the input: {:?}", String::from_utf8_lossy(&input[..input.len().min(2_000)]));
            std::process::exit(3);
        }
    }
}
