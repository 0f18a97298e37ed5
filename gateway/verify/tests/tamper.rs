//! Whatever is changed in an exported log is found, at the right index; and what the program says and returns.

mod kit;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use schakel_domain::audit::note::Vkey;
use schakel_domain::audit::tiles::take_entry;
use schakel_domain::audit::verify::{Check, Report, Trust, Unjudged, verify};
use schakel_domain::refusal::Lang;

/// Two full tiles and a partial one, so two levels.
const ENTRIES: u64 = 600;
/// How many tamperings on a log of how many entries; a thousand in all.
const TAMPERINGS: [(u64, usize); 2] = [(270, 800), (ENTRIES, 200)];

type Files = BTreeMap<String, Vec<u8>>;

fn check_with(files: &Files, trust: &Trust) -> Result<Report, Unjudged> {
    let mut read = |path: &str, at_most: usize| Ok(files.get(path).map(|bytes| bytes[..bytes.len().min(at_most)].to_vec()));
    verify(&mut read, trust)
}

fn check(files: &Files) -> Report {
    check_with(files, &Trust::default()).expect("readable")
}

fn files(entries: u64) -> Files {
    kit::export(entries).into_iter().collect()
}

fn first_fault(files: &Files) -> (Option<u64>, Check) {
    let finding = check(files).finding.expect("a fault");
    (finding.index, finding.check)
}

/// Seeded randomness (splitmix64): the same run every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).expect("below a usize")
    }
}

/// The byte offsets at which the entries of a bundle start.
fn starts(bundle: &[u8]) -> Vec<usize> {
    let mut rest = bundle;
    let mut starts = Vec::new();
    while !rest.is_empty() {
        starts.push(bundle.len() - rest.len());
        take_entry(&mut rest).expect("a whole bundle");
    }
    starts
}

/// Changes a file in one of eight ways. It may turn out the same, when equal things were swapped.
fn tamper(path: &str, whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let at = random.below(bytes.len());
    let ways = if path.starts_with("tile/entries/") { 8 } else { 5 };
    match random.below(ways) {
        0 => bytes[at] ^= u8::try_from(1 + random.below(255)).expect("a byte"),
        1 => drop(bytes.remove(at)),
        2 => bytes.insert(random.below(whole.len() + 1), u8::try_from(random.below(256)).expect("a byte")),
        3 => bytes.swap(at, random.below(whole.len())),
        4 => bytes.truncate(at),
        way => {
            let starts = starts(whole);
            let chosen = random.below(starts.len());
            let entry = starts[chosen]..starts.get(chosen + 1).copied().unwrap_or(whole.len());
            match way {
                5 => drop(bytes.drain(entry)),
                6 => drop(bytes.splice(entry.start..entry.start, whole[entry].to_vec())),
                _ => bytes[entry.start..].rotate_left(entry.len()),
            }
        }
    }
    bytes
}

/// The index that a change puts in doubt first: that of the entry, hash or subtree in which the first byte differs.
fn touched(path: &str, before: &[u8], after: &[u8]) -> u64 {
    let at = before.iter().zip(after).position(|(b, a)| b != a).unwrap_or(before.len().min(after.len()));
    let parts: Vec<&str> = path.split('/').collect();
    let ["tile", row, name, ..] = parts[..] else { return 0 };
    let first = 256 * name.trim_end_matches(".p").parse::<u64>().expect("a small index");
    if row == "entries" {
        return first + starts(before).iter().rposition(|start| *start <= at).expect("the first starts at zero") as u64;
    }
    let hash = at.min(before.len() - 1) as u64 / 32;
    (first + hash) * 256_u64.pow(row.parse().expect("a level"))
}

#[test]
fn every_one_of_a_thousand_tamperings_is_found_at_the_first_index_it_touches() {
    for (entries, tamperings) in TAMPERINGS {
        let whole = files(entries);
        assert!(check(&whole).ok());
        let paths: Vec<&String> = whole.keys().filter(|path| *path != "salts.jsonl").collect();
        let mut random = Random(2026);
        let mut done = 0;
        while done < tamperings {
            let path = paths[random.below(paths.len())];
            let changed = tamper(path, &whole[path], &mut random);
            if changed == whole[path] {
                continue;
            }
            let expected = touched(path, &whole[path], &changed);
            let mut tampered = whole.clone();
            tampered.insert(path.clone(), changed);

            let finding = check(&tampered).finding.unwrap_or_else(|| panic!("tampering {done} of {path} was not found"));

            assert_eq!(finding.index, Some(expected), "tampering {done} of {path}: {finding:?}");
            done += 1;
        }
    }
}

