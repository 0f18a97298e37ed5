use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use schakel_adapters::Resource;
use schakel_domain::command::{CareAct, Command, Read};
use schakel_domain::id::{CaseId, Hash, Label, RequestId};
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::{Answer, CaseView, Direction, Facts, HandoverState, HandoverView, Responsibility, Standing};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

use super::*;
use crate::adapter_door::{Describer, Profile};
use crate::desk::Reply;
use crate::store::{EventRow, NewEvent, StoreError};

const CASE: &str = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36";
/// When everything happens.
const NOW: &str = "2026-11-22T02:15:00Z";
const HANDOVER: &str = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b37";

/// A desk that remembers what it executed, and says no when told to.
#[derive(Default)]
struct FakeDesk {
    executed: Mutex<Vec<CareAct>>,
    replays: Mutex<BTreeMap<RequestId, Hash>>,
    reads: Mutex<Vec<Read>>,
    /// What to refuse the next writes with.
    refuse: Mutex<VecDeque<Reason>>,
    /// What to refuse every read with.
    unreadable: Mutex<Option<Reason>>,
    busy: Notify,
}

impl FakeDesk {
    fn refuse_next(&self, reasons: &[Reason]) {
        self.refuse.lock().unwrap().extend(reasons);
    }

    fn executed(&self) -> usize {
        self.executed.lock().unwrap().len()
    }

    fn write(&self, write: schakel_domain::command::Write<CareAct>) -> Result<Reply, Refusal> {
        if let Some(reason) = self.refuse.lock().unwrap().pop_front() {
            return Err(Refusal::new(Stage::Store, reason));
        }
        let earlier = self.replays.lock().unwrap().insert(write.request, write.body);
        if earlier.is_some_and(|body| body != write.body) {
            return Err(Refusal::new(Stage::Door, Reason::RequestIdReused));
        }
        if earlier.is_none() {
            self.executed.lock().unwrap().push(write.act);
        }
        self.busy.notify_one();
        Ok(Reply { answer: Answer::Case(Box::new(case_view())), replayed: earlier.is_some() })
    }

    fn read(&self, what: Read) -> Result<Reply, Refusal> {
        self.reads.lock().unwrap().push(what.clone());
        if let Some(reason) = *self.unreadable.lock().unwrap() {
            return Err(Refusal::new(Stage::Store, reason));
        }
        let answer = match what {
            Read::Case { .. } => Answer::Case(Box::new(case_view())),
            Read::Handover { full, .. } => Answer::Handover(Box::new(handover_view(full, "ura:90000123", None))),
            Read::Handovers { .. } => Answer::Handovers(
                vec![
                    handover_view(false, "ura:90000777", Some("2026-11-22T01:00:00Z")),
                    handover_view(false, "ura:90000123", Some("2026-11-20T01:00:00Z")),
                ],
                None,
            ),
            _ => Answer::Done,
        };
        Ok(Reply { answer, replayed: false })
    }
}

impl Execute for FakeDesk {
    fn execute<'a>(&'a self, caller: &'a Caller, command: Command) -> BoxFuture<'a, Result<Reply, Refusal>> {
        assert_eq!((caller.door, caller.client.as_str()), ("file-drop", "dossiersysteem"));
        let answer = match command {
            Command::Care(write) => self.write(write),
            Command::Read(read) => self.read(read.what),
        };
        Box::pin(async { answer })
    }
}

/// An event sequence in memory.
struct FakeFeed {
    rows: Mutex<Vec<EventRow>>,
    signal: watch::Sender<u64>,
}

impl FakeFeed {
    fn new() -> Self {
        Self { rows: Mutex::default(), signal: watch::channel(0).0 }
    }

    fn happens(&self, seq: u64, kind: &str, resource: &str) {
        let event = NewEvent { kind: kind.to_owned(), resource: resource.to_owned(), state: "offered".to_owned() };
        self.rows.lock().unwrap().push(EventRow { seq, event, at: "2026-11-22T02:15:00Z".parse().unwrap(), trace: None });
        self.signal.send_replace(seq);
    }
}

