//! A case goes from one organisation to another: every fact by itself, every way it can end, and who is responsible all the while.

use jiff::SignedDuration;
use schakel_domain::custody::DeclineCode;
use schakel_domain::id::{CaseId, OfferId};
use schakel_domain::refusal::Reason;
use schakel_domain::view::{CaseView, HandoverState, Standing};

use super::kit::*;

/// Accepted and given, the transfer still on its way to Pactum.
async fn in_transfer(region: &Region) -> (CaseId, OfferId) {
    let (case, offer) = offered(region).await;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    for letter in region.waiting().await {
        region.carry(&letter).await;
    }
    (case, offer)
}

fn responsible(view: &CaseView) -> Vec<&str> {
    view.responsibility.responsible.iter().map(|org| org.as_str()).collect()
}

#[tokio::test]
async fn sent_delivered_seen_accepted_and_received_are_separate_facts() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
    let case = sez.open(dossier()).await.id;

    let offer = sez.offer(case, PACTUM, HELP).await.unwrap();
    let known = |facts: &schakel_domain::view::Facts| {
        [facts.sent, facts.delivered, facts.seen, facts.accepted, facts.transferred, facts.received].map(|fact| fact.is_some())
    };
    assert_eq!(known(&offer.facts), [true, false, false, false, false, false]);
    assert!(offer.facts.waiting.unwrap().contains("+31000000500"), "whom to call is part of the answer");

    region.settle_well().await;
    assert_eq!(known(&sez.handover(offer.id).await.facts), [true, true, false, false, false, false]);

    let seen = pactum.handover_in_full(offer.id).await;
    assert_eq!(seen.dossier.unwrap().situation, "KanarieSituatie");
    region.settle_well().await;
    assert_eq!(known(&sez.handover(offer.id).await.facts), [true, true, true, false, false, false]);

    pactum.accept(offer.id).await.unwrap();
    let accept = region.waiting().await.remove(0);
    region.carry(&accept).await;
    assert_eq!(known(&sez.handover(offer.id).await.facts), [true, true, true, true, true, false]);

    region.settle_well().await;
    let done = sez.handover(offer.id).await;
    assert_eq!(known(&done.facts), [true; 6]);
    assert_eq!((done.state, pactum.handover(offer.id).await.state), (HandoverState::Completed, HandoverState::Completed));
    let full = sez.handover_in_full(offer.id).await;
    assert_eq!((full.read_back.len(), full.first_action.as_str()), (2, "vanavond langs"));
}

#[tokio::test]
async fn until_the_receipt_the_sender_is_responsible_in_every_answer() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, offer) = offered(&region).await;
    let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
    let sender_says = async |standing, lead: Option<&str>| {
        let view = sez.case(case).await;
        assert_eq!(view.standing, standing);
        assert_eq!((responsible(&view), view.responsibility.lead.as_ref().map(|org| org.as_str())), (vec![SEZ], lead));
        let handover = sez.handover(offer).await;
        assert_eq!(handover.responsibility, view.responsibility);
    };

    sender_says(Standing::Offering, Some(SEZ)).await;
    region.settle_well().await;
    assert_eq!(responsible(&pactum.case(case).await), [SEZ]);
    let accepted = pactum.accept(offer).await.unwrap();
    assert!(accepted.responsibility.responsible.iter().all(|org| org.as_str() == SEZ), "accepting does not move it");
    let letters = region.waiting().await;
    assert_eq!(letters.iter().map(Letter::kind).collect::<Vec<_>>(), ["accept-handover"]);
    region.carry(&letters[0]).await;
    sender_says(Standing::Transferring, None).await;
    assert!(sez.case(case).await.responsibility.sentence_nl.contains("blijft verantwoordelijk"));

    let transfer = region.waiting().await.remove(0);
    region.carry(&transfer).await;
    sender_says(Standing::Transferring, None).await;
    assert_eq!(responsible(&pactum.case(case).await), [PACTUM]);

    let receipt = region.waiting().await.remove(0);
    region.carry(&receipt).await;
    let view = sez.case(case).await;
    assert_eq!((view.standing, responsible(&view)), (Standing::Outside, vec![PACTUM]));
}

