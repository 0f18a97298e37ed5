//! The command line as people and scripts use it: the real program, its output and its exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use schakel::config::keys::read_private;
use schakel_domain::party_record::PartyRecord;
use serde_json::Value;
use tempfile::TempDir;

#[path = "cli/asked.rs"]
mod asked;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/covenant.rs"]
mod covenant;
#[path = "cli/demo.rs"]
mod demo;

/// The parties of `deploy/covenants/gelderland.toml`.
fn parties() -> Vec<String> {
    let table: toml::Table = toml::from_str(&std::fs::read_to_string(gelderland()).unwrap()).unwrap();
    table["parties"].as_array().unwrap().iter().map(|party| party["id"].as_str().unwrap().to_owned()).collect()
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

fn gelderland() -> PathBuf {
    repository("deploy/covenants/gelderland.toml")
}

/// A folder in which the program is run.
struct Desk(TempDir);

/// What a run left behind.
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, args: &[&str]) -> Run {
        self.told(Command::new(env!("CARGO_BIN_EXE_schakel")).args(args), args)
    }

    /// A run with so little memory that a file without an end must have been read within a bound.
    fn run_small(&self, args: &[&str]) -> Run {
        let program = "ulimit -v 4000000; exec \"$0\" \"$@\"";
        self.told(Command::new("sh").args(["-c", program, env!("CARGO_BIN_EXE_schakel")]).args(args), args)
    }

    fn told(&self, command: &mut Command, args: &[&str]) -> Run {
        let output: Output = command.current_dir(self.0.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let run = Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!run.err.contains("panicked"), "{args:?}: {}", run.err);
        run
    }

    /// A run that must succeed.
    fn ok(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, 0, "{args:?}: {}{}", run.out, run.err);
        run.out
    }

    fn json(&self, args: &[&str]) -> (i32, Value) {
        let run = self.run(&[args, &["--json"]].concat());
        (run.code, serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{args:?}: not JSON: {}{}", run.out, run.err)))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A root key for every party and an unsigned bundle `c.json`.
    fn drafted(&self) -> Vec<String> {
        let parties = parties();
        let mut args = vec!["covenant".to_owned(), "new".into(), "--from".into(), gelderland().display().to_string()];
        args.extend(["--out".to_owned(), "c.json".into()]);
        for id in &parties {
            self.ok(&["keys", "new", "root", "--out", &key_of(id)]);
            args.extend(["--root-key".to_owned(), format!("{id}={}.pub", key_of(id))]);
        }
        self.ok(&args.iter().map(String::as_str).collect::<Vec<_>>());
        parties
    }

    fn sign(&self, id: &str) {
        self.ok(&["covenant", "sign", "c.json", "--org", id, "--key", &key_of(id)]);
    }
}

fn key_of(id: &str) -> String {
    format!("{}.key", id.replace(':', "-"))
}

#[test]
fn a_covenant_is_in_force_when_every_party_has_signed_and_not_one_before() {
    let desk = Desk::new();
    let parties = desk.drafted();
    let (last, others) = parties.split_last().unwrap();

    others.iter().for_each(|id| desk.sign(id));
    let early = desk.run(&["covenant", "verify", "c.json"]);
    desk.sign(last);
    let (code, done) = desk.json(&["covenant", "verify", "c.json"]);

    assert_eq!(early.code, 3);
    assert!(early.out.contains("not yet signed by ") && early.out.contains(last), "{}", early.out);
    assert_eq!((code, done["ok"].as_bool(), done["standing"].as_str()), (0, Some(true), Some("in-force")));
    assert_eq!(done["signed_by"].as_object().unwrap().len(), parties.len());
}

#[test]
fn one_altered_letter_or_a_cut_file_breaks_a_signed_covenant() {
    let desk = Desk::new();
    desk.drafted().iter().for_each(|id| desk.sign(id));
    let whole = desk.read("c.json");

    desk.write("altered.json", &whole.replacen("Gelderland Youth Crisis", "Gelderland Youth Crisys", 1));
    desk.write("cut.json", &whole[..whole.len() / 2]);

    let altered = desk.run(&["covenant", "verify", "altered.json"]);
    assert_eq!(altered.code, 3);
    assert!(altered.out.contains("does not hold: the document or its signature was altered"), "{}", altered.out);
    let (code, cut) = desk.json(&["covenant", "verify", "cut.json"]);
    assert_eq!((code, cut["standing"].as_str()), (3, Some("broken")));
}

#[test]
fn nobody_signs_with_another_partys_key_and_the_bundle_stays_as_it_was() {
    let desk = Desk::new();
    let parties = desk.drafted();
    let before = desk.read("c.json");

    let refused = desk.run(&["covenant", "sign", "c.json", "--org", &parties[0], "--key", &key_of(&parties[1])]);

    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("IDENTITY_MISMATCH") && refused.err.contains(&parties[0]), "{}", refused.err);
    assert_eq!(desk.read("c.json"), before);
}

