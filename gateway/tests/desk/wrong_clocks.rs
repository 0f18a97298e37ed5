//! Every gateway has a clock of its own, and each is wrong: by ten minutes, an hour, a year, backwards, and again at every moment. Who leads
//! and who is responsible never depends on it. What may be refused meanwhile is something new, for a covenant or a party record that is not
//! in force by that clock; what is under way goes its way.

use jiff::{SignedDuration, Timestamp};
use schakel::desk::Verdict;
use schakel_domain::custody::{Answer, DeclineCode, Role};
use schakel_domain::id::CaseId;
use schakel_domain::refusal::{Reason, Refusal};
use schakel_domain::view::{HandoverState, Standing};

use super::judged::Order;
use super::kit::*;
use super::schedules::Watch;

const HELP: &str = "ambulante-spoedhulp";
const ORGS: [&str; 3] = [SEZ, PRO_PERSONA, PACTUM];
/// How far a clock is off, in minutes.
const OFF: [i64; 7] = [0, 10, -10, 60, -60, 365 * 24 * 60, -365 * 24 * 60];
/// A year, as [`OFF`] has it.
const YEAR: i64 = 365 * 24 * 60;

fn nights() -> u64 {
    if std::env::var_os("FAULTS_LONG").is_some() { 1_000 } else { 60 }
}

/// What a clock a year off makes of something new. Of a return that names a clause it does not know yet it says that another gives it: that by
/// which the case came.
const OUT_OF_TIME: [Reason; 5] =
    [Reason::PartyRecordExpired, Reason::CovenantDenied, Reason::CovenantOutdated, Reason::CovenantMissing, Reason::ClauseMismatch];

/// Done, or refused as something new that a wrong clock puts out of time.
fn done(outcome: Result<impl Sized, Refusal>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(refusal) => {
            assert!(OUT_OF_TIME.contains(&refusal.reason), "{refusal:?}");
            false
        }
    }
}

struct Scene {
    region: Region,
    dice: Dice,
    order: Order,
    case: CaseId,
    truth: Timestamp,
    /// How often a clock was moved, and how often something new was refused for it.
    moved: usize,
    refused: usize,
}

impl Scene {
    async fn new(seed: u64) -> Self {
        let region = Region::apart(&ORGS);
        let case = region.at(SEZ).open(dossier()).await.id;
        let truth = region.clock.now();
        let mut order = Order::default();
        order.look(&region).await;
        Self { region, dice: Dice::new(seed), order, case, truth, moved: 0, refused: 0 }
    }

    /// One clock jumps, whatever it said before; the timers that are then due fire.
    async fn jump(&mut self) {
        self.truth += SignedDuration::from_secs(1);
        let at = self.region.at(ORGS[self.dice.below(ORGS.len())]);
        at.clock.set(self.truth + minutes(OFF[self.dice.below(OFF.len())]));
        at.desk.tick().await.unwrap();
        self.moved += 1;
        self.order.look(&self.region).await;
    }

    /// Somebody does what is theirs to do.
    async fn people(&mut self) {
        let at = ORGS[self.dice.below(ORGS.len())];
        let gateway = self.region.at(at);
        let Some(record) = gateway.record(self.case).await else { return };
        match &record.custody.role {
            Role::Lead { .. } if self.dice.chance(50) => {
                let (to, service) = match at {
                    SEZ => (PACTUM, HELP),
                    PACTUM => (SEZ, "regie"),
                    _ => (SEZ, "crisisinterventie"),
                };
                self.refused += usize::from(!done(gateway.offer(self.case, to, service).await));
            }
            Role::Offering { offer, .. } if self.dice.chance(8) => drop(gateway.withdraw(*offer).await.unwrap()),
            _ => {}
        }
        for (offer, row) in &gateway.record(self.case).await.unwrap().custody.inbound {
            match row.answer {
                Answer::Received { .. } if self.dice.chance(40) => drop(gateway.accept(*offer).await.unwrap()),
                Answer::Received { .. } if self.dice.chance(15) => {
                    drop(gateway.decline(*offer, DeclineCode::NoCapacity).await.unwrap());
                }
                _ => {}
            }
        }
        self.order.look(&self.region).await;
    }

    /// One message is brought, perhaps twice, perhaps without an answer. Only a new offer may be refused.
    async fn post(&mut self) {
        let waiting = self.region.waiting().await;
        if waiting.is_empty() {
            return;
        }
        let letter = &waiting[self.dice.below(waiting.len())];
        for _ in 0..=self.dice.below(2) {
            let verdict = self.region.bring(letter).await;
            self.order.look(&self.region).await;
            self.judge(letter, &verdict);
            if self.dice.chance(70) {
                self.region.report(letter, &verdict).await;
                self.order.look(&self.region).await;
            }
        }
    }

