//! Somebody with the database and the log's key: rewrites, rolls back, shows two views. Every peer and the offline verifier refuse.

use std::sync::Arc;

use schakel::store::memory::{self, Fault};
use schakel::store::{Kind, Store};
use schakel::witness::{Witness, held_id};
use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::note::{Note, Vkey};
use schakel_domain::audit::policy::Policy;
use schakel_domain::audit::verify::{Check, Report, Trust, verify};
use schakel_domain::audit::witness::AddCheckpoint;

use super::kit::*;

/// How often each attack is made.
const TIMES: u64 = 100;

/// A log, the two peers that witness it, and an auditor who has their keys from a trusted hand.
struct Scene {
    log: Log,
    peers: Vec<Witness>,
    shown: Arc<Shown>,
    policy: Policy,
}

impl Scene {
    fn new(size: u64) -> Self {
        let clock = Clock::new(at(10_000));
        let shown = Arc::new(Shown::default());
        let (me, others) = (org(1), [org(2), org(3)]);
        let keys: Vec<Vkey> = others.iter().map(|of| cosigner(of).vkey().clone()).collect();
        let policy = Policy::parse(Policy::text(log_key(&me).vkey(), &keys, 2).as_bytes()).unwrap();
        let peers = others.iter().map(|of| memory_witness(of, &clock, &shown)).collect();
        Self { log: Log::new(&me, size), peers, shown, policy }
    }

    /// Asks every peer: statuses, and the note with the cosignatures that were given.
    async fn submit(&self, log: &Log, old: u64) -> (Vec<u16>, String) {
        let (mut statuses, mut note) = (Vec::new(), log.note());
        let request = AddCheckpoint { old, proof: log.proof(old), note: note.clone().into_bytes() };
        for peer in &self.peers {
            let answer = peer.add(&log.of, &request.to_bytes()).await.unwrap();
            statuses.push(answer.status);
            if answer.status == 200 {
                note.push_str(&answer.body);
            }
        }
        (statuses, note)
    }

    fn audit(&self, files: &Files) -> Report {
        let trust = Trust { log: Some(log_key(&self.log.of).vkey().clone()), policy: Some(self.policy.clone()), ..Trust::default() };
        verify(&mut |path: &str, at_most: usize| Ok(files.get(path).map(|bytes| bytes[..bytes.len().min(at_most)].to_vec())), &trust)
            .unwrap()
    }

    /// The thief's log is refused by both peers and by the auditor, also with the honest cosignatures pasted under it.
    async fn refused(&self, forged: &Log, old: u64, honest: &str, expected: u16) {
        let (statuses, note) = self.submit(forged, old).await;
        assert_eq!(statuses, [expected; 2]);
        let (_, pasted) = honest.split_once("\n\n").unwrap();
        let pasted: String = pasted.lines().skip(1).map(|line| format!("{line}\n")).collect();
        for checkpoint in [note.clone(), format!("{note}{pasted}")] {
            let report = self.audit(&forged.export(&checkpoint));
            assert_eq!(report.finding.map(|finding| finding.check), Some(Check::Cosigned));
        }
        let mut with_older = forged.export(&note);
        with_older.insert("cosigned".to_owned(), honest.as_bytes().to_vec());
        let report = self.audit(&with_older);
        let shorter = (forged.entries.len() as u64) < Checkpoint::parse(&Note::parse(honest.as_bytes()).unwrap().text).unwrap().size;
        assert_eq!(report.finding.map(|finding| finding.check), Some(Check::Cosigned), "shorter: {shorter}");
    }

    /// Both heads are kept, both signed by the log, and they cannot both be true.
    fn evident(&self, given: &Log) {
        let shown = self.shown.0.lock().unwrap();
        assert_eq!(shown.len(), 2, "one of each peer");
        for evidence in shown.iter() {
            let open = |note: &str| Checkpoint::open(note.as_bytes(), log_key(&self.log.of).vkey()).unwrap();
            assert_eq!((open(&evidence.held), open(&evidence.given)), (self.log.head(), given.head()));
        }
    }
}

#[tokio::test]
async fn a_rewritten_history_is_refused_a_hundred_times_with_both_heads_as_evidence() {
    let mut random = Random(41);
    for _ in 0..TIMES {
        let scene = Scene::new(2 + random.below(40));
        let size = scene.log.entries.len() as u64;
        let (statuses, honest) = scene.submit(&scene.log, 0).await;
        assert_eq!((statuses, scene.audit(&scene.log.export(&honest)).cosigned), (vec![200; 2], Some(size)));

        let mut forged = scene.log.clone();
        let place = usize::try_from(random.below(size)).unwrap();
        forged.entries[place] = entry(&forged.of, 1_000_000 + random.below(1_000)).bytes().unwrap();
        forged.grow(random.below(5), 0);

        scene.refused(&forged, size, &honest, 422).await;
        scene.evident(&forged);
    }
}