#[test]
fn the_next_version_names_its_predecessor_and_is_verified_with_it() {
    let desk = Desk::new();
    let parties = desk.drafted();
    parties.iter().for_each(|id| desk.sign(id));
    std::fs::rename(desk.path("c.json"), desk.path("first.json")).unwrap();
    let text = std::fs::read_to_string(gelderland()).unwrap();
    desk.write("next.toml", &text.replacen("version = 1", "version = 2\nchange = \"ordinary\"", 1).replacen("2026-01-01", "2027-01-01", 1));

    let mut args = vec!["covenant", "new", "--from", "next.toml", "--predecessor", "first.json", "--out", "c.json"];
    let keys: Vec<_> = parties.iter().map(|id| format!("--root-key={id}={}.pub", key_of(id))).collect();
    args.extend(keys.iter().map(String::as_str));
    desk.ok(&args);
    parties.iter().for_each(|id| desk.sign(id));

    assert_eq!(desk.run(&["covenant", "verify", "c.json"]).code, 3);
    desk.ok(&["covenant", "verify", "c.json", "--predecessor", "first.json"]);
    let said = desk.ok(&["covenant", "diff", "first.json", "c.json"]);
    assert!(said.contains("Version: 1 becomes 2.") && said.contains("In force from: 2026-01-01 becomes 2027-01-01."), "{said}");
}

#[test]
fn a_covenant_is_explained_in_dutch_unless_english_is_asked_for() {
    let desk = Desk::new();
    let file = gelderland().display().to_string();

    let dutch = desk.ok(&["covenant", "explain", &file, "--org", "ura:90000102"]);
    let english = desk.ok(&["covenant", "explain", &file, "--org", "ura:90000102", "--lang", "en"]);

    for fact in
        ["Uitleg voor Pro Persona", "WAT U MAG VRAGEN", "WAT U MOET BEANTWOORDEN", "Artikel ", "Grondslag: ", "binnen", "+310000001"]
    {
        assert!(dutch.contains(fact), "{fact}: {dutch}");
    }
    for fact in
        ["Explained for Pro Persona", "WHAT YOU MAY ASK", "WHAT YOU MUST ANSWER", "Clause ", "Legal basis: ", "within", "+310000001"]
    {
        assert!(english.contains(fact), "{fact}: {english}");
    }
}

#[test]
fn an_unsigned_bundle_says_in_its_explanation_that_it_does_not_bind_yet() {
    let desk = Desk::new();
    desk.drafted();

    let said = desk.ok(&["covenant", "explain", "c.json", "--org", "ura:90000102"]);

    assert!(said.contains("dit convenant geldt nog niet") && said.contains("Pactum"), "{said}");
}

#[test]
fn a_check_names_place_problem_and_remedy_and_a_draft_without_keys_is_sound() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(gelderland()).unwrap();
    desk.write("wrong.toml", &text.replacen("audit_log_years = 5", "audit_log_years = 1", 1));
    desk.write("broken.toml", &text.replacen("version = 1", "version = ", 1));
    desk.write("unknown.toml", &text.replacen("version = 1", "version = 1\ncolour = \"red\"", 1));

    let (code, draft) = desk.json(&["covenant", "check", &gelderland().display().to_string()]);
    let wrong = desk.run(&["covenant", "check", "wrong.toml"]);

    assert_eq!((code, draft["usable"].as_bool(), draft["can_be_signed"].as_bool()), (0, Some(true), Some(false)));
    assert!(wrong.code == 3 && wrong.out.contains("retention.audit_log_years"), "{}", wrong.out);
    let line = 1 + text.lines().position(|line| line == "version = 1").unwrap();
    for (file, says) in [("broken.toml", format!("line {line}")), ("unknown.toml", "colour".to_owned())] {
        let run = desk.run(&["covenant", "check", file]);
        assert!(run.code == 3 && run.out.contains(&says), "{file}: {}", run.out);
    }
}

