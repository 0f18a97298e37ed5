//! T5: whole gateways in a deterministic simulation, seed by seed, each seed in a process of its own.
//!
//! Four organisations of the Gelderland covenant: federation door, desk, courier, ledger and agreements as they ship, over HTTP/2 with the
//! real messages and signatures, on simulated hosts and lines (turmoil) and disks. Time and chance follow from the seed. TLS is not part of
//! it: who is at the other end of a line is given (`net`), and TLS has tests of its own. Hosts crash and start again, lines are cut, held
//! and slow, clocks are wrong, and at every step of outbox, inbox, timers and commands a pair of faults may strike (`disk`). People act, ask
//! again under the same key or give up (`people`). Afterwards the checker that the demo and the kill tests use judges what is stored, what
//! clients were told, and custody at every instant.
//!
//!     cargo test -p schakel --test simulation -- --seeds 0..500            every seed in a process of its own
//!     cargo test -p schakel --test simulation -- --seed 17 --aloud         one seed, every step on standard error
//!     cargo test -p schakel --test simulation -- --planted 2000            finds each planted fault within so many seeds
//!     cargo test -p schakel --test simulation -- --again 0..20             each seed twice: the same trace
//!
//! In reading order: `run` is one run; `world` the region; `gateway` one host; `net`, `disk` and `weather` what they stand on and what goes
//! wrong; `people` and `acts` the clients; `record` and `trace` what is kept; `bug` the planted faults; `fleet` runs many.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod acts;
mod bug;
mod dice;
mod disk;
mod fleet;
mod gateway;
mod net;
mod people;
mod record;
mod rest;
mod run;
mod trace;
mod weather;
mod world;

use std::ops::Range;
use std::process::ExitCode;

use bug::Bug;

/// Seeds of a run without arguments: a taste, as when all tests of the workspace run.
const TASTE: Range<u64> = 0..25;

/// What is asked on the command line.
enum Ask {
    One { seed: u64, bug: Option<Bug>, aloud: bool },
    Many(Range<u64>, Option<Bug>),
    Again(Range<u64>),
    Planted(u64),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(ask) = read(&words) else {
        eprintln!("usage: [--seeds A..B | --seed N [--aloud] | --again A..B | --planted N] [--bug NAME]");
        eprintln!("bugs: {}", Bug::ALL.map(Bug::name).join(", "));
        return ExitCode::from(2);
    };
    let failed = match ask {
        Ask::One { seed, bug, aloud } => fleet::one(seed, bug, aloud),
        Ask::Many(seeds, bug) => fleet::many(seeds, bug),
        Ask::Again(seeds) => fleet::again(seeds),
        Ask::Planted(most) => fleet::planted(most),
    };
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

fn read(words: &[String]) -> Option<Ask> {
    let (mut ask, mut bug, mut aloud) = (Ask::Many(TASTE, None), None, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seed" => ask = Ask::One { seed: words.next()?.parse().ok()?, bug: None, aloud: false },
            "--seeds" => ask = Ask::Many(range(words.next()?)?, None),
            "--again" => ask = Ask::Again(range(words.next()?)?),
            "--planted" => ask = Ask::Planted(words.next()?.parse().ok()?),
            "--bug" => bug = Some(Bug::named(words.next()?)?),
            "--aloud" => aloud = true,
            // Cargo passes these to every test.
            "--quiet" | "-q" | "--nocapture" => {}
            _ => return None,
        }
    }
    Some(match ask {
        Ask::One { seed, .. } => Ask::One { seed, bug, aloud },
        Ask::Many(seeds, _) => Ask::Many(seeds, bug),
        other => other,
    })
}

fn range(word: &str) -> Option<Range<u64>> {
    let (from, to) = word.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}
