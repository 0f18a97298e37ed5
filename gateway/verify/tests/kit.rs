//! An invented log: entries as a gateway writes them, and their export.

use std::path::Path;

use schakel_domain::audit::checkpoint::{Checkpoint, origin};
use schakel_domain::audit::commitment::{Commitment, Disclosure, Salt};
use schakel_domain::audit::entry::{CovenantRef, Decision, Entry, Event, Object, Peer, Responsible, Source, User};
use schakel_domain::audit::event::{EventCode, Outcome};
use schakel_domain::audit::export::{Exporter, File};
use schakel_domain::audit::note::{KeyType, Signer};
use schakel_domain::audit::tree::{Frontier, leaf_hash};
use schakel_domain::id::{Hash, OrgId, RequestId};
use uuid::Uuid;

/// Unix seconds of the first entry.
const START: i64 = 1_795_300_000;

/// The log's key; invented, so its seed may stand here.
pub(crate) fn signer() -> Signer {
    Signer::from_seed(&origin(&keeper()), KeyType::Ed25519, &[42; 32]).expect("a good name and seed")
}

fn keeper() -> OrgId {
    "ura:90000382".parse().expect("an organization id")
}

fn salt(index: u64) -> Salt {
    let hash = Hash::sha256(&index.to_be_bytes());
    Salt::new(hash.0)
}

fn client(index: u64) -> String {
    format!("client {}", index % 17)
}

/// Entry number `index`: reads, refusals, starts and handovers in turn.
pub(crate) fn entry(index: u64) -> Entry {
    let now = jiff::Timestamp::from_millisecond((START + i64::try_from(index).expect("small")) * 1000 + 7).expect("in range");
    let codes = EventCode::ALL;
    let code = codes[usize::try_from(index).expect("small") % codes.len()];
    let covenant = CovenantRef { id: "gelderland".to_owned(), version: 3, clause: format!("4.{}", index % 9) };
    let case = Uuid::from_u128(0x0198_f2c0_11aa_7cc0_8e55_0000_0000_0000 + u128::from(index % 50));
    let user = match index % 3 {
        0 => User::person(format!("p-{:04}", index % 40), "crisis nurse").at("console", "post 3"),
        1 => User::process("courier", "process", Responsible::new("p-0007", "duty officer")),
        _ => User::organization(&"ura:90000123".parse().expect("an organization id"), "peer"),
    };
    let decision = match index % 5 {
        0 => Decision::denied("COVENANT_DENIED", "Het convenant staat dit niet toe. (artikel 4.2)"),
        _ => Decision::allowed("4.2", "De ontvanger van een aanbod mag het lezen; wie \"nee\" zegt, legt uit waarom."),
    };
    let outcome = if index.is_multiple_of(5) { Outcome::Refused } else { Outcome::Done };
    let object = Object::new("case", "uuid", case.to_string(), covenant.protocol()).at_version((index % 7).to_string());
    let source = Source { org: keeper(), gateway: "gw-1".to_owned() };
    let entry = Entry::new(Event::new(code, outcome, now), user, object, source, decision.under(covenant, "crisis"))
        .with_request(RequestId::new(Uuid::from_u128(u128::from(index) + 1)))
        .with_trace(format!("{:032x}", u128::from(index) * 7919));
    if index.is_multiple_of(4) { about_client(entry, index) } else { entry }
}

fn about_client(mut entry: Entry, index: u64) -> Entry {
    entry.objects[0] = entry.objects[0].clone().about_client("handover-accepted", "jeugdwet-7.3.11");
    let mut peer = Peer::new("ura:90000123".parse().expect("an organization id"));
    peer.message = Some(Hash::sha256(format!("message {index}").as_bytes()));
    entry.with_client(Commitment::new(&salt(index), &client(index))).with_peer(peer).with_custody(index, index + 1)
}

/// The salts of the first few entries about a client.
pub(crate) fn salts(count: u64) -> Vec<Disclosure> {
    let about = (0..count).filter(|index| index.is_multiple_of(4)).take(5);
    about.map(|index| Disclosure { index, salt: salt(index), value: client(index) }).collect()
}

/// A whole export of this many entries.
pub(crate) fn export(count: u64) -> Vec<File> {
    let entries: Vec<Vec<u8>> = (0..count).map(|index| entry(index).bytes().expect("a good entry")).collect();
    export_of(&entries, &salts(count))
}

/// A signed export of any bytes.
pub(crate) fn export_of(entries: &[Vec<u8>], salts: &[Disclosure]) -> Vec<File> {
    let mut exporter = Exporter::new(&checkpoint_of(entries), signer().vkey().clone()).expect("our own checkpoint");
    let mut files: Vec<File> = entries.iter().flat_map(|entry| exporter.push(entry).expect("within the size")).collect();
    files.extend(exporter.finish(salts, None).expect("the signed entries"));
    files
}

/// The signed checkpoint over any bytes.
pub(crate) fn checkpoint_of(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut frontier = Frontier::new();
    entries.iter().for_each(|entry| frontier.push(leaf_hash(entry), |_, _, _| {}));
    let checkpoint = Checkpoint { origin: origin(&keeper()), size: frontier.size(), root: frontier.root() };
    checkpoint.sign(&signer()).expect("our own log").to_string().into_bytes()
}

/// Writes the files of an export into a directory.
pub(crate) fn write(directory: &Path, files: &[File]) -> std::io::Result<()> {
    for (path, bytes) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
        std::fs::write(path, bytes)?;
    }
    Ok(())
}