#[test]
fn a_missing_file_is_a_fault_of_the_first_entry_it_covers() {
    let whole = files(ENTRIES);
    let expected = [
        ("checkpoint", (Some(0), Check::Checkpoint)),
        ("log.vkey", (Some(0), Check::Key)),
        ("tile/entries/001", (Some(256), Check::Bundle)),
        ("tile/0/002.p/88", (Some(512), Check::Tile)),
        ("tile/1/000.p/2", (Some(0), Check::UpperTile)),
    ];
    for (path, fault) in expected {
        let mut tampered = whole.clone();
        tampered.remove(path).expect("part of the export");

        assert_eq!(first_fault(&tampered), fault, "{path}");
    }
}

#[test]
fn an_entry_and_its_hash_changed_together_are_found_by_the_tile_above_or_the_root() {
    for (index, path, tile, expected) in [
        (300_usize, "tile/entries/001", "tile/0/001", (Some(256), Check::UpperTile)),
        (599, "tile/entries/002.p/88", "tile/0/002.p/88", (Some(0), Check::Root)),
    ] {
        let mut tampered = files(ENTRIES);
        let bundle = tampered.get_mut(path).expect("part of the export");
        let start = starts(bundle)[index % 256];
        let text = String::from_utf8_lossy(&bundle[start + 2..]).find("gw-1").expect("every entry names its gateway");
        bundle[start + 2 + text + 3] = b'2';
        let mut entry = &bundle[start..];
        let hash = schakel_domain::audit::tree::leaf_hash(take_entry(&mut entry).expect("a whole entry"));
        tampered.get_mut(tile).expect("part of the export")[index % 256 * 32..][..32].copy_from_slice(&hash.0);

        assert_eq!(first_fault(&tampered), expected);
    }
}

#[test]
fn a_signed_entry_without_a_mandatory_field_is_named() {
    let mut entries: Vec<Vec<u8>> = (0..5).map(|index| kit::entry(index).bytes().expect("a good entry")).collect();
    let mut value: serde_json::Value = serde_json::from_slice(&entries[3]).expect("JSON");
    value["objects"][0].as_object_mut().expect("an object").remove("authorization");
    entries[3] = serde_json::to_vec(&value).expect("JSON");

    let files: Files = kit::export_of(&entries, &[]).into_iter().collect();

    assert_eq!(first_fault(&files), (Some(3), Check::Entry));
}

#[test]
fn logs_of_every_shape_are_found_whole() {
    for size in [0, 1, 2, 255, 256, 257, 512] {
        let report = check(&files(size));

        assert!(report.ok(), "{size}: {report:?}");
        assert_eq!((report.entries, report.size), (size, size));
    }
}

#[test]
fn a_rewritten_log_signed_with_the_logs_own_key_does_not_extend_an_earlier_checkpoint() {
    let entries: Vec<Vec<u8>> = (0..40).map(|index| kit::entry(index).bytes().expect("a good entry")).collect();
    let trust = |size: usize| Trust { earlier: Some(kit::checkpoint_of(&entries[..size])), ..Trust::default() };
    let whole: Files = kit::export_of(&entries, &[]).into_iter().collect();
    for size in [0, 1, 17, 40] {
        assert_eq!(check_with(&whole, &trust(size)).expect("readable").extends, Some(size as u64));
    }

    let mut rewritten = entries.clone();
    rewritten.remove(5);
    let rewritten: Files = kit::export_of(&rewritten, &[]).into_iter().collect();

    let fault = |size| check_with(&rewritten, &trust(size)).expect("readable").finding.map(|finding| (finding.index, finding.check));
    assert_eq!(fault(5), None);
    assert_eq!(fault(17), Some((Some(0), Check::Earlier)));
    assert_eq!(fault(40), Some((Some(39), Check::Earlier)));
}

