//! Certificates change under load: leaf after leaf at both sides, other intermediates, another root with an overlap. No call fails.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use schakel::tls::{Admit, ClientTls, Expectation, Expected, Material, channel};
use schakel_certs::issue::{DevCa, Issued, Recipe};
use schakel_domain::id::Hash;

use super::kit::{Clock, Door, Folder, Settings, bound_to, ca, call, changed, expect, list, long, now, spki, us};

/// Leaf certificates, one after the other.
const LEAVES: usize = 60;
/// At these leaves another intermediate issues.
const OTHER_INTERMEDIATE: [usize; 2] = [20, 40];
/// At this leaf both sides trust a second root; at the next it issues.
const OVERLAP: usize = 30;
/// Calls that run at the same time.
const CALLERS: usize = 4;
/// A caller dials anew after this many calls, as sessions of the courier do.
const CALLS_PER_CHANNEL: usize = 50;
/// The keys bound in a party record: two at a time suffice a gateway; here callers lag a few leaves behind.
#[derive(Clone, Default)]
struct Bound(Arc<Mutex<VecDeque<Hash>>>);

impl Bound {
    fn add(&self, key: Hash) {
        self.0.lock().unwrap().push_back(key);
    }

    fn keys(&self) -> Vec<Hash> {
        self.0.lock().unwrap().iter().copied().collect()
    }
}

/// The calls so far.
#[derive(Default)]
struct Load {
    done: AtomicUsize,
    /// How often each caller made a connection.
    dialled: [AtomicUsize; CALLERS],
    stop: AtomicBool,
}

/// Both sides, and who issues for them now.
struct Rotation {
    roots: Vec<DevCa>,
    issuer: DevCa,
    /// Of every intermediate so far.
    issued_lists: Vec<String>,
    shown: [Option<Issued>; 2],
    /// The next ones, whose keys the other side knows already, as a party record names a key before it is used.
    next: [Option<Issued>; 2],
    folders: [Folder; 2],
    bound: [Bound; 2],
    trust: String,
}

impl Rotation {
    fn new() -> Self {
        let root = ca("root 1");
        let issuer = root.subordinate(&Recipe::ca("intermediate 1", 0, now())).unwrap();
        let (trust, issued_lists) = (root.pem(), vec![list(&issuer, &[])]);
        let folders = [Folder::new(), Folder::new()];
        let (shown, next) = ([None, None], [None, None]);
        let mut rotation = Self { roots: vec![root], issuer, issued_lists, shown, next, folders, bound: Default::default(), trust };
        rotation.announce();
        rotation
    }

    /// Makes the next leaf of both sides, and its key known.
    fn announce(&mut self) {
        for side in 0..2 {
            let issued = changed(&self.issuer, |_| ());
            self.bound[side].add(spki(&issued));
            self.next[side] = Some(issued);
        }
    }

    /// The next leaf of one side, in its files, read again.
    fn leaf(&mut self, side: usize) -> Material {
        self.shown[side] = self.next[side].take();
        self.files(side)
    }

    /// The files of one side as they are now, read again.
    fn files(&self, side: usize) -> Material {
        let roots = self.roots.iter().map(|root| list(root, &[]));
        let lists: Vec<_> = roots.chain(self.issued_lists.iter().cloned()).collect();
        self.folders[side].write(self.shown[side].as_ref().unwrap(), &self.trust, &lists)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_leaves_intermediates_and_the_root_are_replaced() {
    let total = if long() { 100_000 } else { 3_000 };
    let mut rotation = Rotation::new();
    let (server, client) = (rotation.leaf(0), rotation.leaf(1));
    rotation.announce();
    let bound = rotation.bound[1].clone();
    let admit: Admit = Arc::new(move |identity| bound_to(bound.keys())(identity));
    let door = Arc::new(Door::open(Settings { admit: Some(admit), ..Settings::of(server) }).await);
    let tls = ClientTls::new(client, Clock::standing()).unwrap();
    let load: Arc<Load> = Arc::default();
    let done = || load.done.load(Ordering::SeqCst);
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| tokio::spawn(calls(number, Arc::clone(&door), Arc::clone(&tls), rotation.bound[0].clone(), Arc::clone(&load))))
        .collect();

    for leaf in 1..=LEAVES {
        let so_many = total * leaf / (LEAVES + 1);
        expect("so many calls", async || done() >= so_many || callers.iter().any(|caller| caller.is_finished())).await;
        step(&mut rotation, leaf, &door, &tls);
    }
    // The old root goes when no connection is left that was made by it: every caller has dialled anew since.
    let dialled: Vec<_> = load.dialled.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    expect("new connections", async || dialled.iter().zip(&load.dialled).all(|(then, now)| now.load(Ordering::SeqCst) > *then)).await;
    rotation.trust = rotation.roots[1].pem();
    rotation.roots.remove(0);
    both(&rotation, &door, &tls);
    expect("every call", async || done() >= total || callers.iter().any(|caller| caller.is_finished())).await;
    load.stop.store(true, Ordering::SeqCst);

    let mut failed = Vec::new();
    for caller in callers {
        failed.extend(caller.await.unwrap());
    }
    let calls = done();
    println!(
        "{} failed of {calls} calls, {LEAVES} leaves at each side, 2 intermediates, 1 root: {} ms",
        failed.len(),
        started.elapsed().as_millis()
    );
    assert!(failed.is_empty(), "{} of {calls} calls failed, the first: {}", failed.len(), failed[0]);
}

/// One change of certificates at both sides.
fn step(rotation: &mut Rotation, leaf: usize, door: &Door, tls: &Arc<ClientTls>) {
    if leaf == OVERLAP {
        rotation.roots.push(ca("root 2"));
        rotation.trust = rotation.roots.iter().map(DevCa::pem).collect();
        both(rotation, door, tls);
    }
    if leaf == OVERLAP + 1 || OTHER_INTERMEDIATE.contains(&leaf) {
        let name = format!("intermediate at {leaf}");
        rotation.issuer = rotation.roots.last().unwrap().subordinate(&Recipe::ca(&name, 0, now())).unwrap();
        rotation.issued_lists.push(list(&rotation.issuer, &[]));
        // The list of a new CA comes before its first certificate, or that is refused.
        both(rotation, door, tls);
    }
    door.tls.reload(rotation.leaf(0)).unwrap();
    tls.reload(rotation.leaf(1)).unwrap();
    rotation.announce();
}

/// Both sides read their files again.
fn both(rotation: &Rotation, door: &Door, tls: &Arc<ClientTls>) {
    door.tls.reload(rotation.files(0)).unwrap();
    tls.reload(rotation.files(1)).unwrap();
}

/// Calls until it is enough; what failed.
async fn calls(number: usize, door: Arc<Door>, tls: Arc<ClientTls>, bound: Bound, load: Arc<Load>) -> Vec<String> {
    let mut failed = Vec::new();
    while !load.stop.load(Ordering::SeqCst) {
        let held = bound.clone();
        let expectation: Expectation = Arc::new(move || Some(Expected { org: us(), spki: held.keys() }));
        let (channel, tap) = channel(&door.address.to_string().parse().unwrap(), Arc::clone(&tls), expectation).unwrap();
        for at in 0..CALLS_PER_CHANNEL {
            if let Err(status) = call(&channel).await {
                failed.push(format!("{status} ({:?})", tap.last()));
            }
            load.done.fetch_add(1, Ordering::SeqCst);
            if at == 0 {
                load.dialled[number].fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    failed
}