impl Feed for FakeFeed {
    fn events_after(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EventRow>, StoreError>> {
        let rows = self.rows.lock().unwrap();
        let rows = rows.iter().filter(|row| row.seq > after).take(limit as usize).cloned().collect();
        Box::pin(async { Ok(rows) })
    }

    fn newest(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        let newest = self.rows.lock().unwrap().last().map_or(0, |row| row.seq);
        Box::pin(async move { Ok(newest) })
    }

    fn signal(&self) -> watch::Receiver<u64> {
        self.signal.subscribe()
    }
}

/// A file drop in a folder of its own, with a fake desk behind it.
struct Kit {
    root: TempDir,
    desk: Arc<FakeDesk>,
    feed: Arc<FakeFeed>,
    status: Arc<AdapterStatus>,
}

impl Kit {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), desk: Arc::default(), feed: Arc::new(FakeFeed::new()), status: status() }
    }

    fn config(&self) -> Config {
        Config::new(self.root.path().to_owned(), "ura:90000123".parse().unwrap(), "dossiersysteem")
    }

    /// The door as it is after a start; dropping it and opening another is a crash.
    fn door(&self) -> FileDropDoor {
        self.door_with(self.config(), false)
    }

    fn door_with(&self, config: Config, content: bool) -> FileDropDoor {
        let responsible = Actor::parse("skj:1", "K. de Wit", "coördinator").unwrap();
        let profile = Profile { caller: config.caller.clone(), responsible, content };
        let describe = Arc::new(Describer::new(self.desk.clone(), profile));
        FileDropDoor::open(config, self.desk.clone(), self.feed.clone(), describe, self.status.clone()).unwrap()
    }

    /// Ends when something holds the door up.
    async fn held_up(&self) {
        while self.status.view().problem.is_none() {
            tokio::task::yield_now().await;
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Drops a file as the own system does; opens a door first when the folders are not there yet.
    fn drop_file(&self, name: &str, file: &Value) {
        fs::write(self.path("in").join(name), file.to_string()).unwrap();
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names
    }
}

fn case_view() -> CaseView {
    let id: CaseId = CASE.parse().unwrap();
    CaseView {
        id,
        label: Label::of(id),
        version: 7,
        standing: Standing::Lead,
        responsibility: responsibility(),
        opened: "2026-11-22T02:00:00Z".parse().unwrap(),
        changed: "2026-11-22T02:00:00Z".parse().unwrap(),
        hops: 0,
        epoch: "1.0".to_owned(),
        open_handover: None,
        handovers: Vec::new(),
        consultations: Vec::new(),
        erasure: Default::default(),
        dossier: None,
    }
}

fn responsibility() -> Responsibility {
    Responsibility {
        lead: Some("ura:90000123".parse().unwrap()),
        responsible: ["ura:90000123".parse().unwrap()].into(),
        sentence_nl: "Wij hebben de regie.".to_owned(),
        sentence_en: "We lead.".to_owned(),
        call: None,
    }
}

fn handover_view(full: bool, from: &str, received: Option<&str>) -> HandoverView {
    let case: CaseId = CASE.parse().unwrap();
    let dossier = schakel_domain::dossier::Dossier { situation: "Weggelopen.".into(), ..Default::default() };
    HandoverView {
        id: HANDOVER.parse().unwrap(),
        case,
        label: Label::of(case),
        version: 2,
        direction: Direction::Incoming,
        from: from.parse().unwrap(),
        to: "ura:90000456".parse().unwrap(),
        state: if received.is_some() { HandoverState::Completed } else { HandoverState::Offered },
        facts: Facts { received: received.map(|at| at.parse().unwrap()), ..Facts::default() },
        service: "ambulante-spoedhulp".to_owned(),
        urgency: "u2".to_owned(),
        respond_by: "2026-11-22T04:15:00Z".parse().unwrap(),
        clause: "5.1".to_owned(),
        sentence_nl: String::new(),
        sentence_en: String::new(),
        hops: 0,
        is_return: false,
        decline: None,
        offered_by: None,
        accepted_by: None,
        first_action: String::new(),
        first_action_at: None,
        key_points: 0,
        read_back: Vec::new(),
        content: Hash([0; 32]),
        dossier: full.then(|| Box::new(dossier)),
        next: None,
        responsibility: responsibility(),
    }
}

fn command(number: u32, fields: &Value) -> Value {
    let mut file = json!({
        "request_id": format!("0198f2c4-0000-7000-8000-{number:012x}"),
        "actor": { "person": "skj:110012345", "name": "K. de Wit", "function": "jeugdbeschermer" },
    });
    for (name, value) in fields.as_object().unwrap() {
        file[name] = value.clone();
    }
    file
}

fn open_case(number: u32) -> Value {
    command(number, &json!({ "command": "open-case", "dossier": { "situation": "Weggelopen." } }))
}

fn close_case(number: u32) -> Value {
    command(number, &json!({ "command": "close-case", "case": CASE, "reason": "opgelost" }))
}

fn handover() -> String {
    Resource::Handover(CASE.parse().unwrap(), HANDOVER.parse().unwrap()).to_string()
}

#[tokio::test]
async fn a_command_is_executed_answered_and_moved_away() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("zaak.json", &open_case(1));

    let scanned = door.scan().await.unwrap();

    assert_eq!(scanned, Scanned { done: 1, ..Scanned::default() });
    assert_eq!(kit.json("out/answers/zaak.answer.json")["result"]["resource"], format!("cases/{CASE}"));
    assert_eq!((kit.list("in"), kit.list("work"), kit.list("done")), (vec![], vec![], vec!["zaak.json".to_owned()]));
}