#[test]
fn a_log_signed_by_another_key_than_the_auditors_is_refused() {
    let other: Vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().expect("a published key");

    let report = check_with(&files(3), &Trust { log: Some(other), ..Trust::default() }).expect("readable");

    assert_eq!(report.finding.map(|finding| finding.check), Some(Check::Checkpoint));
}

#[test]
fn a_disclosed_value_that_is_not_the_entrys_is_named() {
    let mut files = files(20);
    let lines = String::from_utf8(files["salts.jsonl"].clone()).expect("text");
    assert_eq!(check(&files).disclosed, 5);

    files.insert("salts.jsonl".to_owned(), lines.replace("client 4", "client 5").into_bytes());
    assert_eq!(first_fault(&files), (Some(4), Check::Disclosure));

    files.insert("salts.jsonl".to_owned(), lines.replace("\"index\":8", "\"index\":9").into_bytes());
    assert_eq!(first_fault(&files), (Some(9), Check::Disclosure));

    files.insert("salts.jsonl".to_owned(), lines.trim_end().as_bytes().to_vec());
    assert_eq!(first_fault(&files), (None, Check::Disclosure));
}

#[test]
fn the_verdict_says_what_it_does_not_show_in_both_languages() {
    let report = check(&files(3));

    assert!(report.text(Lang::Nl).contains("Niet aangetoond: dat alles is vastgelegd"));
    assert!(report.text(Lang::En).contains("Not shown: that everything was recorded"));
    assert!(report.text(Lang::En).contains("key comes from the export itself"));
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_schakel-verify")).args(arguments).output().expect("the program starts")
}

fn written(entries: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    kit::write(directory.path(), &kit::export(entries)).expect("written");
    directory
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn the_program_ends_with_0_when_whole_and_3_with_the_first_bad_index_when_not() {
    let log = written(300);
    let vkey = kit::signer().vkey().to_string();
    let whole = run(&[text(log.path()), "--vkey", &vkey, "--json"]);
    assert_eq!(
        (whole.status.code(), whole.stdout.as_slice()),
        (Some(0), &b"{\"ok\":true,\"entries\":300,\"first_bad_index\":null,\"check\":null}\n"[..])
    );

    let tile = log.path().join("tile/0/001.p/44");
    let mut bytes = std::fs::read(&tile).expect("a tile");
    bytes[32 * 10] ^= 1;
    std::fs::write(&tile, bytes).expect("written");

    let broken = run(&[text(log.path()), "--vkey", &vkey, "--json"]);
    assert_eq!(broken.stdout, b"{\"ok\":false,\"entries\":266,\"first_bad_index\":266,\"check\":\"leaf\"}\n");
    assert_eq!(broken.status.code(), Some(3));
    let words = String::from_utf8(run(&[text(log.path()), "--lang", "en"]).stdout).expect("text");
    assert!(words.contains("NOT WHOLE") && words.contains("266"), "{words}");
}

#[test]
fn the_program_ends_with_1_when_there_is_nothing_to_judge_and_2_on_wrong_usage() {
    let empty = tempfile::tempdir().expect("a directory");
    assert_eq!(run(&[text(empty.path())]).status.code(), Some(1));
    assert_eq!(run(&["/nowhere/at/all"]).status.code(), Some(1));
    for wrong in
        [&[][..], &["a", "b"], &["a", "--vkey", "b"], &["a", "--lang", "fr"], &["a", "--what"], &["a", "--many", "b"], &["a", "--since"]]
    {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

#[test]
fn many_logs_in_one_run_give_a_line_each() {
    let (small, large) = (written(3), written(5));
    std::fs::remove_file(large.path().join("log.vkey")).expect("removed");
    let list = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(list.path(), format!("{}\n{}\n", text(small.path()), text(large.path()))).expect("written");

    let output = run(&["--many", text(list.path())]);

    let lines = String::from_utf8(output.stdout).expect("text");
    assert_eq!(lines.lines().map(|line| line.contains("\"ok\":true")).collect::<Vec<_>>(), [true, false]);
    assert_eq!(output.status.code(), Some(3));
}