#[tokio::test]
async fn both_sides_hold_the_same_proof_and_the_receipt_names_the_transfer() {
    use schakel_domain::command::Read;
    use schakel_domain::message::Body;
    use schakel_domain::view::Answer;
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, offer) = in_transfer(&region).await;
    region.settle_well().await;

    let mut proofs = Vec::new();
    for side in [SEZ, PACTUM] {
        let Answer::Proof(proof) = region.at(side).read(Read::Proof(offer)).await.unwrap() else { panic!("a proof") };
        let mut messages: Vec<_> = proof.messages.into_iter().map(|one| (one.kind, one.hash, one.bytes)).collect();
        messages.sort();
        proofs.push(messages);
    }

    assert_eq!(proofs[0], proofs[1]);
    let find = |kind: &str| proofs[0].iter().find(|(found, ..)| found == kind).unwrap().clone();
    let receipt = schakel::wire::federation::decode(&find("custody-receipt").2).unwrap();
    assert!(matches!(receipt.body, Body::Receipt { transfer, .. } if transfer == find("transfer-custody").1));
}

#[tokio::test]
async fn every_key_point_is_read_back_before_an_offer_is_accepted() {
    use schakel_domain::command::{CareAct, Seen};
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, offer) = offered(&region).await;
    region.settle_well().await;
    let seen = Seen { id: offer, version: 1 };
    let with = |words: &[&str]| CareAct::AcceptHandover {
        handover: seen,
        read_back: words.iter().map(|word| (*word).to_owned()).collect(),
        first_action: String::new(),
        first_action_at: None,
    };

    for words in [&["een"][..], &["een", " "], &["een", "twee", "drie"], &[]] {
        assert_eq!(why(region.at(PACTUM).act(with(words)).await), Reason::ReadBackIncomplete, "{words:?}");
    }
    region.at(PACTUM).act(with(&["een", "twee"])).await.unwrap();
}

#[tokio::test]
async fn an_offer_is_declined_with_each_code_and_the_sender_leads_on() {
    let region = Region::new(&[SEZ, PACTUM]);
    let case = region.at(SEZ).open(dossier()).await.id;

    for code in DeclineCode::ALL {
        let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
        region.settle_well().await;
        region.at(PACTUM).decline(offer, *code).await.unwrap();
        region.settle_well().await;

        let view = region.at(SEZ).handover_in_full(offer).await;
        assert_eq!((view.state, view.decline), (HandoverState::Declined, Some((*code, "KanarieReden".to_owned()))));
        assert_eq!(view.next.unwrap().as_str(), "kvk:90000107", "Lindenhout works in Arnhem too and comes next");
        assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Lead);
    }
}

#[tokio::test]
async fn a_withdrawn_offer_frees_the_place_at_the_receiver() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, offer) = offered(&region).await;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();

    region.at(SEZ).withdraw(offer).await.unwrap();
    region.settle_well().await;

    assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Lead);
    assert_eq!(region.at(PACTUM).handover(offer).await.state, HandoverState::Withdrawn);
    assert_eq!(why(region.at(PACTUM).accept(offer).await), Reason::HandoverNotOpen);
    region.pass(SignedDuration::from_hours(3)).await;
    assert!(!region.at(PACTUM).events().await.contains(&"handover.overdue".to_owned()));
}

#[tokio::test]
async fn an_offer_withdrawn_unseen_never_waits_at_the_receiver() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, offer) = offered(&region).await;
    region.at(SEZ).withdraw(offer).await.unwrap();

    region.settle_well().await;

    assert_eq!(region.at(PACTUM).handover(offer).await.state, HandoverState::Withdrawn);
    assert_eq!(why(region.at(PACTUM).decline(offer, DeclineCode::Other).await), Reason::HandoverNotOpen);
}

#[tokio::test]
async fn only_one_offer_is_open_and_none_while_the_token_is_under_way() {
    let region = Region::new(&[SEZ, PACTUM, ENTREA]);
    let (case, offer) = offered(&region).await;

    assert_eq!(why(region.at(SEZ).offer(case, ENTREA, HELP).await), Reason::OfferOpen);
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    let accept = region.waiting().await.remove(0);
    region.carry(&accept).await;

    assert_eq!(why(region.at(SEZ).offer(case, ENTREA, HELP).await), Reason::InTransfer);
    assert_eq!(why(region.at(SEZ).withdraw(offer).await), Reason::InTransfer);
}

#[tokio::test]
async fn a_place_released_while_the_token_travels_makes_the_sender_lead_again() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, offer) = offered(&region).await;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    let accept = region.waiting().await.remove(0);
    region.carry(&accept).await;

    region.at(PACTUM).release(offer).await.unwrap();
    region.settle_well().await;

    let view = region.at(SEZ).case(case).await;
    assert_eq!((view.standing, view.epoch.as_str()), (Standing::Lead, "0.2"));
    assert_eq!(region.at(SEZ).handover(offer).await.state, HandoverState::Returned);
    assert_eq!(region.at(PACTUM).handover(offer).await.state, HandoverState::Released);
    assert_eq!(responsible(&region.at(PACTUM).case(case).await), [SEZ]);
}

