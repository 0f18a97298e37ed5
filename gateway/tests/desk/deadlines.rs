//! Whenever a gateway is stopped around a deadline, people are told at its next start, before any door is open, what they would have been
//! told had it gone on: all of it, once.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use schakel::desk::Verdict;
use schakel::store::memory::Fault;
use schakel_domain::id::OrgId;

use super::kit::*;

const HELP: &str = "ambulante-spoedhulp";
/// Seconds before and after the deadline at which the gateway is stopped: with seven deadlines a thousand and eight stops.
const AROUND: i64 = 71;
/// How long it is down, in seconds: it is back before the deadline or after, soon or the next morning.
const DOWN: [i64; 4] = [0, 1, 60, 8 * 3_600];
/// Longest until people are told after a restart, all of it before the doors open; judged in the long programme (`FAULTS_LONG`).
const SOON: Duration = Duration::from_secs(1);

/// A gateway with something that has a deadline, and what is told when that passes.
struct Scene {
    region: Region,
    at: &'static str,
    told: &'static [&'static str],
}

impl Scene {
    fn gateway(&self) -> &Gateway {
        self.region.at(self.at)
    }

    async fn deadline(&self) -> Timestamp {
        self.gateway().desk.next_due().await.unwrap().expect("something has a deadline")
    }

    /// What a gateway tells that was never stopped.
    async fn uninterrupted(&self, deadline: Timestamp) -> Vec<String> {
        let copy = self.copy();
        let before = copy.events().await.len();
        copy.clock.set(deadline);
        copy.desk.tick().await.unwrap();
        copy.events().await.split_off(before)
    }

    fn copy(&self) -> Gateway {
        let gateway = self.gateway();
        gateway.forked((*gateway.agreements.held()).clone())
    }
}

async fn offered() -> (Region, schakel_domain::id::OfferId) {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    (region, offer)
}

async fn asked() -> (Region, schakel_domain::id::ConsultationId) {
    let region = Region::new(&[SEZ, PRO_PERSONA, GGNET, GGZ_CENTRAAL]);
    let case = region.at(SEZ).open(dossier()).await.id;
    let id = region.at(SEZ).ask(question(case)).await.unwrap().id;
    region.settle_well().await;
    (region, id)
}

/// Everything that has a deadline, at whoever must be told.
async fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for at in [SEZ, PACTUM] {
        let (region, _) = offered().await;
        scenes.push(Scene { region, at, told: &["handover.overdue"] });
    }
    let (region, offer) = offered().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    let accepted = region.waiting().await.remove(0);
    assert_eq!(region.carry(&accepted).await, Verdict::Accepted);
    scenes.push(Scene { region, at: SEZ, told: &["handover.unconfirmed"] });
    let (region, offer) = offered().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    scenes.push(Scene { region, at: PACTUM, told: &["handover.unconfirmed"] });
    let (region, _) = asked().await;
    scenes.push(Scene { region, at: SEZ, told: &["consultation.silent"] });
    let (region, id) = asked().await;
    region.at(PRO_PERSONA).bid(id).await.unwrap();
    scenes.push(Scene { region, at: PRO_PERSONA, told: &["consultation.unconfirmed"] });
    let (region, id) = asked().await;
    for silent in [PRO_PERSONA, GGNET] {
        region.at(silent).decline_question(id, schakel_domain::custody::DeclineCode::NoCapacity).await.unwrap();
        region.settle_well().await;
    }
    scenes.push(Scene { region, at: SEZ, told: &["consultation.escalated"] });
    scenes
}