#[test]
fn a_text_with_a_problem_becomes_no_bundle() {
    let desk = Desk::new();

    let keyless = desk.run(&["covenant", "new", "--from", &gelderland().display().to_string(), "--out", "c.json"]);

    assert_eq!(keyless.code, 3);
    assert!(keyless.out.contains("root_key"), "{}", keyless.out);
    assert!(!desk.path("c.json").exists());
}

/// Certificate, keys and text of a party record of Pro Persona that ends at `expires`.
fn record_text(desk: &Desk, expires: &str) {
    desk.ok(&["certs", "dev", "--out", "pki", "--org", "ura:90000102:gw.example.nl"]);
    desk.ok(&["keys", "new", "root", "--out", "root.key"]);
    desk.ok(&["keys", "new", "signing", "--out", "signing.key"]);
    let text = format!(
        r#"
        org = "ura:90000102"
        number = 1
        expires = "{expires}"
        endpoint = "gw.example.nl:8443"
        certificates = ["pki/ura-90000102/gateway.crt"]
        duty = {{ label = "crisisdienst", number = "+31000000102" }}
        signing_keys = [{{ file = "signing.key.pub" }}]
        telephones = [{{ label = "dag en nacht", number = "+31000000102" }}]
        "#
    );
    desk.write("record.toml", &text);
}

fn in_days(days: i64) -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days)).to_string()
}

#[test]
fn a_party_record_is_made_signed_shown_and_verified() {
    let desk = Desk::new();
    record_text(&desk, &in_days(200));

    desk.ok(&["record", "new", "--from", "record.toml", "--out", "r.json"]);
    desk.ok(&["record", "sign", "r.json", "--key", "root.key", "--out", "signed.json"]);
    let shown = desk.ok(&["record", "show", "signed.json"]);
    let verified = desk.ok(&["record", "verify", "signed.json", "--root-key", "root.key.pub"]);

    assert!(shown.contains("gw.example.nl:8443") && shown.contains("+31000000102") && shown.contains("signed"), "{shown}");
    assert!(verified.contains("√ signature holds; valid"), "{verified}");
}

#[test]
fn an_altered_or_foreign_record_is_found() {
    let desk = Desk::new();
    record_text(&desk, &in_days(200));
    desk.ok(&["record", "new", "--from", "record.toml", "--out", "r.json"]);
    desk.ok(&["record", "sign", "r.json", "--key", "root.key", "--out", "signed.json"]);
    desk.write("altered.json", &desk.read("signed.json").replacen("gw.example.nl", "gw.example.ml", 1));
    desk.write("cut.json", &desk.read("signed.json")[..100]);

    for (file, key) in [("altered.json", "root.key.pub"), ("signed.json", "signing.key.pub")] {
        let (code, said) = desk.json(&["record", "verify", file, "--root-key", key]);
        assert_eq!((code, said["reason"].as_str()), (3, Some("BAD_SIGNATURE")), "{file}");
    }
    assert_eq!(desk.run(&["record", "verify", "cut.json", "--root-key", "root.key.pub"]).code, 3);
}

#[test]
fn an_expired_record_is_found_although_its_signature_holds() {
    let desk = Desk::new();
    record_text(&desk, &in_days(200));
    desk.ok(&["record", "new", "--from", "record.toml", "--out", "r.json"]);
    let made: PartyRecord = serde_json::from_str(&desk.read("r.json")).unwrap();
    let (issued, expires) = (in_days(-20).parse().unwrap(), in_days(-1).parse().unwrap());
    let signed = PartyRecord { issued, expires, ..made }.sign(&read_private(&desk.path("root.key")).unwrap()).unwrap();
    desk.write("signed.json", &signed.to_json());

    let (code, said) = desk.json(&["record", "verify", "signed.json", "--root-key", "root.key.pub"]);

    assert_eq!((code, said["standing"].as_str()), (3, Some("expired")));
}

#[test]
fn a_record_text_names_the_line_and_field_that_is_wrong() {
    let desk = Desk::new();
    record_text(&desk, &in_days(200));
    desk.write("record.toml", &desk.read("record.toml").replace("gw.example.nl:8443", "gw.example.nl"));

    let run = desk.run(&["record", "new", "--from", "record.toml", "--out", "r.json"]);

    assert_eq!(run.code, 3);
    assert!(run.out.contains("line 5") && run.out.contains("endpoint"), "{}", run.out);
    assert!(!desk.path("r.json").exists());
}