#[tokio::test]
async fn a_released_place_is_signed_by_two_people_of_whom_the_first_acts() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, offer) = offered(&region).await;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();

    region.at(PACTUM).release(offer).await.unwrap();

    let entry = region.at(PACTUM).log().await.pop().unwrap();
    let users: Vec<_> = entry.users.iter().map(|user| user.id.as_str()).collect();
    assert_eq!(users, ["local:c-1", "local:c-2"]);
}

#[tokio::test]
async fn a_case_comes_back_and_nothing_known_here_is_lost() {
    let region = Region::new(&[SEZ, PACTUM]);
    let mut hidden = dossier();
    hidden.safety.hidden_address = true;
    let case = region.at(SEZ).open(hidden.clone()).await.id;
    let offer = region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    region.settle_well().await;

    let back = region.at(PACTUM).offer(case, SEZ, "regie").await.unwrap();
    assert!(back.is_return);
    region.settle_well().await;
    region.at(SEZ).accept(back.id).await.unwrap();
    region.settle_well().await;

    let view = case_in_full(&region, SEZ, case).await;
    assert_eq!((view.standing, view.hops, view.epoch.as_str()), (Standing::Lead, 2, "0.2"));
    let known = view.dossier.unwrap();
    assert_eq!(known.identity, hidden.identity, "the hidden address never travelled, and is still known here");
    assert!(known.safety.hidden_address);
    assert_eq!(region.at(PACTUM).case(case).await.standing, Standing::Outside);
}

async fn case_in_full(region: &Region, at: &str, id: CaseId) -> CaseView {
    case(region.at(at).read(schakel_domain::command::Read::Case { id, full: true }).await.unwrap())
}

#[tokio::test]
async fn an_offer_of_the_new_lead_is_the_receipt_that_went_missing() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, offer) = in_transfer(&region).await;
    let transfer = region.waiting().await.remove(0);
    region.carry(&transfer).await;
    assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Transferring);

    let back = region.at(PACTUM).offer(case, SEZ, "regie").await.unwrap().id;
    region.settle_well().await;

    assert_eq!(region.at(SEZ).handover(offer).await.state, HandoverState::Completed);
    assert_eq!(region.at(SEZ).handover(back).await.state, HandoverState::Offered);
    assert_eq!(responsible(&region.at(SEZ).case(case).await), [PACTUM]);
}

#[tokio::test]
async fn a_transfer_without_receipt_raises_the_alarm_after_a_minute_and_goes_on_doing_so() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, offer) = offered(&region).await;
    region.settle_well().await;
    region.at(PACTUM).accept(offer).await.unwrap();
    let accept = region.waiting().await.remove(0);
    region.carry(&accept).await;
    region.cut(SEZ, PACTUM);
    let alarms = async || region.at(SEZ).events().await.iter().filter(|kind| *kind == "handover.unconfirmed").count();

    region.pass(SignedDuration::from_secs(59)).await;
    assert_eq!(alarms().await, 0);
    region.pass(SignedDuration::from_secs(1)).await;
    assert_eq!(alarms().await, 1);
    region.pass(minutes(5)).await;
    assert_eq!(alarms().await, 2);

    region.mend();
    region.settle_well().await;
    region.pass(minutes(60)).await;
    assert_eq!(alarms().await, 2, "the receipt ends it");
}

#[tokio::test]
async fn two_people_reclaim_and_the_other_side_is_contested_until_two_people_resolve_it() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, offer) = in_transfer(&region).await;
    let transfer = region.waiting().await.remove(0);
    region.bring(&transfer).await;
    region.cut(SEZ, PACTUM);

    region.at(SEZ).force(case).await.unwrap();
    assert_eq!(region.at(SEZ).case(case).await.epoch, "1.1");
    region.mend();
    region.settle_well().await;

    let contested = region.at(PACTUM).case(case).await;
    assert_eq!((contested.standing, responsible(&contested)), (Standing::Contested, vec![SEZ, PACTUM]));
    assert_eq!(why(region.at(PACTUM).offer(case, SEZ, "regie").await), Reason::Contested);
    assert_eq!(region.at(SEZ).handover(offer).await.state, HandoverState::Returned);

    region.at(PACTUM).resolve(case).await.unwrap();
    region.settle_well().await;
    let resolved = region.at(PACTUM).case(case).await;
    assert_eq!((resolved.standing, responsible(&resolved)), (Standing::Outside, vec![SEZ]));
    assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Lead);
    assert_eq!(why(region.at(PACTUM).resolve(case).await), Reason::NotContested);
}