    fn judge(&mut self, letter: &Letter, verdict: &Verdict) {
        if let Verdict::Refused(refusal) = verdict {
            assert_eq!(letter.kind(), "propose-handover", "only something new is refused: {refusal:?}");
            assert!(OUT_OF_TIME.contains(&refusal.reason), "{refusal:?}");
            self.refused += 1;
        }
    }
}

/// One night; how often a clock jumped, and how often something new was refused.
async fn night(seed: u64) -> (usize, usize) {
    let mut scene = Scene::new(seed).await;
    let mut watch = Watch::default();
    for _ in 0..80 {
        scene.jump().await;
        scene.people().await;
        scene.post().await;
        watch.look(&scene.region, scene.case, false).await;
        scene.order.look(&scene.region).await;
    }

    for gateway in scene.region.all() {
        gateway.clock.set(scene.truth);
    }
    loop {
        let waiting = scene.region.waiting().await;
        let Some(letter) = waiting.first() else { break };
        let verdict = scene.region.carry(letter).await;
        assert!(!matches!(verdict, Verdict::Later(_)), "in order nothing is early: {verdict:?}");
        scene.judge(letter, &verdict);
        scene.order.look(&scene.region).await;
    }
    watch.rest(&scene.region, scene.case, false).await;
    // A refused offer is parked, on purpose; everything else must hold.
    if scene.refused == 0 {
        scene.order.judge(&scene.region, &format!("seed {seed}")).await;
    }
    (scene.moved, scene.refused)
}

#[tokio::test]
async fn clocks_that_jump_by_minutes_hours_and_years_at_every_moment_never_touch_who_leads_or_is_responsible() {
    let (mut moved, mut refused, mut whole) = (0, 0, 0);
    for seed in 0..nights() {
        let (jumps, refusals) = night(seed).await;
        (moved, refused, whole) = (moved + jumps, refused + refusals, whole + u64::from(refusals == 0));
    }
    println!("{} nights, {moved} jumps, {refused} times something new was refused as out of time, {whole} nights without", nights());
    assert!(refused > 0 && whole > 0, "clocks were a year off when something new was asked, and not every night");
}

/// An answer that is wanted by a moment, `respond_by`, is wanted by the clock of whoever waits. It is told once, early when the clock is
/// ahead, at the right moment when it was put back, and it decides nothing.
#[tokio::test]
async fn a_clock_that_is_ahead_alarms_early_and_once_and_one_that_is_put_back_loses_no_alarm() {
    for off in OFF {
        let region = Region::apart(&[SEZ, PACTUM]);
        let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
        let case = sez.open(dossier()).await.id;
        let offer = sez.offer(case, PACTUM, HELP).await.unwrap().id;
        region.settle_well().await;
        let truth = region.clock.now();
        let due = sez.desk.next_due().await.unwrap().unwrap();
        let overdue = async |gateway: &Gateway| gateway.events().await.iter().filter(|kind| *kind == "handover.overdue").count();

        sez.clock.set(truth + minutes(off));
        sez.desk.tick().await.unwrap();
        assert_eq!(overdue(sez).await, usize::from(truth + minutes(off) >= due), "{off} minutes");
        // Strobed, and then right.
        for again in [off, -off, off, 0] {
            sez.clock.set(truth + minutes(again));
            sez.desk.tick().await.unwrap();
        }
        assert_eq!(sez.handover(offer).await.state, HandoverState::Offered, "an alarm decides nothing");
        sez.clock.set(due);
        sez.desk.tick().await.unwrap();
        assert_eq!(overdue(sez).await, 1, "{off} minutes: once, and not lost");

        // Overdue is not over: the answer is as good as before.
        pactum.clock.set(truth + minutes(-off));
        pactum.accept(offer).await.unwrap();
        region.settle_well().await;
        assert_eq!((sez.case(case).await.standing, pactum.case(case).await.standing), (Standing::Outside, Standing::Lead));
    }
}

#[tokio::test]
async fn a_clock_a_year_off_refuses_something_new_with_the_reason_and_nothing_that_is_under_way() {
    for off in [YEAR, -YEAR] {
        let region = Region::apart(&[SEZ, PACTUM]);
        let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
        let (under_way, fresh) = (sez.open(dossier()).await.id, sez.open(dossier()).await.id);
        let offer = sez.offer(under_way, PACTUM, HELP).await.unwrap().id;
        region.settle_well().await;

        sez.clock.set(region.clock.now() + minutes(off));
        let refused = sez.offer(fresh, PACTUM, HELP).await.unwrap_err();
        pactum.accept(offer).await.unwrap();
        region.settle_well().await;

        assert!(OUT_OF_TIME.contains(&refused.reason), "{refused:?}");
        assert_eq!(pactum.case(under_way).await.standing, Standing::Lead, "accepted, transferred and received meanwhile");
        sez.clock.set(region.clock.now());
        assert!(sez.offer(fresh, PACTUM, HELP).await.is_ok());
    }
}