#[tokio::test]
async fn a_crash_after_executing_leaves_one_effect_and_one_answer() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("zaak.json", &open_case(1));
    // Executed, and then everything stops: the answer cannot be written.
    fs::remove_dir(kit.path("out/answers")).unwrap();
    assert!(door.scan().await.is_err());
    assert_eq!((kit.desk.executed(), kit.list("work")), (1, vec!["zaak.json".to_owned()]));
    drop(door);

    let scanned = kit.door().scan().await.unwrap();

    assert_eq!((scanned.done, kit.desk.executed()), (1, 1));
    assert_eq!((kit.list("out/answers"), kit.list("done")), (vec!["zaak.answer.json".to_owned()], vec!["zaak.json".to_owned()]));
}

#[tokio::test]
async fn a_crash_after_answering_leaves_one_effect_and_one_answer() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("zaak.json", &open_case(1));
    fs::remove_dir(kit.path("done")).unwrap();
    assert!(door.scan().await.is_err());
    let first = fs::read(kit.path("out/answers/zaak.answer.json")).unwrap();
    drop(door);

    kit.door().scan().await.unwrap();

    assert_eq!(kit.desk.executed(), 1);
    assert_eq!(fs::read(kit.path("out/answers/zaak.answer.json")).unwrap(), first);
    assert_eq!((kit.list("work"), kit.list("done")), (vec![], vec!["zaak.json".to_owned()]));
}

#[tokio::test]
async fn the_same_command_in_two_files_has_one_effect_and_two_answers() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("a.json", &open_case(1));
    kit.drop_file("b.json", &open_case(1));

    door.scan().await.unwrap();

    assert_eq!(kit.desk.executed(), 1);
    assert_eq!(kit.list("out/answers"), ["a.answer.json", "b.answer.json"]);
}

#[tokio::test]
async fn a_name_used_again_keeps_both_files() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("a.json", &open_case(1));
    door.scan().await.unwrap();
    kit.drop_file("a.json", &open_case(2));

    door.scan().await.unwrap();

    assert_eq!((kit.desk.executed(), kit.list("done").len()), (2, 2));
}

#[tokio::test]
async fn a_new_file_of_the_same_name_waits_until_the_first_is_settled() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("a.json", &open_case(1));
    kit.desk.refuse_next(&[Reason::StoreUnavailable, Reason::StoreUnavailable]);
    door.scan().await.unwrap();
    kit.drop_file("a.json", &open_case(2));

    door.scan().await.unwrap();
    assert_eq!((kit.list("in"), kit.list("work")), (vec!["a.json".to_owned()], vec!["a.json".to_owned()]));
    door.scan().await.unwrap();
    door.scan().await.unwrap();

    assert_eq!((kit.desk.executed(), kit.list("done").len()), (2, 2));
}

#[tokio::test]
async fn a_refused_command_is_set_apart_with_its_reason_in_two_languages() {
    let kit = Kit::new();
    let mut config = kit.config();
    let line = Call {
        organization: "ura:90000123".parse().unwrap(),
        name: "Crisisdienst".to_owned(),
        line: "24 uur".to_owned(),
        telephone: "+31000000063".to_owned(),
    };
    config.call = Whom::new(move || Some(line.clone()));
    let door = kit.door_with(config, false);
    kit.drop_file("zaak.json", &open_case(1));
    kit.desk.refuse_next(&[Reason::CovenantDenied]);

    let scanned = door.scan().await.unwrap();

    let reason = kit.json("refused/zaak.reason.json");
    assert_eq!(scanned.refused, 1);
    assert_eq!(reason["problems"][0]["reason"], "COVENANT_DENIED");
    assert_eq!(reason["problems"][0]["nl"]["sentence"], "Het convenant staat dit niet toe.");
    assert_eq!(reason["problems"][0]["en"]["sentence"], "The covenant does not allow this.");
    assert_eq!(reason["call"]["telephone"], "+31000000063");
    assert_eq!((kit.list("refused"), kit.desk.executed()), (vec!["zaak.json".to_owned(), "zaak.reason.json".to_owned()], 0));
}

