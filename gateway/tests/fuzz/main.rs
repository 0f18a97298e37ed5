//! Every parser that takes bytes from outside, against bytes that nobody meant: no panic, no hang, and no more memory than a bound.
//!
//! On stable Rust, so without coverage: what guides the search instead is what a parser says. An input that is refused in a way not seen before
//! is kept and changed further (`search`); so it gets past one check after the other. `mutate` knows what formats are made of, `parsers` is the
//! list, and `corpus/` holds what was found worth keeping, one folder per parser.
//!
//!     cargo test -p schakel --test fuzz                                              a taste of each
//!     cargo test -p schakel --release --test fuzz -- --inputs 1000000 --judge        the whole, with time judged too
//!     cargo test -p schakel --test fuzz -- --parser note --inputs 50000 --seed 7     one parser
//!     cargo test -p schakel --test fuzz -- --keep FOLDER                             writes what is new, for the corpus

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../verify/tests/kit.rs"]
#[expect(dead_code, reason = "the verifier's kit has more than is used here")]
mod log;
mod mutate;
mod parsers;
mod requests;
mod search;

use std::path::PathBuf;
use std::process::ExitCode;

use peak_alloc::PeakAlloc;

/// Counts what is allocated. One parser runs at a time, so what is counted is its own.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Inputs per parser of a run without arguments.
const TASTE: u64 = 500;
/// Stack of the thread that parses: that of a thread of the gateway.
const STACK: usize = 2 << 20;

/// What is asked on the command line.
pub(crate) struct Ask {
    pub(crate) inputs: u64,
    pub(crate) seed: u64,
    pub(crate) judge: bool,
    parser: Option<String>,
    pub(crate) keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(ask) = read(&words) else {
        eprintln!("usage: [--inputs N] [--seed N] [--parser NAME] [--judge] [--keep FOLDER]");
        return ExitCode::from(2);
    };
    std::panic::set_hook(Box::new(|_| {}));
    let work = move || {
        let mut failed = 0;
        let wanted = |name: &str| ask.parser.as_deref().is_none_or(|wanted| wanted == name);
        let parsers: Vec<_> = parsers::all().into_iter().filter(|parser| wanted(parser.name)).collect();
        for parser in &parsers {
            failed += usize::from(!search::search(parser, &ask));
        }
        println!("{} passed; {failed} failed", parsers.len() - failed);
        (failed, parsers.len())
    };
    let (failed, all) = std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
    if failed == 0 && all > 0 { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

fn read(words: &[String]) -> Option<Ask> {
    let mut ask = Ask { inputs: TASTE, seed: 1, judge: false, parser: None, keep: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--inputs" => ask.inputs = words.next()?.parse().ok()?,
            "--seed" => ask.seed = words.next()?.parse().ok()?,
            "--parser" => ask.parser = Some(words.next()?.clone()),
            "--keep" => ask.keep = Some(words.next()?.into()),
            "--judge" => ask.judge = true,
            // Cargo passes these to every test.
            "--quiet" | "-q" | "--nocapture" => {}
            _ => return None,
        }
    }
    Some(ask)
}
