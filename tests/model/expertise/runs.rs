//! The configurations, small enough to visit completely and large enough to hold every mistake.

use super::{Broken, Call, Mode};
use crate::check::{caught, holds};

const SEQUENCE_3: Call = Call { candidates: 3, mode: Mode::Sequence, respond_within: 1, deadline: 3, broken: Broken::Not };
const SEQUENCE_4: Call = Call { candidates: 4, deadline: 4, ..SEQUENCE_3 };
const FAN_OUT_3: Call = Call { mode: Mode::FanOut, ..SEQUENCE_3 };
const FAN_OUT_4: Call = Call { candidates: 4, ..FAN_OUT_3 };

const IN_SEQUENCE: &[&str] = &["S1", "S2", "S3", "S4", "S5"];
const AT_ONCE: &[&str] = &["S1", "S3", "S4", "S5"];

#[test]
fn expertise_holds_for_three_candidates_one_after_the_other() {
    holds("expertise, sequence of 3", SEQUENCE_3, IN_SEQUENCE);
}

#[test]
fn expertise_holds_for_three_candidates_at_once() {
    holds("expertise, fan-out to 3", FAN_OUT_3, AT_ONCE);
}

#[test]
#[ignore = "long: all configurations together, more than a million states"]
fn expertise_holds_in_every_configuration() {
    let runs = [
        ("expertise, sequence of 3", SEQUENCE_3, IN_SEQUENCE),
        ("expertise, fan-out to 3", FAN_OUT_3, AT_ONCE),
        ("expertise, sequence of 4", SEQUENCE_4, IN_SEQUENCE),
        ("expertise, fan-out to 4", FAN_OUT_4, AT_ONCE),
    ];

    let states: usize = runs.into_iter().map(|(name, call, reachable)| holds(name, call, reachable).states).sum();

    println!("expertise: {states} states together");
    assert!(states > 1_000_000, "only {states} states");
}

macro_rules! broken_variants {
    ($($test:ident: $broken:ident, caught by $expected:literal;)*) => {$(
        #[test]
        fn $test() {
            let call = Call { broken: Broken::$broken, ..SEQUENCE_3 };

            caught(concat!("expertise, broken: ", stringify!($broken)), call, $expected);
        }
    )*};
}

broken_variants! {
    a_candidate_that_leaves_on_its_own_yes_is_caught: BidIsFinal, caught by "P1";
    a_requester_that_confirms_every_yes_is_caught: ConfirmEveryBid, caught by "P2";
    a_requester_that_forgets_its_timers_is_caught: NoTimerAfterRestart, caught by "P4";
    a_requester_that_releases_nobody_is_caught: NoReleaseMsg, caught by "P5";
    a_client_that_relies_on_the_server_alone_is_caught: NoClientWatchdog, caught by "P3";
}