#[tokio::test]
async fn a_broken_file_is_refused_by_field_and_holds_up_nothing() {
    let kit = Kit::new();
    let door = kit.door();
    let mut wrong = open_case(1);
    wrong["dossier"]["colour"] = json!("red");
    kit.drop_file("1.json", &wrong);
    fs::write(kit.path("in/2.json"), "{\"request_id\":").unwrap();
    kit.drop_file("3.json", &open_case(3));

    let scanned = door.scan().await.unwrap();

    assert_eq!(scanned, Scanned { done: 1, refused: 2, ..Scanned::default() });
    assert_eq!(kit.json("refused/1.reason.json")["problems"][0]["field"], "dossier.colour");
    assert_eq!(kit.json("refused/2.reason.json")["problems"][0]["field"], "file");
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_without_being_read_whole() {
    let kit = Kit::new();
    let door = kit.door();
    fs::File::create(kit.path("in/groot.json")).unwrap().set_len(1 << 40).unwrap();

    door.scan().await.unwrap();

    assert_eq!(kit.json("refused/groot.reason.json")["problems"][0]["reason"], "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn what_is_still_being_written_is_left_alone() {
    let kit = Kit::new();
    let door = kit.door();
    for name in [".a.json", "a.json.tmp", "a.json.part", "a.txt", ".json"] {
        kit.drop_file(name, &open_case(1));
    }

    let scanned = door.scan().await.unwrap();

    assert_eq!((scanned, kit.list("in").len()), (Scanned::default(), 5));
}

#[tokio::test]
async fn links_folders_and_endless_names_are_ignored_and_said_so_once() {
    let kit = Kit::new();
    let door = kit.door();
    let outside = kit.path("outside.json");
    fs::write(&outside, open_case(1).to_string()).unwrap();
    symlink(&outside, kit.path("in/link.json")).unwrap();
    fs::create_dir(kit.path("in/map.json")).unwrap();
    kit.drop_file(&format!("{}.json", "x".repeat(200)), &open_case(2));

    door.scan().await.unwrap();
    let first = fs::metadata(kit.path("refused/link.reason.json")).unwrap().modified().unwrap();
    door.scan().await.unwrap();

    assert_eq!((kit.desk.executed(), kit.list("in").len(), kit.list("refused").len()), (0, 3, 3));
    assert_eq!(fs::metadata(kit.path("refused/link.reason.json")).unwrap().modified().unwrap(), first);
}

#[tokio::test]
async fn a_command_waits_for_the_store_says_so_and_is_executed_once_it_is_back() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("1.json", &open_case(1));
    kit.drop_file("2.json", &open_case(2));
    kit.desk.refuse_next(&[Reason::StoreUnavailable]);

    let down = door.scan().await.unwrap();
    assert_eq!(down, Scanned { waiting: 1, ..Scanned::default() }, "the second is not tried: it would get the same answer");
    assert_eq!(kit.json("out/answers/1.waiting.json")["problems"][0]["nl"]["remedy"], "Bel; probeer het daarna opnieuw.");
    let up = door.scan().await.unwrap();

    assert_eq!((up.done, kit.desk.executed()), (2, 2));
    assert_eq!(kit.list("out/answers"), ["1.answer.json", "2.answer.json"]);
}

#[tokio::test]
async fn a_full_disk_holds_up_what_needs_room_and_nothing_behind_it() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("1.json", &open_case(1));
    kit.drop_file("2.json", &open_case(2));
    kit.desk.refuse_next(&[Reason::StorageFull]);

    let scanned = door.scan().await.unwrap();

    assert_eq!(scanned, Scanned { done: 1, waiting: 1, ..Scanned::default() });
}

