//! Revocation while a hundred connections are open: they end at once, new ones are refused at once, the others notice nothing. And lists
//! that end: refused at their end, or after a grace that is seen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use schakel::tls::{ClientTls, ListState};
use schakel_domain::refusal::Reason;

use super::kit::{Clock, Door, Folder, Settings, bound_to, ca, call, changed, expect, list, now, spki};

/// Connections open when the certificate is revoked.
const OPEN: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_open_connections_end_with_the_revocation_and_the_next_call_says_why() {
    let (root, ours, theirs, others) = (ca("root"), Folder::new(), Folder::new(), Folder::new());
    let [server, thief, honest] = [(), (), ()].map(|()| changed(&root, |_| ()));
    let door = Door::open(Settings::of(ours.write(&server, &root.pem(), &[list(&root, &[])]))).await;
    let client = ClientTls::new(theirs.write(&thief, &root.pem(), &[]), Clock::standing()).unwrap();
    let other = ClientTls::new(others.write(&honest, &root.pem(), &[]), Clock::standing()).unwrap();
    let keys = || vec![spki(&server)];
    let channels: Vec<_> = (0..OPEN).map(|_| door.channel(&client, keys())).collect();
    for (channel, _) in &channels {
        call(channel).await.unwrap();
    }
    let last = door.last();
    let (untouched, _) = door.channel(&other, keys());
    call(&untouched).await.unwrap();
    let entered = door.entered();

    ours.put("0.crl", list(&root, &[&thief.chain_pem]).as_bytes());
    let started = Instant::now();
    let closed = door.tls.reload(ours.read(&["0.crl"]).unwrap()).unwrap();

    assert_eq!(closed, OPEN);
    assert_eq!(last.life.ended().map(|why| why.reason), Some(Reason::PeerCertificateRevoked), "a call under way can see it");
    let next = futures_util::future::join_all(channels.iter().map(|(channel, _)| call(channel))).await;
    assert!(next.iter().all(Result::is_err), "a revoked certificate was served");
    println!("100 of 100 next calls refused {} ms after the list was loaded", started.elapsed().as_millis());
    for (number, (channel, tap)) in channels.iter().enumerate() {
        // The connection that broke says no more than that; the handshake after it says why.
        expect("the reason", async || {
            let told = tap.last().is_some_and(|last| last.reason == Reason::OwnCertificateRevoked);
            assert!(told || call(channel).await.is_err(), "connection {number} was served");
            told
        })
        .await;
    }
    assert_eq!(door.entered(), entered);
    call(&untouched).await.unwrap();
    assert_eq!(door.entered(), entered + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_ends_its_connection_to_a_server_that_was_revoked_and_a_door_that_of_a_revoked_intermediate() {
    let (root, ours, theirs) = (ca("root"), Folder::new(), Folder::new());
    let middle = root.subordinate(&schakel_certs::issue::Recipe::ca("middle", 0, now())).unwrap();
    let (server, shown) = (changed(&root, |_| ()), changed(&middle, |_| ()));
    let lists = [list(&root, &[]), list(&middle, &[])];
    let door = Door::open(Settings::of(ours.write(&server, &root.pem(), &lists))).await;
    let client = ClientTls::new(theirs.write(&shown, &root.pem(), &lists), Clock::standing()).unwrap();
    let (channel, tap) = door.channel(&client, vec![spki(&server)]);
    call(&channel).await.unwrap();

    theirs.put("0.crl", list(&root, &[&server.chain_pem]).as_bytes());
    assert_eq!(client.reload(theirs.read(&["0.crl", "1.crl"]).unwrap()).unwrap(), 1);
    assert!(call(&channel).await.is_err());
    assert_eq!(tap.last().unwrap().reason, Reason::PeerCertificateRevoked);

    theirs.put("0.crl", list(&root, &[]).as_bytes());
    client.reload(theirs.read(&["0.crl", "1.crl"]).unwrap()).unwrap();
    expect("the control", async || call(&channel).await.is_ok()).await;
    ours.put("0.crl", list(&root, &[&middle.pem()]).as_bytes());
    assert_eq!(door.tls.reload(ours.read(&["0.crl", "1.crl"]).unwrap()).unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_the_agreements_is_cut_off_without_any_file() {
    let (root, ours, theirs) = (ca("root"), Folder::new(), Folder::new());
    let (server, shown) = (changed(&root, |_| ()), changed(&root, |_| ()));
    let keys = Arc::new(std::sync::Mutex::new(vec![spki(&shown)]));
    let held = Arc::clone(&keys);
    let admit: schakel::tls::Admit = Arc::new(move |identity| bound_to(held.lock().unwrap().clone())(identity));
    let door = Door::open(Settings { admit: Some(admit), ..Settings::of(ours.write(&server, &root.pem(), &[])) }).await;
    let client = ClientTls::new(theirs.write(&shown, &root.pem(), &[]), Clock::standing()).unwrap();
    let (channel, tap) = door.channel(&client, vec![spki(&server)]);
    call(&channel).await.unwrap();
    assert_eq!(door.tls.judge_again(), 0);

    keys.lock().unwrap().clear();

    assert_eq!(door.tls.judge_again(), 1);
    expect("the reason", async || {
        drop(call(&channel).await);
        tap.last().is_some_and(|last| last.reason == Reason::OwnCertificateUnbound)
    })
    .await;
    assert_eq!(door.entered(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_refuses_from_its_end_on_and_with_a_grace_from_the_end_of_that() {
    for grace in [Duration::ZERO, Duration::from_secs(3600)] {
        let (root, ours, theirs, clock) = (ca("root"), Folder::with_grace(grace), Folder::new(), Clock::standing());
        let (server, shown, revoked) = (changed(&root, |_| ()), changed(&root, |_| ()), changed(&root, |_| ()));
        let ends = now() + SignedDuration::from_hours(2);
        let short = root.revocation_list(&[&revoked.chain_pem], now(), ends).unwrap();
        let material = ours.write(&server, &root.pem(), &[short]);
        let door = Door::open(Settings { clock: Arc::clone(&clock), ..Settings::of(material) }).await;
        let client = ClientTls::new(theirs.write(&shown, &root.pem(), &[]), Clock::standing()).unwrap();
        let thief = ClientTls::new(Folder::new().write(&revoked, &root.pem(), &[]), Clock::standing()).unwrap();
        let answer = async |tls| {
            let (channel, tap) = door.channel(tls, vec![spki(&server)]);
            call(&channel).await.map_err(|_| tap.last().unwrap().reason)
        };
        let (open, _) = door.channel(&client, vec![spki(&server)]);
        call(&open).await.unwrap();

        clock.set(ends - SignedDuration::from_secs(1));
        assert_eq!((answer(&client).await, door.tls.judge_again()), (Ok(()), 0));

        let state = |at| door.tls.material().revocation.info()[0].state(at);
        clock.set(ends);
        if grace.is_zero() {
            assert_eq!((answer(&client).await, state(ends)), (Err(Reason::OwnCertificateUnknown), ListState::Expired));
            assert!(door.tls.judge_again() > 0, "the open connection ends too");
            continue;
        }
        assert_eq!((answer(&client).await, state(ends), door.tls.judge_again()), (Ok(()), ListState::Grace, 0));
        assert_eq!(answer(&thief).await, Err(Reason::OwnCertificateRevoked), "what the list says still counts");

        clock.set(ends + SignedDuration::from_secs(3600));
        assert_eq!(
            (answer(&client).await, state(ends + SignedDuration::from_secs(3600))),
            (Err(Reason::OwnCertificateUnknown), ListState::Expired)
        );
        assert!(door.tls.judge_again() > 0);
    }
}
