//! Every message of a night repeated nought to five times, and each copy delayed by nought to five rounds, so that copies of different
//! messages overtake each other: each effect once, the rules of custody at every step, and the history holds.
//!
//! What the courier promises the network here breaks: nothing arrives in order, answers are lost, and what is still in the outbox is sent
//! again. Forty nights by default; `FAULTS_LONG` makes them ten thousand.

use std::collections::BTreeMap;

use schakel::desk::Verdict;
use schakel_domain::id::OrgId;

use super::judged::Order;
use super::kit::*;
use super::schedules::{NIGHT, Night, Watch, fine};

/// Copies of a message beside the first, and rounds that a copy is late.
const MOST: usize = 6;
/// Rounds within which a night is over; beyond them it hangs.
const ROUNDS: usize = 400;

fn nights() -> u64 {
    if std::env::var_os("FAULTS_LONG").is_some() { 10_000 } else { 40 }
}

/// A copy on its way: the round in which it arrives, and whether the sender hears the answer.
struct Copy {
    round: usize,
    answered: bool,
    letter: Letter,
}

/// The post of one night.
struct Post {
    dice: Dice,
    under_way: Vec<Copy>,
    brought: BTreeMap<(OrgId, OrgId, u64), usize>,
    /// How often the receiver had to say that something else comes first.
    early: usize,
}

impl Post {
    /// What waits and has no copy under way is sent, as often and as late as the dice say; sometimes not at all.
    async fn send(&mut self, region: &Region, round: usize) {
        for letter in region.waiting().await {
            let same = |copy: &Copy| (&copy.letter.from, &copy.letter.to, copy.letter.number) == (&letter.from, &letter.to, letter.number);
            if self.under_way.iter().any(same) {
                continue;
            }
            let copies = self.dice.below(MOST + 1);
            for copy in 0..copies {
                // Of the last copy the answer gets through more often than not: else no night would end.
                let answered = self.dice.chance(if copy + 1 == copies { 70 } else { 10 });
                self.under_way.push(Copy { round: round + self.dice.below(MOST), answered, letter: letter.clone() });
            }
        }
    }

    /// Brings what is due, in any order.
    async fn bring(&mut self, region: &Region, round: usize, order: &mut Order) {
        let (mut due, later) = std::mem::take(&mut self.under_way).into_iter().partition::<Vec<_>, _>(|copy| copy.round <= round);
        self.under_way = later;
        while !due.is_empty() {
            let Copy { answered, letter, .. } = due.swap_remove(self.dice.below(due.len()));
            let verdict = region.bring(&letter).await;
            fine(&verdict, &letter);
            self.early += usize::from(matches!(verdict, Verdict::Later(_)));
            *self.brought.entry((letter.from.clone(), letter.to.clone(), letter.number)).or_default() += 1;
            order.look(region).await;
            if answered {
                region.report(&letter, &verdict).await;
                order.look(region).await;
            }
        }
    }
}

/// What a night was made of.
struct Told {
    end: String,
    copies: usize,
    messages: usize,
    early: usize,
}

async fn night(seed: u64) -> Told {
    let region = Region::new(&NIGHT);
    let (mut order, mut watch) = (Order::default(), Watch::default());
    let mut post = Post { dice: Dice::new(seed), under_way: Vec::new(), brought: BTreeMap::new(), early: 0 };
    let night = Night::begin(&region).await;
    order.look(&region).await;
    let mut over = None;
    for round in 0..ROUNDS {
        let done = night.people(&region, &mut post.dice).await;
        order.look(&region).await;
        post.send(&region, round).await;
        post.bring(&region, round, &mut order).await;
        if round % 4 == 0 {
            watch.look(&region, night.case, false).await;
        }
        if done && post.under_way.is_empty() && region.waiting().await.is_empty() {
            over = Some(round);
            break;
        }
    }
    assert!(over.is_some(), "seed {seed}: the night does not end");
    watch.rest(&region, night.case, false).await;
    order.judge(&region, &format!("seed {seed}")).await;
    Told { end: night.end(&region).await, copies: post.brought.values().sum(), messages: post.brought.len(), early: post.early }
}

#[tokio::test]
async fn every_message_repeated_and_late_up_to_five_times_has_one_effect_and_the_history_holds() {
    let quiet = Region::new(&NIGHT);
    let alone = Night::begin(&quiet).await;
    let mut dice = Dice::new(7);
    while !alone.people(&quiet, &mut dice).await {
        quiet.settle_well().await;
    }
    quiet.settle_well().await;
    let expected = alone.end(&quiet).await;

    let (mut copies, mut messages, mut early) = (0, 0, 0);
    for seed in 0..nights() {
        let told = night(seed).await;
        assert_eq!(told.end, expected, "seed {seed}");
        (copies, messages, early) = (copies + told.copies, messages + told.messages, early + told.early);
    }
    println!("{} nights, {messages} messages brought {copies} times, {early} times too early", nights());
    // Else the network here was a good one, and nothing was shown.
    assert!(copies > 2 * messages && early > 0);
}
