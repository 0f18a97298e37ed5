//! The configurations, small enough to visit completely and large enough to hold every mistake.

use super::{Broken, Chain};
use crate::check::{caught, holds};

const BASE: Chain =
    Chain { orgs: 2, handovers: 2, offers_per_lead: 2, pledges_may_be_released: false, forces: 0, may_close: false, broken: Broken::Not };

const A: Chain = Chain { offers_per_lead: 3, pledges_may_be_released: true, ..BASE };
const B: Chain = Chain { orgs: 3, ..BASE };
const C: Chain = Chain { orgs: 3, pledges_may_be_released: true, ..BASE };
const D: Chain = Chain { orgs: 3, handovers: 4, offers_per_lead: 1, pledges_may_be_released: true, ..BASE };
const E: Chain = Chain { handovers: 4, offers_per_lead: 1, forces: 2, ..BASE };
const F: Chain = Chain { orgs: 3, handovers: 3, offers_per_lead: 1, forces: 2, ..BASE };

const HANDED_OVER: &[&str] = &["S1", "S2", "S3"];
const CONTESTED: &[&str] = &["S1", "S4", "S5"];

#[test]
fn custody_holds_with_three_organisations_and_two_offers_each() {
    holds("custody B", B, HANDED_OVER);
}

#[test]
fn custody_holds_for_a_case_that_goes_there_and_back() {
    holds("custody D", D, HANDED_OVER);
}

#[test]
fn custody_holds_when_the_lead_may_close_the_case() {
    holds("custody D, closing", Chain { may_close: true, ..D }, &["S1", "S2", "S3", "S6"]);
}

#[test]
fn custody_holds_through_two_forced_reclaims_between_two_organisations() {
    holds("custody E", E, CONTESTED);
}

#[test]
#[ignore = "long: all configurations together, more than a million states"]
fn custody_holds_in_every_configuration() {
    let runs: [(_, _, &[_]); 6] = [
        ("custody A", A, HANDED_OVER),
        ("custody B", B, HANDED_OVER),
        ("custody C", C, HANDED_OVER),
        ("custody D", D, HANDED_OVER),
        ("custody E", E, CONTESTED),
        ("custody F", F, CONTESTED),
    ];

    let states: usize = runs.into_iter().map(|(name, chain, reachable)| holds(name, chain, reachable).states).sum();

    println!("custody: {states} states together");
    assert!(states > 1_000_000, "only {states} states");
}

macro_rules! broken_variants {
    ($($test:ident: $broken:ident in $chain:expr, caught by $expected:expr;)*) => {$(
        #[test]
        fn $test() {
            let chain = Chain { broken: Broken::$broken, ..$chain };

            caught(concat!("custody, broken: ", stringify!($broken)), chain, $expected);
        }
    )*};
}

broken_variants! {
    a_lead_that_begins_at_accept_is_caught: LeadAtAccept in BASE, caught by "P2";
    a_withdrawal_after_the_transfer_is_caught: WithdrawAfterTransfer in BASE, caught by "P2";
    a_sender_that_lets_go_at_the_transfer_is_caught: ReleaseAtTransfer in BASE, caught by "P1";
    an_old_transfer_that_makes_a_lead_again_is_caught: NoEpochCheck in BASE, caught by "P2";
    a_pledge_that_is_silently_forgotten_is_caught: SilentPledgeTimeout in BASE, caught by "P7";
    a_receipt_before_the_commit_is_caught: ReceiptBeforeCommit in BASE, caught by "P1";
    a_withdrawal_without_tombstone_is_caught: NoWithdrawTombstone in BASE, caught by "P5";
    a_reclaim_without_fence_is_caught: ForceNoFence in Chain { forces: 1, offers_per_lead: 1, ..BASE }, caught by "P3";
    a_term_without_its_owner_is_caught: TermWithoutOwner in F, caught by "P3";
}
