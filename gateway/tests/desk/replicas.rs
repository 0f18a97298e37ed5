//! Replicas of one gateway: what one of them changes holds for all, and no change undoes that of another.

use schakel::agreements::Held;
use schakel_domain::caller::Role;
use schakel_domain::command::{CareAct, OperateAct};
use schakel_domain::covenant::Book;
use schakel_domain::id::MessageId;
use schakel_domain::refusal::Reason;

use super::kit::*;

const UNTIL: &str = "2027-06-01T00:00:00Z";

fn signed_record(of: &str, number: u64) -> Vec<u8> {
    record(&org(of), number, UNTIL).sign(&root(&org(of))).unwrap().to_json().into_bytes()
}

/// Two replicas of SEZ that hold the covenant and the records of SEZ and Pactum, all from the store.
async fn two(region: &Region) -> (&Gateway, Gateway) {
    let first = region.at(SEZ);
    let book = Book::new(org(SEZ), vec![root(&org(SEZ)).public()]);
    first.agreements.replace(Held { book: Some(book), ..Held::default() });
    assert!(first.desk.install_covenant(&first.operator(), signed(document()).to_json().as_bytes()).await.unwrap());
    for of in [SEZ, PACTUM] {
        assert!(first.desk.install_party_record(&first.operator(), &signed_record(of, 1)).await.unwrap());
    }
    (first, first.replica().await)
}

#[tokio::test]
async fn a_stop_on_one_replica_holds_on_the_other_once_it_looked() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (first, second) = two(&region).await;
    let case = first.open(dossier()).await.id;

    first.operate(OperateAct::Stop { peer: org(PACTUM), reason: "sleutel gestolen".to_owned() }).await.unwrap();
    second.desk.refresh().await.unwrap();

    assert_eq!(why(second.offer(case, PACTUM, "ambulante-spoedhulp").await), Reason::PeerStopped);
    second.operate(OperateAct::Resume { peer: org(PACTUM) }).await.unwrap();
    first.desk.refresh().await.unwrap();
    first.offer(case, PACTUM, "ambulante-spoedhulp").await.unwrap();
}

#[tokio::test]
async fn a_stop_is_added_to_those_of_another_replica_also_by_one_that_did_not_look() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (first, second) = two(&region).await;

    first.operate(OperateAct::Stop { peer: org(PACTUM), reason: "een".to_owned() }).await.unwrap();
    second.operate(OperateAct::Stop { peer: org(ENTREA), reason: "twee".to_owned() }).await.unwrap();

    let restarted = second.replica().await;
    let stopped = restarted.agreements.held().stopped.clone();
    assert_eq!(stopped.into_iter().collect::<Vec<_>>(), [(org(PACTUM), "een".to_owned()), (org(ENTREA), "twee".to_owned())]);
}

#[tokio::test]
async fn a_replica_that_holds_an_older_record_does_not_overwrite_a_newer_one() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (first, second) = two(&region).await;
    assert!(first.desk.install_party_record(&first.operator(), &signed_record(PACTUM, 3)).await.unwrap());

    let older = second.desk.install_party_record(&second.operator(), &signed_record(PACTUM, 2)).await;

    assert_ne!(older, Ok(true));
    let number = |gateway: &Gateway| gateway.agreements.held().records.newest(&org(PACTUM)).unwrap().number;
    assert_eq!((number(&second), number(&second.replica().await)), (3, 3));
}

#[tokio::test]
async fn recovery_that_one_replica_enters_or_ends_holds_for_the_other() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (first, second) = two(&region).await;
    let opening = || CareAct::OpenCase { dossier: Box::new(dossier()) };

    first.desk.knows_more(&org(PACTUM), 9, 0).await.unwrap();
    second.desk.refresh().await.unwrap();
    assert_eq!(why(second.act(opening()).await), Reason::Recovering);

    second.operate(OperateAct::EndRecovery { reason: "iedereen gebeld".to_owned(), second: colleague() }).await.unwrap();
    first.desk.refresh().await.unwrap();
    first.act(opening()).await.unwrap();
}

#[tokio::test]
async fn stops_that_cannot_be_read_are_no_reason_to_go_on_without_them() {
    use schakel::desk::Desk;
    use schakel::store::{Commit, Expect, Kind, Record};
    let region = Region::new(&[SEZ]);
    let store = &region.at(SEZ).store;
    let (kind, id) = (Kind::Gateway, "stops".to_owned());
    let expect = vec![Expect { kind, id: id.clone(), version: 0 }];
    let put = vec![Record { kind, id, version: 1, parent: None, open: false, alias: None, clear: "[".to_owned(), sealed: None }];
    store.commit(Commit { expect, put, ..Commit::default() }).await.unwrap();

    let read = Desk::read_agreements(&**store, &org(SEZ), Vec::new()).await;

    assert_eq!(read.map(|_| ()).unwrap_err().reason, Reason::Internal);
}

#[tokio::test]
async fn nobody_but_an_operator_ends_recovery() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let end = || operation(OperateAct::EndRecovery { reason: "x".to_owned(), second: colleague() });

    assert_eq!(why(sez.desk.operate_once(&sez.caller(Role::Coordinator, Some("local:c-1")), &end()).await), Reason::RoleDenied);
    assert_eq!(why(sez.desk.operate_once(&sez.operator(), &end()).await), Reason::NotRecovering);
    assert_eq!(why(sez.operate(OperateAct::Replay { message: MessageId::new(uuid::Uuid::nil()) }).await), Reason::NotFound);
}
