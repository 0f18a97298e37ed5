//! The program against running gateways: what staff and operators do until there is a console.

use std::os::unix::fs::PermissionsExt;

use schakel_proto::care::v1::case::Standing;

use super::kit::{Gateway, Region};

/// What every act of two people says.
const TOGETHER: [&str; 10] = [
    "--second",
    "local:7002",
    "--second-name",
    "N. Vos",
    "--second-function",
    "gedragswetenschapper",
    "--called",
    "dienst Pro Persona, geen gehoor",
    "--reason",
    "de ontvanger is niet te bereiken",
];

fn id(name: &str) -> &str {
    name.rsplit('/').next().unwrap()
}

async fn messages(gateway: &Gateway, peer: &Gateway, state: &str) -> Vec<serde_json::Value> {
    let run = gateway.at_admin_door(&["outbox", "list", "--peer", &peer.home.id, "--state", state, "--json"]).await;
    assert_eq!(run.code, 0, "{}", run.err);
    run.json()["messages"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_found_by_id_and_by_label_and_says_who_is_responsible_and_whom_to_call() {
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    let case = sez.open_case().await;
    let handover = sez.offer(&case, propersona).await.unwrap();
    propersona.accept(&handover.name).await;
    sez.case_until(&case.name, Standing::Outside).await;
    let worker = sez.token("worker");

    let list = sez.at_care_door(worker, &["case", "list", "--all"]).await;
    let dutch = sez.at_care_door(worker, &["case", "show", &case.label.to_lowercase(), "--lang", "nl"]).await;
    let json = sez.at_care_door(worker, &["case", "show", id(&case.name), "--json"]).await;

    assert_eq!(list.code, 0, "{}", list.err);
    for part in [case.label.as_str(), "Pro Persona leads", "+31000000102  Pro Persona (crisisdienst, dag en nacht)"] {
        assert!(list.out.contains(part), "{part}: {}", list.out);
    }
    assert!(dutch.out.contains("bel") && dutch.out.contains("+31000000102") && dutch.out.contains("regie"), "{}", dutch.out);
    let shown = &json.json()["cases"][0];
    assert_eq!((shown["standing"].as_str(), shown["lead"].as_str()), (Some("outside"), Some("ura:90000102")));
    assert_eq!(shown["call"]["telephone"].as_str(), Some("+31000000102"));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_reclaim_a_lost_transfer_and_two_others_step_back_when_it_arrives_after_all() {
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    let case = sez.open_case().await;
    let handover = sez.offer(&case, propersona).await.unwrap();
    propersona.until("the offer", async || propersona.read_handover(&handover.name).await).await;
    propersona.line.cut();
    propersona.accept(&handover.name).await;
    let under_way = sez.case_until(&case.name, Standing::Transferring).await;
    assert_eq!(under_way.responsibility.unwrap().responsible, std::slice::from_ref(&sez.home.id));

    let reclaim = [&["case", "reclaim", case.label.as_str(), "--json"], TOGETHER.as_slice()].concat();
    let alone = sez.at_care_door(sez.token("worker"), &reclaim).await;
    let reclaimed = sez.at_care_door(sez.token("coordinator"), &reclaim).await;
    let done = reclaimed.json();
    let (key, etag) = (done["request_id"].as_str().unwrap(), done["decided_at_etag"].as_str().unwrap());
    let again = [reclaim.as_slice(), &["--request-id", key, "--etag", etag]].concat();
    let again = sez.at_care_door(sez.token("coordinator"), &again).await;

    assert_eq!((alone.code, alone.json()["error"]["reason"].as_str()), (3, Some("ROLE_DENIED")), "{}{}", alone.out, alone.err);
    assert_eq!((reclaimed.code, done["case"]["standing"].as_str()), (0, Some("lead")), "{}", reclaimed.out);
    assert!(reclaimed.err.contains(key) && reclaimed.err.contains(etag), "{}", reclaimed.err);
    assert_eq!((again.code, again.json()["case"]["etag"].as_str()), (0, done["case"]["etag"].as_str()), "{}", again.out);

    propersona.line.restore();
    assert_eq!(sez.at_admin_door(&["outbox", "retry", "--peer", &propersona.home.id]).await.code, 0);
    propersona.case_until(&case.name, Standing::Contested).await;
    let resolve = [&["case", "resolve", id(&case.name), "--lang", "nl"], TOGETHER.as_slice()].concat();
    let resolved = propersona.at_care_door(propersona.token("coordinator"), &resolve).await;
    let twice = propersona.at_care_door(propersona.token("coordinator"), &resolve).await;
    assert_eq!(resolved.code, 0, "{}{}", resolved.out, resolved.err);
    assert!(resolved.out.contains("niet betrokken") && resolved.out.contains("+31000000101"), "{}", resolved.out);
    assert_eq!(twice.code, 3);
    assert!(twice.out.contains("NOT_CONTESTED") && twice.out.contains("Deze zaak is niet betwist."), "{}", twice.out);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_waits_is_taken_back_by_its_own_protocol_and_nothing_else_is() {
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    propersona.line.cut();
    let case = sez.open_case().await;
    sez.offer(&case, propersona).await.unwrap();
    let waiting = messages(sez, propersona, "waiting").await;
    let message = waiting[0]["id"].as_str().unwrap();
    assert_eq!((waiting.len(), waiting[0]["kind"].as_str()), (1, Some("propose-handover")));

    let replayed = sez.at_admin_door(&["outbox", "replay", message, "--json"]).await;
    let cancelled = sez.at_admin_door(&["outbox", "cancel", message, "--reason", "per telefoon afgehandeld"]).await;
    let dutch = sez.at_admin_door(&["outbox", "cancel", request_id_of_nothing(), "--reason", "x", "--lang", "nl"]).await;

    assert_eq!((replayed.code, replayed.json()["error"]["reason"].as_str()), (3, Some("NOT_CANCELLABLE")));
    assert_eq!(cancelled.code, 0, "{}{}", cancelled.out, cancelled.err);
    assert_eq!(sez.case(&case.name).await.unwrap().standing(), Standing::Lead);
    let kinds: Vec<_> = messages(sez, propersona, "waiting").await.iter().map(|row| row["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["void", "withdraw-handover"], "the offer itself does not leave: the receiver ends where the protocol says");
    assert_eq!(dutch.code, 3);
    assert!(dutch.out.contains("NOT_FOUND") && dutch.out.contains("Niet gevonden"), "{}", dutch.out);
    region.stop().await;
}

fn request_id_of_nothing() -> &'static str {
    "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36"
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_now_ends_the_wait_that_failed_attempts_have_made_longer() {
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    propersona.line.cut();
    let case = sez.open_case().await;
    sez.offer(&case, propersona).await.unwrap();
    sez.attempts_until(propersona, |failed| failed >= 3).await;

    let retried = sez.at_admin_door(&["outbox", "retry", "--peer", &propersona.home.id]).await;

    assert_eq!(retried.code, 0, "{}{}", retried.out, retried.err);
    // It counts from the beginning again; by themselves failed attempts only become more.
    sez.attempts_until(propersona, |failed| failed < 3).await;
    let list = sez.at_admin_door(&["peer", "list", "--json"]).await.json();
    let row = list["peers"].as_array().unwrap().iter().find(|row| row["organization"] == propersona.home.id.as_str()).unwrap();
    assert_eq!((row["reason"].is_string(), row["waiting"].as_u64()), (true, Some(1)), "{row}");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_peer_says_why_refuses_what_is_new_and_can_be_resumed() {
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    let peer = propersona.home.id.as_str();
    let case = sez.open_case().await;

    let stopped = sez.at_admin_door(&["peer", "stop", peer, "--reason", "sleutel gestolen"]).await;
    let refused = sez.offer(&case, propersona).await.unwrap_err();
    let list = sez.at_admin_door(&["peer", "list", "--json"]).await.json();
    let resumed = sez.at_admin_door(&["peer", "resume", peer, "--json"]).await;

    assert_eq!(stopped.code, 0, "{}{}", stopped.out, stopped.err);
    assert!(
        stopped.out.contains("Pro Persona") && stopped.out.contains("stopped") && stopped.out.contains("sleutel gestolen"),
        "{}",
        stopped.out
    );
    assert_eq!(schakel::wire::status::to_refusal(&refused).unwrap().reason.code(), "PEER_STOPPED");
    let row = list["peers"].as_array().unwrap().iter().find(|row| row["organization"] == peer).unwrap();
    assert_eq!((row["state"].as_str(), row["reason"].as_str()), (Some("stopped"), Some("sleutel gestolen")));
    assert_eq!((resumed.code, resumed.json()["peer"]["state"].as_str()), (0, Some("open")));
    assert!(sez.offer(&case, propersona).await.is_ok());
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_a_failure_and_what_is_refused_a_result() {
    let region = Region::of(&["sez"]).await;
    let sez = region.gateway("sez");
    let worker = sez.token("worker");
    let readable = sez.home.dir.join("readable.jwt");
    std::fs::copy(worker, &readable).unwrap();
    std::fs::set_permissions(&readable, std::fs::Permissions::from_mode(0o644)).unwrap();
    let forged = sez.home.dir.join("forged.jwt");
    std::fs::write(&forged, "a.b.c").unwrap();
    std::fs::set_permissions(&forged, std::fs::Permissions::from_mode(0o600)).unwrap();

    let open_file = sez.at_care_door(&readable, &["case", "list"]).await;
    let stranger = sez.at_care_door(&forged, &["case", "list", "--json"]).await;
    let other_role = sez.at_care_door(sez.token("auditor"), &["case", "list"]).await;
    let other_ca = sez.at_care_door_trusting(&sez.home.dir.join("local-ca.crt"), worker, &["case", "list"]).await;
    let nobody = sez.at_care_door(worker, &["case", "show", "ZK-00000"]).await;
    let key_on_line = sez.at_care_door(worker, &["case", "list", "--token", "a.b.c"]).await;

    assert_eq!(open_file.code, 1);
    assert!(open_file.err.contains("chmod 0600"), "{}", open_file.err);
    assert_eq!((stranger.code, stranger.json()["error"]["reason"].as_str()), (3, Some("UNAUTHENTICATED")));
    assert_eq!(other_role.code, 3);
    assert!(other_role.out.contains("ROLE_DENIED") && other_role.out.contains("Ask a colleague"), "{}", other_role.out);
    assert_eq!(other_ca.code, 1);
    assert!(other_ca.err.contains("PEER_CERTIFICATE_UNTRUSTED"), "{}", other_ca.err);
    assert_eq!(nobody.code, 3, "{}{}", nobody.out, nobody.err);
    assert_eq!(key_on_line.code, 2, "no token on a command line: {}", key_on_line.err);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_running_gateway_is_shown_checked_and_exported_from_its_files() {
    let region = Region::of(&["sez"]).await;
    let sez = region.gateway("sez");
    let case = sez.open_case().await;
    sez.at_admin_door(&["peer", "list"]).await;
    sez.signed().await;
    let export = sez.home.dir.join("export");
    // The gateway has read it; whoever looks needs the public half alone.
    std::fs::rename(sez.home.dir.join("keys/log.key"), sez.home.dir.join("elsewhere.key")).unwrap();

    let shown = sez.on_files(&["audit", "show", "--case", &case.label]).await;
    let verified = sez.on_files(&["audit", "verify", "--json"]).await;
    let exported = sez.on_files(&["audit", "export", "--out", export.to_str().unwrap()]).await;

    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(!shown.out.is_empty());
    assert_eq!((verified.code, verified.json()["ok"].as_bool()), (0, Some(true)), "{}{}", verified.out, verified.err);
    assert_eq!(exported.code, 0, "{}", exported.err);
    assert!(export.join("checkpoint").is_file());
    region.stop().await;
}