/// Stopped at a moment, down for a while, started again: what is told in all, and how soon after the start.
async fn stopped_at(scene: &Scene, deadline: Timestamp, moment: i64, down: i64) -> (Vec<String>, Duration) {
    let mut gateway = scene.copy();
    let before = gateway.events().await.len();
    gateway.clock.set(deadline + SignedDuration::from_secs(moment));
    // On the second itself it is stopped right before its clock looks.
    if moment > 0 {
        gateway.desk.tick().await.unwrap();
    }

    gateway.clock.pass(SignedDuration::from_secs(down));
    let started = Instant::now();
    gateway.restart().await;
    gateway.desk.started().await.unwrap();
    gateway.desk.tick().await.unwrap();
    if moment + down < 0 {
        let told = gateway.events().await.split_off(before);
        assert_eq!(told, Vec::<String>::new(), "{}: told {} s early", scene.at, -(moment + down));
        assert_eq!(gateway.desk.next_due().await.unwrap(), Some(deadline), "its clock wakes on the second");
        gateway.clock.set(deadline);
        gateway.desk.tick().await.unwrap();
    }
    let soon = started.elapsed();
    let told = gateway.events().await.split_off(before);
    // And a start after that finds nothing more to tell.
    gateway.restart().await;
    gateway.desk.tick().await.unwrap();
    assert_eq!(gateway.events().await.split_off(before), told, "told twice");
    (told, soon)
}

#[tokio::test]
async fn whatever_second_a_gateway_is_stopped_at_people_are_told_at_its_start_what_an_uninterrupted_one_tells() {
    let (mut stops, mut slowest) = (0, Duration::ZERO);
    for scene in scenes().await {
        let deadline = scene.deadline().await;
        let expected = scene.uninterrupted(deadline).await;
        assert!(scene.told.iter().all(|kind| expected.iter().any(|told| told == kind)), "{}: {expected:?}", scene.at);

        for moment in -AROUND..=AROUND {
            // An alarm that is repeated after minutes is another alarm: the long absence is for the others.
            let down = DOWN[stops % DOWN.len()];
            let down = if scene.told == ["handover.unconfirmed"] { down.min(60) } else { down };
            let (told, soon) = stopped_at(&scene, deadline, moment, down).await;

            let kinds = told[..expected.len().min(told.len())].to_vec();
            assert_eq!(kinds, expected, "{} stopped at {moment} s, down for {down} s: {told:?}", scene.at);
            let of_this = |events: &[String]| events.iter().filter(|kind| scene.told.contains(&kind.as_str())).count();
            assert_eq!(of_this(&told[..expected.len()]), of_this(&expected));
            stops += 1;
            slowest = slowest.max(soon);
        }
    }
    println!("{stops} of {stops} told, the slowest {slowest:?} after its start");
    assert!(std::env::var_os("FAULTS_LONG").is_none() || slowest <= SOON, "{slowest:?}");
}

#[tokio::test]
async fn an_alarm_whose_commit_was_lost_with_the_gateway_is_raised_at_its_start() {
    for scene in scenes().await {
        let deadline = scene.deadline().await;
        let expected = scene.uninterrupted(deadline).await;
        for fault in [Fault::Lost, Fault::Unanswered, Fault::Full] {
            let mut gateway = scene.copy();
            let before = gateway.events().await.len();
            gateway.clock.set(deadline);
            gateway.memory.as_ref().unwrap().fail_next(fault);
            let fired = gateway.desk.tick().await;
            assert!(fired.is_err(), "{}: {fault:?}", scene.at);

            gateway.restart().await;
            gateway.desk.tick().await.unwrap();

            assert_eq!(gateway.events().await.split_off(before), expected, "{}: {fault:?}", scene.at);
        }
    }
}

/// The next one is asked by the gateway that was down, as if it had not been.
#[tokio::test]
async fn a_question_that_nobody_answered_while_the_asker_was_down_goes_on_to_the_next_at_its_start() {
    let (mut region, id) = asked().await;
    let deadline = region.at(SEZ).desk.next_due().await.unwrap().unwrap();

    region.clock.set(deadline + SignedDuration::from_secs(1));
    region.at_mut(SEZ).restart().await;
    region.at(SEZ).desk.tick().await.unwrap();
    region.settle_well().await;

    let asked: OrgId = org(GGNET);
    assert!(region.at(GGNET).events().await.contains(&"consultation.received".to_owned()), "{asked} is asked");
    assert_eq!(region.at(SEZ).consultation(id).await.id, id);
}
