//! Two organisations over the real link: a question that is answered, and a case that is handed over.

use schakel::demo::client::by;
use schakel_proto::care::v1 as care;
use schakel_proto::care::v1::case::Standing;
use schakel_proto::care::v1::consultation::State;

use super::kit::{Gateway, Region, request_id};

/// A question of this organisation's own, or one it was asked, with its text; none when it has not arrived.
async fn read_question(gateway: &Gateway, name: &str) -> Option<care::Consultation> {
    let get = care::GetConsultationRequest { name: name.to_owned(), view: care::View::Full.into(), actor: Some(gateway.person.wire()) };
    let answer = gateway.client.consultations().get_consultation(by(&gateway.person, get)).await;
    answer.ok().and_then(|answer| answer.into_inner().consultation)
}

async fn question_until(gateway: &Gateway, name: &str, state: State) -> care::Consultation {
    gateway.until(state.as_str_name(), async || read_question(gateway, name).await.filter(|one| one.state() == state)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_goes_over_the_link_and_advice_comes_back_while_the_case_stays_where_it_is() {
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    let case = sez.open_case().await;

    let create = care::CreateConsultationRequest {
        about: Some(care::create_consultation_request::About::Case(case.name.clone())),
        service: "ggz-crisis".to_owned(),
        urgency: "spoed".to_owned(),
        question: "Wilt u vannacht meekijken?".to_owned(),
        candidates: vec![propersona.home.id.clone()],
        request_id: request_id(),
        actor: Some(sez.person.wire()),
        ..Default::default()
    };
    let asked = sez.client.consultations().create_consultation(by(&sez.person, create)).await.unwrap().into_inner();
    let name = asked.consultation.unwrap().name;
    let heard = question_until(propersona, &name, State::Asked).await;
    assert_eq!(heard.question, "Wilt u vannacht meekijken?");
    let accept = care::AcceptConsultationRequest {
        name: name.clone(),
        etag: read_question(propersona, &name).await.unwrap().etag,
        request_id: request_id(),
        actor: Some(propersona.person.wire()),
        ..Default::default()
    };
    propersona.client.consultations().accept_consultation(by(&propersona.person, accept)).await.unwrap();
    let confirmed = question_until(propersona, &name, State::Assigned).await;
    let answer = care::AnswerConsultationRequest {
        name: name.clone(),
        etag: confirmed.etag,
        request_id: request_id(),
        actor: Some(propersona.person.wire()),
        advice: "Vannacht bij tante, morgen verder.".to_owned(),
    };
    propersona.client.consultations().answer_consultation(by(&propersona.person, answer)).await.unwrap();

    let advised = question_until(sez, &name, State::Advised).await;
    assert_eq!(advised.advice, ["Vannacht bij tante, morgen verder."]);
    let case = sez.case(&case.name).await.unwrap();
    assert_eq!((case.standing(), case.responsibility.unwrap().responsible), (Standing::Lead, vec![sez.home.id.clone()]));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_handed_over_and_both_then_name_the_same_organisation_and_telephone() {
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    let case = sez.open_case().await;

    let handover = sez.offer(&case, propersona).await.unwrap();
    propersona.accept(&handover.name).await;
    let here = propersona.case_until(&case.name, Standing::Lead).await.responsibility.unwrap();
    let there = sez.case_until(&case.name, Standing::Outside).await.responsibility.unwrap();

    assert_eq!((&here.lead, &here.responsible), (&propersona.home.id, &vec![propersona.home.id.clone()]));
    assert_eq!((&there.lead, &there.responsible), (&here.lead, &here.responsible));
    assert_eq!(there.call.unwrap().telephone, "+31000000102");
    let all = |facts: &care::Facts| {
        let times =
            [facts.sent_time, facts.delivered_time, facts.seen_time, facts.accepted_time, facts.transferred_time, facts.received_time];
        times.iter().all(Option::is_some)
    };
    let at_sender = async || sez.read_handover(&handover.name).await.filter(|one| one.facts.as_ref().is_some_and(all));
    sez.until("every fact of the handover", at_sender).await;
    for gateway in [sez, propersona] {
        gateway.signed().await;
        assert!(gateway.running.ledger.verify().await.unwrap().ok());
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_stops_in_time_though_a_peer_and_a_watcher_hold_their_streams_open() {
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    let (changed, mut heard) = tokio::sync::watch::channel(0);
    let (client, person) = (propersona.client.clone(), propersona.person.clone());
    tokio::spawn(async move { client.watch(&person, changed).await });
    let case = sez.open_case().await;
    let handover = sez.offer(&case, propersona).await.unwrap();
    propersona.until("the offer", async || propersona.read_handover(&handover.name).await).await;
    heard.wait_for(|heard| *heard > 0).await.unwrap();

    region.stop_only("propersona").await;
}