#[test]
fn throw_away_certificates_pass_the_check_and_a_request_or_a_ca_does_not() {
    let desk = Desk::new();
    desk.ok(&["certs", "dev", "--out", "pki", "--org", "ura:90000102", "--org", "kvk:90000101:gw.example.nl"]);
    desk.ok(&["certs", "csr", "--org", "ura:90000102", "--host", "gw.example.nl", "--out", "real"]);

    let fine = desk.ok(&["certs", "check", "pki/ura-90000102/gateway.crt", "pki/kvk-90000101/gateway.crt"]);
    let (code, said) = desk.json(&["certs", "check", "pki/ca.crt", "real/gateway.csr"]);

    assert!(fine.contains("urn:schakel:organization:ura:90000102"), "{fine}");
    assert_eq!(code, 3);
    assert!(said["files"].as_array().unwrap().iter().all(|file| file["ok"] == false), "{said}");
    assert_eq!(desk.run(&["certs", "csr", "--org", "ura:90000102", "--host", "gw.example.nl", "--out", "real"]).code, 1);
}

#[test]
fn keys_are_private_named_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();

    for kind in ["root", "signing", "vault"] {
        desk.ok(&["keys", "new", kind, "--out", &format!("{kind}.key")]);
        let mode = std::fs::metadata(desk.path(&format!("{kind}.key"))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let log = desk.ok(&["keys", "new", "log", "--org", "ura:90000102", "--out", "log.key"]);
    let before = desk.read("root.key");
    let again = desk.run(&["keys", "new", "root", "--out", "root.key"]);

    assert!(log.contains("schakel/ura:90000102+"), "{log}");
    assert!(again.code == 1 && again.err.contains("root.key") && desk.read("root.key") == before);
    assert_eq!(desk.run(&["keys", "new", "log", "--out", "other.key"]).code, 2);
    let left: Vec<_> = std::fs::read_dir(desk.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".new")), "{left:?}");
}

#[test]
fn reasons_and_descriptors_are_those_of_this_version() {
    let desk = Desk::new();

    let (_, reasons) = desk.json(&["api", "reasons"]);
    desk.ok(&["api", "descriptors", "--out", "d.bin"]);

    let denied = reasons["reasons"].as_array().unwrap().iter().find(|row| row["code"] == "COVENANT_DENIED").unwrap();
    assert_eq!(denied["class"], "denied");
    assert!(denied["sentence"]["nl"].as_str().unwrap().ends_with('.'));
    assert_eq!(std::fs::read(desk.path("d.bin")).unwrap(), schakel_proto::DESCRIPTORS);
}

#[test]
fn a_missing_file_is_named_and_exits_1_and_a_wrong_command_exits_2() {
    let desk = Desk::new();

    for args in [
        vec!["covenant", "verify", "nowhere.json"],
        vec!["covenant", "explain", "nowhere.json", "--org", "ura:90000102"],
        vec!["record", "show", "nowhere.json"],
        vec!["certs", "check", "nowhere.json"],
        vec!["config", "check", "--config", "nowhere.json"],
    ] {
        let run = desk.run(&args);
        assert!(run.code == 1 && run.err.contains("nowhere.json") && run.out.is_empty(), "{args:?}: {} {}", run.code, run.err);
    }
    for args in [["covenant", "verify", "/dev/zero"].as_slice(), &["demo", "--check", "--scenario", "/dev/zero"]] {
        let endless = desk.run_small(args);
        assert!(endless.code == 1 && endless.err.contains("larger than"), "{args:?}: {}", endless.err);
    }
    let (code, said) = desk.json(&["covenant", "verify", "nowhere.json"]);
    assert!(code == 1 && said["ok"] == false && said["error"]["message"].as_str().unwrap().contains("nowhere.json"));
    for args in [
        vec!["dance"],
        vec!["covenant", "explain", "x", "--org", "ura:1"],
        vec!["covenant", "sign"],
        vec!["--lang", "fr", "api", "reasons"],
    ] {
        assert_eq!(desk.run(&args).code, 2, "{args:?}");
    }
    assert_eq!(desk.run(&["--help"]).code, 0);
}