#[tokio::test]
async fn a_rolled_back_log_is_refused_a_hundred_times_and_so_is_what_grows_from_it() {
    let mut random = Random(42);
    for _ in 0..TIMES {
        let scene = Scene::new(2 + random.below(40));
        let size = scene.log.entries.len() as u64;
        let (_, honest) = scene.submit(&scene.log, 0).await;

        let mut forged = scene.log.clone();
        forged.entries.truncate(usize::try_from(1 + random.below(size - 1)).unwrap());
        let cut = forged.entries.len() as u64;
        scene.refused(&forged, cut, &honest, 409).await;
        forged.grow(size - cut + random.below(4), 500_000);

        scene.refused(&forged, size, &honest, 422).await;
        scene.evident(&forged);
    }
}

#[tokio::test]
async fn a_second_view_is_refused_a_hundred_times_by_the_peers_and_by_whoever_was_shown_it() {
    let mut random = Random(43);
    for _ in 0..TIMES {
        let mut scene = Scene::new(1 + random.below(40));
        let shared = scene.log.entries.len() as u64;
        scene.submit(&scene.log, 0).await;
        let mut second = scene.log.clone();
        let more = 1 + random.below(5);
        scene.log.grow(more, 0);
        second.grow(more, 700_000);
        let (statuses, honest) = scene.submit(&scene.log, shared).await;
        assert_eq!(statuses, [200; 2]);

        scene.refused(&second, shared + more, &honest, 422).await;
        scene.refused(&second, shared, &honest, 409).await;
        scene.evident(&second);
    }
}

#[tokio::test]
async fn a_head_is_kept_before_it_is_cosigned_and_without_keeping_there_is_no_cosignature() {
    let (clock, shown) = (Clock::new(at(0)), Arc::new(Shown::default()));
    let store = memory::new();
    let peer = witness(&org(2), store.clone(), &clock, &shown);
    let log = Log::new(&org(1), 3);
    let request = AddCheckpoint { old: 0, proof: Vec::new(), note: log.note().into_bytes() }.to_bytes();

    store.fail_next(Fault::Lost);
    assert!(peer.add(&log.of, &request).await.is_err());
    assert_eq!(store.record(Kind::Gateway, &held_id(&log.of)).await.unwrap(), None);

    let answer = peer.add(&log.of, &request).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(store.record(Kind::Gateway, &held_id(&log.of)).await.unwrap().unwrap().version, 1);
    assert_eq!(store.log_size().await.unwrap(), 0, "cosigning writes no entry");

    // A witness that starts again knows what it cosigned; the same head again changes nothing.
    let again = witness(&org(2), store.restarted(), &clock, &shown);
    let same = AddCheckpoint { old: 3, proof: Vec::new(), note: log.note().into_bytes() }.to_bytes();
    assert_eq!(again.add(&log.of, &same).await.unwrap().status, 200);
    assert_eq!(again.add(&log.of, &request).await.unwrap(), schakel::witness::Answer { status: 409, body: "3\n".to_owned() });
    assert_eq!(again.add(&org(3), &same).await.unwrap().status, 404, "the head of another's log");
}

#[tokio::test]
async fn of_two_heads_at_the_same_moment_one_is_cosigned_and_the_other_asked_to_look_again() {
    let (clock, shown) = (Clock::new(at(0)), Arc::new(Shown::default()));
    let peer = memory_witness(&org(2), &clock, &shown);
    let (mut small, mut large) = (Log::new(&org(1), 4), Log::new(&org(1), 4));
    peer.add(&small.of, &AddCheckpoint { old: 0, proof: Vec::new(), note: small.note().into_bytes() }.to_bytes()).await.unwrap();
    small.grow(1, 0);
    large.grow(2, 0);

    let ask = |log: &Log| AddCheckpoint { old: 4, proof: log.proof(4), note: log.note().into_bytes() }.to_bytes();
    let (one, two) = (ask(&small), ask(&large));
    let (one, two) = tokio::join!(peer.add(&small.of, &one), peer.add(&large.of, &two));

    let mut statuses = [one.unwrap().status, two.unwrap().status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}