#[tokio::test]
async fn a_version_that_was_left_out_is_the_version_of_now() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("1.json", &close_case(1));
    kit.desk.refuse_next(&[Reason::StaleEtag, Reason::StaleEtag]);

    door.scan().await.unwrap();

    let executed = kit.desk.executed.lock().unwrap();
    assert!(matches!(&executed[..], [CareAct::CloseCase { case, .. }] if case.version == 7), "{executed:?}");
}

#[tokio::test]
async fn a_version_that_was_given_is_judged_as_given() {
    let kit = Kit::new();
    let door = kit.door();
    let mut file = close_case(1);
    file["version"] = json!(3);
    kit.drop_file("1.json", &file);
    kit.desk.refuse_next(&[Reason::StaleEtag]);

    door.scan().await.unwrap();

    assert_eq!(kit.json("refused/1.reason.json")["problems"][0]["reason"], "STALE_ETAG");
    assert!(kit.desk.reads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_command_executed_before_a_crash_is_answered_although_its_case_cannot_be_read_any_more() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("1.json", &close_case(1));
    door.scan().await.unwrap();
    *kit.desk.unreadable.lock().unwrap() = Some(Reason::NotFound);
    kit.drop_file("1.json", &close_case(1));

    let scanned = door.scan().await.unwrap();

    assert_eq!((scanned.done, kit.desk.executed()), (1, 1));
}

#[tokio::test]
async fn a_return_goes_to_whoever_handed_the_case_over_last() {
    let kit = Kit::new();
    let door = kit.door();
    let fields = json!({ "command": "return", "case": CASE, "service": "jeugdbescherming", "urgency": "u3" });
    kit.drop_file("1.json", &command(1, &fields));

    door.scan().await.unwrap();

    let executed = kit.desk.executed.lock().unwrap();
    assert!(matches!(&executed[..], [CareAct::Offer(offer)] if offer.to == Some("ura:90000777".parse().unwrap())), "{executed:?}");
}

#[tokio::test]
async fn one_look_takes_a_bounded_number_of_files_in_order_of_their_names() {
    let kit = Kit::new();
    let door = kit.door_with(Config { files_per_scan: 2, ..kit.config() }, false);
    for number in 1..=5 {
        kit.drop_file(&format!("{number}.json"), &open_case(number));
    }

    let first = door.scan().await.unwrap();

    assert_eq!(first, Scanned { done: 2, more: true, ..Scanned::default() });
    assert_eq!(kit.list("in"), ["3.json", "4.json", "5.json"]);
}

#[tokio::test]
async fn executed_and_refused_files_are_removed_each_after_its_time() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("a.json", &open_case(1));
    kit.drop_file("b.json", &json!({}));
    for dropped in ["in/a.json", "in/b.json"] {
        fs::set_permissions(kit.path(dropped), fs::Permissions::from_mode(0o644)).unwrap();
    }
    door.scan().await.unwrap();
    for kept in ["done/a.json", "refused/b.json", "refused/b.reason.json"] {
        let mode = fs::metadata(kit.path(kept)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{kept} holds care content");
    }

    let second = Duration::from_secs(1);
    assert_eq!(door.sweep(since_1970()).await.unwrap(), Swept::default(), "just moved");
    let a_day_later = door.sweep(since_1970() + KEEP_DONE + second).await.unwrap();
    assert_eq!((a_day_later, kit.list("refused").len()), (Swept { done: 1, refused: 0 }, 2));
    let a_week_later = door.sweep(since_1970() + KEEP_REFUSED + second).await.unwrap();

    assert_eq!(a_week_later, Swept { done: 0, refused: 2 });
    assert!(kit.list("done").is_empty() && kit.list("refused").is_empty());
}

#[tokio::test]
async fn a_folder_has_one_door() {
    let kit = Kit::new();
    let _first = kit.door();
    let describe = Arc::new(Describer::new(kit.desk.clone(), profile(&kit)));

    let second = FileDropDoor::open(kit.config(), kit.desk.clone(), kit.feed.clone(), describe, status());

    assert_eq!(second.err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
}

/// A status whose clock stands still.
fn status() -> Arc<AdapterStatus> {
    Arc::new(AdapterStatus::new("dossiersysteem", "file-drop", Box::new(|| NOW.parse().unwrap())))
}

fn profile(kit: &Kit) -> Profile {
    Profile { caller: kit.config().caller, responsible: Actor::parse("skj:1", "K. de Wit", "coördinator").unwrap(), content: false }
}

#[tokio::test]
async fn what_happened_is_told_in_order_with_whom_to_call_and_by_when() {
    let kit = Kit::new();
    let door = kit.door();
    kit.feed.happens(1, "case.opened", &format!("cases/{CASE}"));
    kit.feed.happens(2, "peer.stopped", "peers/ura:90000999");
    kit.feed.happens(3, "handover.offered", &handover());

    assert_eq!(door.announce().await.unwrap(), 2);

    let names = kit.list("out/notices");
    assert_eq!(names, ["00000000000000000001-case.opened.json", "00000000000000000003-handover.offered.json"]);
    let notice = kit.json(&format!("out/notices/{}", names[1]));
    assert_eq!(notice["key"], format!("3:{}", handover()));
    assert_eq!(notice["respond_by"], "2026-11-22T04:15:00Z");
    assert_eq!(notice["responsibility"]["sentence_nl"], "Wij hebben de regie.");
    assert_eq!(notice["content"], Value::Null);
}

#[tokio::test]
async fn a_notice_that_was_told_before_the_crash_comes_again_under_the_same_name() {
    let kit = Kit::new();
    let door = kit.door();
    kit.feed.happens(1, "handover.offered", &handover());
    // The notice is durable, and then everything stops: the cursor cannot be written.
    fs::create_dir(kit.path("cursor")).unwrap();
    assert!(door.announce().await.is_err());
    let first = kit.list("out/notices");
    let bytes = fs::read(kit.path("out/notices").join(&first[0])).unwrap();
    fs::remove_dir(kit.path("cursor")).unwrap();
    drop(door);

    assert_eq!(kit.door().announce().await.unwrap(), 1);

    assert_eq!(kit.list("out/notices"), first);
    assert_eq!(fs::read(kit.path("out/notices").join(&first[0])).unwrap(), bytes);
}

#[tokio::test]
async fn after_a_restart_only_what_is_new_is_told() {
    let kit = Kit::new();
    let door = kit.door();
    kit.feed.happens(1, "handover.offered", &handover());
    door.announce().await.unwrap();
    drop(door);
    fs::remove_file(kit.path("out/notices").join(&kit.list("out/notices")[0])).unwrap();
    kit.feed.happens(2, "handover.withdrawn", &handover());

    assert_eq!(kit.door().announce().await.unwrap(), 1);

    assert_eq!(kit.list("out/notices"), ["00000000000000000002-handover.withdrawn.json"]);
}

#[tokio::test]
async fn a_store_that_is_away_stops_the_cursor_and_loses_no_notice() {
    let kit = Kit::new();
    let door = kit.door();
    kit.feed.happens(1, "handover.offered", &handover());
    *kit.desk.unreadable.lock().unwrap() = Some(Reason::AuditUnavailable);
    assert!(matches!(door.announce().await, Err(notices::Stalled::Read(_))));
    assert!(kit.list("out/notices").is_empty(), "nothing is shown before its entry is durable");
    *kit.desk.unreadable.lock().unwrap() = None;

    assert_eq!(door.announce().await.unwrap(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_any_more_is_told_thin_and_holds_up_nothing() {
    let kit = Kit::new();
    let door = kit.door();
    kit.feed.happens(1, "handover.offered", &handover());
    *kit.desk.unreadable.lock().unwrap() = Some(Reason::NotFound);

    assert_eq!(door.announce().await.unwrap(), 1);

    let notice = kit.json("out/notices/00000000000000000001-handover.offered.json");
    assert_eq!((&notice["state"], &notice["responsibility"]), (&json!("offered"), &Value::Null));
}

#[tokio::test]
async fn content_is_told_only_to_a_system_that_may_have_it() {
    let kit = Kit::new();
    let door = kit.door_with(kit.config(), true);
    kit.feed.happens(1, "handover.offered", &handover());

    door.announce().await.unwrap();

    let notice = kit.json("out/notices/00000000000000000001-handover.offered.json");
    assert_eq!(notice["content"]["dossier"]["situation"], "Weggelopen.");
    assert!(matches!(kit.desk.reads.lock().unwrap()[..], [Read::Handover { full: false, .. }, Read::Handover { full: true, .. }]));
}

#[tokio::test]
async fn events_that_are_no_longer_kept_are_told_as_missed() {
    let kit = Kit::new();
    let door = kit.door();
    kit.feed.happens(1, "handover.offered", &handover());
    door.announce().await.unwrap();
    kit.feed.happens(9, "handover.withdrawn", &handover());

    door.announce().await.unwrap();

    assert!(kit.list("out/notices").contains(&"00000000000000000008-notices.missed.json".to_owned()));
}

#[tokio::test]
async fn a_cursor_from_before_a_restore_does_not_pass_over_new_events() {
    let kit = Kit::new();
    let door = kit.door();
    fs::write(kit.path("cursor"), "500\n").unwrap();
    kit.feed.happens(1, "handover.offered", &handover());
    door.announce().await.unwrap();
    kit.feed.happens(2, "handover.withdrawn", &handover());

    assert_eq!(door.announce().await.unwrap(), 1);
}

#[tokio::test]
async fn a_system_that_reads_nothing_gets_no_endless_pile() {
    let kit = Kit::new();
    let door = kit.door_with(Config { unread_notices: 20, ..kit.config() }, false);
    for seq in 1..=100 {
        kit.feed.happens(seq, "handover.offered", &handover());
    }

    assert!(matches!(door.announce().await, Err(notices::Stalled::Unread(_))));
    let told = kit.list("out/notices").len();
    for name in kit.list("out/notices") {
        fs::remove_file(kit.path("out/notices").join(name)).unwrap();
    }
    let _ = door.announce().await;

    assert!(told < 100 && kit.list("out/notices")[0] > format!("{told:020}"), "the next ones, none twice");
}

#[tokio::test]
async fn a_running_door_takes_commands_and_stops_when_asked() {
    let kit = Kit::new();
    let door = kit.door();
    kit.drop_file("1.json", &open_case(1));

    door.run(kit.desk.busy.notified()).await;

    assert_eq!(kit.desk.executed(), 1);
}

#[tokio::test]
async fn an_operator_sees_what_waits_when_it_last_worked_and_what_holds_it_up() {
    let kit = Kit::new();
    let door = kit.door_with(Config { unread_notices: 1, ..kit.config() }, false);
    assert_eq!((kit.status.view().waiting, kit.status.view().active, kit.status.view().problem), (0, None, None));

    kit.feed.happens(1, "handover.offered", &handover());
    door.run(kit.held_up()).await;

    let held_up = kit.status.view();
    assert_eq!((held_up.name.as_str(), held_up.kind.as_str()), ("dossiersysteem", "file-drop"));
    assert_eq!((held_up.waiting, held_up.active), (1, Some(NOW.parse().unwrap())));
    assert_eq!(held_up.problem.as_deref(), Some("telling notices: 1 notices wait to be read"));

    for name in kit.list("out/notices") {
        fs::remove_file(kit.path("out/notices").join(name)).unwrap();
    }
    kit.feed.happens(2, "handover.withdrawn", &handover());
    door.run(kit.held_up()).await;
    assert_eq!(kit.list("out/notices").len(), 1, "it went on, and is held up by the next");
}

#[tokio::test]
async fn a_quiet_folder_asks_the_desk_nothing() {
    let kit = Kit::new();
    let door = kit.door();

    for _ in 0..3 {
        assert_eq!(door.scan().await.unwrap(), Scanned::default());
        assert_eq!(door.announce().await.unwrap(), 0);
    }

    assert!(kit.desk.reads.lock().unwrap().is_empty() && kit.desk.executed() == 0);
    assert!(!kit.path("cursor").exists());
}

#[tokio::test]
async fn what_still_speaks_of_an_erased_case_goes_before_it_is_told() {
    let kit = Kit::new();
    let door = kit.door();
    kit.feed.happens(1, "handover.offered", &handover());
    kit.feed.happens(2, "consultation.asked", "consultations/0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b39");
    door.announce().await.unwrap();
    fs::write(kit.path("done/zaak.json"), "{}").unwrap();
    fs::write(kit.path("refused/anders.json"), format!(r#"{{"case":"cases/{CASE}"}}"#)).unwrap();
    fs::write(kit.path("refused/van-een-ander.json"), "{}").unwrap();
    kit.feed.happens(3, "case.erased", &format!("cases/{CASE}"));

    door.announce().await.unwrap();

    assert_eq!((kit.list("done"), kit.list("refused")), (vec![], vec!["van-een-ander.json".to_owned()]));
    let notices = kit.list("out/notices");
    assert!(notices.iter().all(|name| !name.starts_with("00000000000000000001-")), "{notices:?}");
    assert!(notices.iter().any(|name| name.ends_with("-case.erased.json")), "{notices:?}");
}
