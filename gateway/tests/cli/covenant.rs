//! Covenants: who may sign as leaving, and what a broken or foreign one is answered with.

use super::{Desk, gelderland, key_of};

const PRO_PERSONA: &str = "ura:90000102";

/// Version 1 signed by all as `first.json`, and version 2, in which nothing but its number changed, unsigned as `c.json`.
fn second_version() -> (Desk, Vec<String>) {
    let desk = Desk::new();
    let parties = desk.drafted();
    parties.iter().for_each(|id| desk.sign(id));
    std::fs::rename(desk.path("c.json"), desk.path("first.json")).unwrap();
    let text = std::fs::read_to_string(gelderland()).unwrap();
    desk.write("next.toml", &text.replacen("version = 1", "version = 2\nchange = \"ordinary\"", 1).replacen("2026-01-01", "2027-01-01", 1));
    desk.ok(&["keys", "new", "root", "--out", "renewed.key"]);
    let keys: Vec<_> = parties
        .iter()
        .map(|id| format!("--root-key={id}={}.pub", if id == PRO_PERSONA { "renewed.key".to_owned() } else { key_of(id) }))
        .collect();
    let mut args = vec!["covenant", "new", "--from", "next.toml", "--predecessor", "first.json", "--out", "c.json"];
    args.extend(keys.iter().map(String::as_str));
    desk.ok(&args);
    (desk, parties)
}

#[test]
fn whoever_leaves_signs_with_the_root_key_of_the_version_before_and_no_other_key_touches_the_bundle() {
    let (desk, parties) = second_version();
    let leave = |file: &str, key: &str, before: &[&str]| {
        desk.run(&[&["covenant", "sign", file, "--org", PRO_PERSONA, "--key", key, "--leaving"], before].concat())
    };
    let (first, before) = (desk.read("first.json"), desk.read("c.json"));

    let alone = leave("first.json", &key_of(&parties[0]), &[]);
    let stranger = leave("c.json", &key_of("oin:00000003900000000000"), &["--predecessor", "first.json"]);
    let of_another = parties.iter().find(|id| *id != PRO_PERSONA).unwrap();
    let other = leave("c.json", &key_of(of_another), &["--predecessor", "first.json"]);
    let no_successor = leave("first.json", &key_of(PRO_PERSONA), &["--predecessor", "first.json"]);

    assert_eq!((alone.code, stranger.code, other.code, no_successor.code), (2, 1, 1, 1));
    assert!(alone.err.contains("--predecessor"), "{}", alone.err);
    assert!(other.err.contains("IDENTITY_MISMATCH") && other.err.contains("version 1"), "{}", other.err);
    assert_eq!((desk.read("first.json"), desk.read("c.json")), (first, before));

    let agreed = leave("c.json", &key_of(PRO_PERSONA), &["--predecessor", "first.json"]);
    desk.ok(&["covenant", "sign", "c.json", "--org", PRO_PERSONA, "--key", "renewed.key"]);
    parties.iter().filter(|id| *id != PRO_PERSONA).for_each(|id| desk.sign(id));

    assert_eq!(agreed.code, 0, "{}", agreed.err);
    desk.ok(&["covenant", "verify", "c.json", "--predecessor", "first.json"]);
}

#[test]
fn an_explanation_says_first_whether_it_applies_and_is_no_good_result_when_nothing_does() {
    let desk = Desk::new();
    desk.drafted().iter().for_each(|id| desk.sign(id));
    let whole = desk.read("c.json");
    desk.write("altered.json", &whole.replacen("Gelderland Youth Crisis", "Gelderland Youth Crisys", 1));
    desk.write("cut.json", &whole[..whole.len() / 2]);
    let explain = |file: &str, org: &str| desk.json(&["covenant", "explain", file, "--org", org]);

    let (fine, said) = explain("c.json", PRO_PERSONA);
    let (altered, broken) = explain("altered.json", PRO_PERSONA);
    let (cut, _) = explain("cut.json", PRO_PERSONA);
    let (stranger, none) = explain("c.json", "ura:99999999");
    let (text, draft) = explain(&gelderland().display().to_string(), PRO_PERSONA);

    assert_eq!((fine, altered, cut, stranger, text), (0, 3, 3, 3, 0));
    assert_eq!((said["standing"].as_str(), said["ok"].as_bool()), (Some("in-force"), Some(true)));
    assert_eq!((broken["standing"].as_str(), broken["ok"].as_bool()), (Some("broken"), Some(false)));
    assert_eq!((none["party"].as_bool(), none["ok"].as_bool()), (Some(false), Some(false)));
    assert_eq!(draft["standing"], "text");
    let words = broken["text"].as_str().unwrap();
    assert!(words.find("Let op:").unwrap() < words.find("WAT U MAG VRAGEN").unwrap(), "{words}");
}

#[test]
fn earlier_versions_of_a_text_are_no_question() {
    let desk = Desk::new();

    let run = desk.run(&["covenant", "explain", &gelderland().display().to_string(), "--org", PRO_PERSONA, "--predecessor", "nowhere"]);

    assert!(run.code == 2 && run.err.contains("earlier versions"), "{} {}", run.code, run.err);
}

#[test]
fn a_cut_bundle_is_a_problem_that_a_check_names_like_any_other() {
    let desk = Desk::new();
    desk.drafted();
    let whole = desk.read("c.json");
    desk.write("cut.json", &whole[..whole.len() / 2]);

    let (code, said) = desk.json(&["covenant", "check", "cut.json"]);
    let differing = desk.run(&["covenant", "diff", "c.json", "cut.json"]);

    assert_eq!((code, said["usable"].as_bool(), said["problems"][0]["path"].as_str()), (3, Some(false), Some("bundle")));
    assert!(differing.code == 3 && differing.out.contains("× bundle: cannot be read"), "{}", differing.out);
}

#[test]
fn what_only_keeps_a_text_from_being_signed_is_a_warning_and_no_error() {
    let desk = Desk::new();

    let run = desk.run(&["covenant", "check", &gelderland().display().to_string()]);

    assert_eq!(run.code, 0);
    assert!(run.out.contains("‼ parties[") && !run.out.contains('×'), "{}", run.out);
}