#[tokio::test]
async fn a_reclaim_is_for_two_people_with_the_role_and_only_while_the_token_travels() {
    use schakel_domain::command::{CareAct, Seen};
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, _) = offered(&region).await;
    let seen = Seen { id: case, version: region.at(SEZ).case(case).await.version };
    let act = || CareAct::ForceReclaim { case: seen, people: two() };

    assert_eq!(why(region.at(SEZ).act(act()).await), Reason::RoleDenied);
    assert_eq!(why(region.at(SEZ).act_as(&region.at(SEZ).coordinator(), act()).await), Reason::NotInTransfer);
}

#[tokio::test]
async fn a_transfer_that_the_case_overtook_ends_and_raises_no_more_alarms() {
    let region = Region::new(&[SEZ, PACTUM, PRO_PERSONA]);
    let (case, offer) = in_transfer(&region).await;
    let transfer = region.waiting().await.remove(0);
    region.carry(&transfer).await;
    let receipt = region.waiting().await.remove(0);
    assert_eq!(receipt.kind(), "custody-receipt");
    // The receipt is late; meanwhile the case goes to Pro Persona and from there back to SEZ.
    region.cut(SEZ, PACTUM);
    // Pactum never had it from Pro Persona, but the covenant lets it return a case to any crisis service.
    let on = region.at(PACTUM).offer(case, PRO_PERSONA, "regie").await.unwrap().id;
    region.settle_well().await;
    region.at(PRO_PERSONA).accept(on).await.unwrap();
    region.settle_well().await;
    let back = region.at(PRO_PERSONA).offer(case, SEZ, "crisisinterventie").await.unwrap().id;
    region.settle_well().await;
    region.at(SEZ).accept(back).await.unwrap();
    region.settle_well().await;

    assert_eq!(region.at(SEZ).case(case).await.standing, Standing::Lead);
    region.clock.pass(minutes(30));
    region.at(SEZ).desk.tick().await.unwrap();
    assert!(!region.at(SEZ).events().await.contains(&"handover.unconfirmed".to_owned()));
    region.mend();
    region.settle_well().await;
    assert_eq!(region.at(SEZ).handover(offer).await.state, HandoverState::Completed);
}

#[tokio::test]
async fn an_offer_answered_late_still_counts_and_the_alarm_came_first() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (case, offer) = offered(&region).await;
    region.settle_well().await;

    region.pass(SignedDuration::from_hours(3)).await;
    for side in [SEZ, PACTUM] {
        assert!(region.at(side).events().await.contains(&"handover.overdue".to_owned()), "{side}");
    }
    region.at(PACTUM).accept(offer).await.unwrap();
    region.settle_well().await;

    assert_eq!(region.at(PACTUM).case(case).await.standing, Standing::Lead);
}

#[tokio::test]
async fn a_closed_case_is_closed_and_its_reason_is_kept_sealed() {
    use schakel_domain::command::{CareAct, Seen};
    let region = Region::new(&[SEZ, PACTUM]);
    let opened = region.at(SEZ).open(dossier()).await;
    let close = CareAct::CloseCase { case: Seen { id: opened.id, version: opened.version }, reason: "KanarieReden".to_owned() };

    let closed = case(region.at(SEZ).act(close).await.unwrap().answer);

    assert_eq!((closed.standing, responsible(&closed)), (Standing::Closed, vec![]));
    assert_eq!(why(region.at(SEZ).offer(opened.id, PACTUM, HELP).await), Reason::CaseClosed);
    let record = region.at(SEZ).store.record(schakel::store::Kind::Case, &opened.id.to_string()).await.unwrap().unwrap();
    let sealed = region.at(SEZ).desk.unseal(&record.sealed.unwrap()).await.unwrap();
    assert!(holds(&sealed, "KanarieReden") && !holds(record.clear.as_bytes(), "KanarieReden"));
}

#[tokio::test]
async fn colleagues_answer_once_the_second_hears_that_somebody_was_first() {
    let region = Region::new(&[SEZ, PACTUM]);
    let (_, offer) = offered(&region).await;
    region.settle_well().await;

    region.at(PACTUM).accept(offer).await.unwrap();

    assert_eq!(why(region.at(PACTUM).decline(offer, DeclineCode::NoCapacity).await), Reason::AlreadyAnswered);
    assert_eq!(why(region.at(PACTUM).accept(offer).await), Reason::AlreadyAnswered);
}

#[tokio::test]
async fn the_whole_handover_on_sqlite() {
    let region = Region::on_sqlite(&[SEZ, PACTUM]).await;
    let (case, offer) = in_transfer(&region).await;
    region.settle_well().await;

    assert_eq!(region.at(PACTUM).case(case).await.standing, Standing::Lead);
    assert_eq!(region.at(SEZ).handover(offer).await.state, HandoverState::Completed);
}
