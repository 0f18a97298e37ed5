//! One trace goes from a caller through both gateways, however long the message waited and whoever was down meanwhile.

use schakel_proto::r#type::v1 as words;

use super::collector::{Collector, Span};
use super::node::Pair;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_care_door_through_the_outbox_and_a_restart_to_the_other_gateway() {
    let mut collector = Collector::start();
    let mut pair = Pair::make(Some(&collector.endpoint)).await;
    // Nobody is there to take the message.
    pair.first.start();
    let case = pair.first.open(words::Dossier { age: Some(15), ..Default::default() }).await.unwrap();
    let mut offer = pair.first.offer(&case, &pair.second);
    offer.metadata_mut().insert("traceparent", format!("00-{TRACE}-{CALLER}-01").parse().unwrap());

    let offered = pair.first.client.handovers().create_handover(offer).await.unwrap();
    let answered = offered.metadata().get("traceresponse").unwrap().to_str().unwrap().to_owned();
    let name = offered.into_inner().handover.unwrap().name;
    pair.first.stop();
    pair.first.start();
    pair.second.start();
    pair.second.until("the offer", async || pair.second.handover(&name).await).await;
    let arrived =
        async || pair.first.handover(&name).await.filter(|one| one.facts.as_ref().is_some_and(|facts| facts.delivered_time.is_some()));
    pair.first.until("that it arrived", arrived).await;
    pair.first.stop();
    pair.second.stop();
    collector.stop();

    assert!(answered.starts_with(&format!("00-{TRACE}-")), "{answered}");
    let (all, ours, theirs) = (collector.spans(), &pair.first.home.id, &pair.second.home.id);
    let spans: Vec<&Span> = all.iter().filter(|span| span.trace == TRACE).collect();
    let below = |parent: &str, name: &str, at: &str| {
        let mut found = spans.iter().filter(|span| span.parent == parent && span.name == name && span.organization == at);
        found.next().unwrap_or_else(|| panic!("no {name} below {parent} at {at}: {spans:#?}")).id.clone()
    };
    let call = below(CALLER, "schakel.care.v1.HandoverService/CreateHandover", ours);
    let commit = below(&call, "commit", ours);
    let send = below(&commit, "send", ours);
    let receive = below(&send, "receive", theirs);
    let committed = below(&receive, "commit", theirs);
    below(&committed, "notice", theirs);
    assert!(all.iter().any(|span| span.name == "batch" && span.links.contains(&send)), "the batch links what it carried");
    let lines = collector.lines();
    assert!(lines.iter().any(|(line, trace)| line == "answered" && trace == TRACE), "log lines name their trace: {lines:?}");
    let local = std::fs::read_to_string(&pair.first.log).unwrap();
    assert!(local.lines().any(|line| line.contains("\"answered\"") && line.contains(TRACE)), "so do those of the machine");
    for name in ["rpc.server.call.duration", "schakel.store.commit.duration", "schakel.outbox.messages", "schakel.messages"] {
        assert!(collector.metrics().contains(name), "{name} is not in {:?}", collector.metrics());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_calls_a_trace_is_not_repeated_and_harms_nothing() {
    let mut collector = Collector::start();
    let mut pair = Pair::make(Some(&collector.endpoint)).await;
    pair.first.start();
    let case = pair.first.open(words::Dossier { age: Some(15), ..Default::default() }).await.unwrap();
    let mut offer = pair.first.offer(&case, &pair.second);
    let said = format!("00-{TRACE}-{CALLER}-01-KanarieVoornaam");
    offer.metadata_mut().insert("traceparent", said.parse().unwrap());

    let offered = pair.first.client.handovers().create_handover(offer).await.unwrap();
    let answered = offered.metadata().get("traceresponse").unwrap().to_str().unwrap().to_owned();
    pair.first.stop();
    collector.stop();

    assert!(!answered.contains(TRACE) && answered.len() == 55, "{answered}");
    assert!(collector.spans().iter().all(|span| span.trace != TRACE));
}
