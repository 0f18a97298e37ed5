//! The arrows of the house (ARCHITECTURE.md): who may name whom, and what no file may hold.
//!
//! Read as text, so that a broken arrow is told by file and line. An arrow between crates is kept by cargo; these are the others.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// All crates' sources, `proto` (generated) excepted.
const CRATES: [&str; 7] = ["adapters", "certs", "gateway/domain", "gateway/src", "gateway/tests", "gateway/verify", "tests"];

/// What the domain may be built on: mathematics, formats and types. Nothing that opens, waits, draws lots or talks.
const DOMAIN_DEPENDENCIES: [&str; 8] = ["aws-lc-rs", "base64", "jiff", "serde", "serde_json", "thiserror", "toml", "uuid"];

/// What the offline verifier may be built on: an auditor must be able to read all of it.
const VERIFIER_DEPENDENCIES: [&str; 4] = ["schakel-domain", "clap", "serde_json", "thiserror"];

/// What stands in for hosts, lines and the machine's randomness in the simulation. In a gateway it would make keys that can be guessed.
const SIMULATION_DEPENDENCIES: [&str; 3] = ["mad-turmoil", "rand", "turmoil"];

/// A file with more lines of code than this has more than one job. Comments do not count, so that nobody saves on them; nor do tests.
const MOST_LINES: usize = 500;

/// Reads a whole file, however long it is; also as a function that is handed on.
const READS: [&str; 4] = ["fs::read(", "fs::read)", "fs::read_to_string(", "fs::read_to_string)"];

/// In a folder (or file), none of these words. The reason is shown when it happens.
const NEVER: [(&str, &[&str], &str); 11] = [
    (
        "gateway/domain/src",
        &["schakel_proto", "tokio", "tonic", "sqlx", "async fn", "std::net::Tcp", "std::net::Udp", "std::fs"],
        "the domain is pure",
    ),
    (
        "gateway/src/desk",
        &["crate::doors", "crate::courier", "crate::tls", "crate::cli", "schakel_adapters", "sqlx", "tonic"],
        "the desk only decides",
    ),
    ("gateway/src/store", &["crate::desk", "crate::doors", "crate::courier", "crate::wire", "schakel_proto"], "the store knows no care"),
    ("gateway/src/courier", &["crate::doors", "sqlx"], "the courier sends, it does not let in"),
    ("gateway/src/ledger", &["crate::doors", "crate::courier", "crate::wire", "sqlx"], "the ledger signs and proves what the store holds"),
    ("gateway/src/wire", &["crate::desk", "crate::doors", "crate::courier", "dyn Store", "sqlx"], "the wire only translates"),
    (
        "gateway/src/front_desk",
        &["crate::assembly", "crate::tls", "crate::wire", "schakel_proto", "sqlx", "tonic"],
        "the front desk answers",
    ),
    ("gateway/src/doors", &["sqlx", "crate::store::sqlite", "crate::store::postgres"], "a door hands to the desk"),
    ("gateway/src", &READS, "a file is read within a bound: gateway/src/bounded.rs"),
    ("gateway/verify/src", &READS, "a file is read within a bound"),
    ("adapters/src", &["schakel_proto", "tonic", "sqlx", "tokio"], "an adapter only translates"),
];

/// A word that belongs to some places alone.
const ONLY: [(&str, &[&str], &str); 2] = [
    ("sqlx::", &["gateway/src/store", "gateway/tests"], "SQL lives in the store"),
    (
        "schakel_proto",
        &[
            "gateway/src/wire",
            "gateway/src/doors",
            "gateway/src/courier",
            "gateway/src/batch",
            "gateway/src/bench",
            "gateway/src/cli",
            "gateway/src/demo",
            "gateway/tests",
            "tests",
        ],
        "inside the gateway only domain types are known",
    ),
];

/// Where what people say of people passes as domain types.
const SAID_IN: [&str; 6] = [
    "gateway/domain/src/command",
    "gateway/domain/src/message",
    "gateway/domain/src/view",
    "gateway/domain/src/person",
    "gateway/domain/src/dossier",
    "gateway/src/desk/record",
];

/// Fields in which somebody says something of a person, or is one.
const SAID: [&str; 18] = [
    "note",
    "notes",
    "question",
    "advice",
    "text",
    "first_action",
    "read_back",
    "called",
    "situation",
    "whereabouts",
    "background",
    "assessment",
    "recommendation",
    "key_points",
    "family_name",
    "given_names",
    "address",
    "plan",
];

/// Fields that hold the same as bytes.
const PACKED: [&str; 1] = ["package"];

/// What no Rust file may hold, tests included.
const NOWHERE: [&str; 5] = ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!("];

/// Where people's files are, on a machine of theirs: no file of ours may name a path there, nor the place of this very checkout. Documents
/// are read by `tests/documents.py`.
const MACHINES: [&str; 3] = ["/home/", "/Users/", "/root/"];

/// Files that may name a machine by mistake: by the end of their names.
const KINDS: [&str; 7] = ["rs", "py", "sh", "toml", "proto", "sql", "service"];

#[test]
fn the_domain_and_the_verifier_depend_on_what_is_listed_and_nothing_else() {
    for (manifest, allowed) in [("gateway/domain", &DOMAIN_DEPENDENCIES[..]), ("gateway/verify", &VERIFIER_DEPENDENCIES[..])] {
        let found = dependencies(&root().join(manifest).join("Cargo.toml"));

        let unlisted: Vec<_> = found.iter().filter(|name| !allowed.contains(&name.as_str())).collect();

        assert!(unlisted.is_empty(), "{manifest} depends on {unlisted:?}: list them here, with a reason in the commit, or do without");
    }
}

#[test]
fn what_a_simulation_runs_on_is_built_into_no_gateway() {
    for manifest in ["adapters", "certs", "gateway", "gateway/domain", "gateway/verify", "proto"] {
        let found = dependencies(&root().join(manifest).join("Cargo.toml"));

        assert!(
            !SIMULATION_DEPENDENCIES.iter().any(|name| found.contains(*name)),
            "{manifest} depends on the simulation's: only tests may"
        );
    }
}

#[test]
fn no_part_names_a_part_it_must_not_know() {
    let broken = findings(|path, line| {
        let never = NEVER.iter().filter(|(place, ..)| lies_in(path, place) && !is_test(path));
        never.filter(|(_, words, _)| words.iter().any(|word| line.contains(word))).map(|(.., why)| *why).next()
    });

    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn sql_and_wire_messages_stay_where_they_belong() {
    let broken = findings(|path, line| {
        let elsewhere = ONLY.iter().filter(|(word, places, _)| line.contains(word) && !places.iter().any(|place| lies_in(path, place)));
        elsewhere.map(|(.., why)| *why).next()
    });

    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn nothing_unwraps_outside_tests() {
    let broken = findings(|path, line| (!is_test(path) && line.contains(".unwrap()")).then_some("say why it cannot fail, or refuse"));

    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_type_shows_what_was_said_of_a_person() {
    let mut found = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| SAID_IN.iter().any(|place| lies_in(path, place)) && !is_test(path)) {
        for (name, body) in debugged(&text) {
            let said = body.lines().filter_map(|line| line.trim().trim_start_matches("pub ").split_once(": "));
            let said = said
                .filter(|(field, kind)| SAID.contains(field) && kind.contains("String") || PACKED.contains(field) && kind.contains("u8"));
            found.extend(
                said.map(|(field, _)| {
                    format!("{}: {name}.{field} would be shown by {{:?}}: `Words`, or `shows_its_name!`", path.display())
                }),
            );
        }
    }

    assert!(debugged("#[derive(Debug)]\npub struct A {\n    pub note: String,\n}\n").len() == 1, "the reader reads");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn spans_and_metrics_are_made_in_one_folder_and_nothing_personal_is_revealed_to_a_log_line() {
    let broken = findings(|path, line| {
        if is_test(path) || lies_in(path, "gateway/src/telemetry") {
            return None;
        }
        let makes = ["_span!(", "#[instrument", "opentelemetry", "tracing::span"].iter().any(|word| line.contains(word));
        let reveals = line.contains("reveal") && ["tracing::", "format!(", "panic!(", "println!("].iter().any(|word| line.contains(word));
        if makes { Some("gateway/src/telemetry alone makes them") } else { reveals.then_some("what was revealed could be read") }
    });

    // Measured in characters, and thrown away.
    let measured = "gateway/domain/src/dossier.rs";
    let broken: Vec<_> = broken.into_iter().filter(|line| !line.starts_with(measured)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_says_its_job_and_has_only_one() {
    let broken: Vec<_> = sources().into_iter().filter_map(|(path, text)| shape(&path, &text)).collect();

    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let mut files = vec![root().join("Cargo.toml"), root().join("clippy.toml"), root().join("deny.toml"), root().join("tests/run")];
    for folder in CRATES.iter().chain(&["deploy", "gateway/migrations", "proto"]) {
        collect(&root().join(folder), &KINDS, &mut files);
    }
    let ours = Path::new(file!()).file_name().unwrap();
    let here = fs::canonicalize(root()).unwrap().display().to_string();
    let broken: Vec<_> = files
        .iter()
        .filter(|path| !path.ends_with(Path::new("architecture").join(ours)))
        .filter_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let word = MACHINES.into_iter().chain([here.as_str()]).find(|word| text.contains(word))?;
            Some(format!("{}: {word}", path.display()))
        })
        .collect();

    assert!(files.iter().any(|path| path.ends_with("tests/postgres.sh")), "the files were not found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_migration_is_carried_out() {
    for database in ["sqlite", "postgres"] {
        let store = fs::read_to_string(root().join(format!("gateway/src/store/{database}.rs"))).unwrap();
        let files = fs::read_dir(root().join("gateway/migrations").join(database)).unwrap();
        let names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();

        let forgotten: Vec<_> = names.iter().filter(|name| !store.contains(&format!("migrations/{database}/{name}"))).collect();

        assert!(names.iter().any(|name| name == "0001_store.sql"), "the migrations were not found: {names:?}");
        assert!(forgotten.is_empty(), "no store carries out {forgotten:?}");
    }
}

#[test]
fn every_test_program_is_run_by_a_part() {
    let cargo = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata = String::from_utf8(cargo.stdout).unwrap();
    let names: BTreeSet<_> =
        metadata.split("\"kind\":[\"test\"]").skip(1).filter_map(|rest| rest.split("\"name\":\"").nth(1)?.split('"').next()).collect();
    let parts = fs::read_to_string(root().join("tests/run")).unwrap();

    let forgotten: Vec<_> = names.iter().filter(|name| !parts.contains(&format!("\"--test\", \"{name}\""))).collect();

    assert!(names.contains("architecture") && names.contains("desk"), "the test programs were not found: {names:?}");
    assert!(forgotten.is_empty(), "{forgotten:?} stand in no part of tests/run, so nobody runs them");
}

#[test]
fn no_file_holds_an_unfinished_thought() {
    let broken: Vec<_> = sources()
        .into_iter()
        .flat_map(|(path, text)| {
            NOWHERE.into_iter().filter(move |word| text.contains(word)).map(move |word| format!("{}: {word}", path.display()))
        })
        .collect();

    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What is wrong with the shape of a file.
fn shape(path: &Path, text: &str) -> Option<String> {
    if path.file_name().is_some_and(|name| name == "mod.rs") {
        return Some(format!("{}: a module is name.rs + name/", path.display()));
    }
    if is_test(path) {
        return None;
    }
    if !text.starts_with("//!") {
        return Some(format!("{}: does not open with //!", path.display()));
    }
    let lines = working_lines(text).filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count();
    (lines > MOST_LINES).then(|| format!("{}: {lines} lines of code, at most {MOST_LINES}", path.display()))
}

/// Lines for which `judge` gives a reason, with file and number. Comments and the tests at the end of a file are left out.
fn findings(judge: impl Fn(&Path, &str) -> Option<&'static str>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources() {
        for (number, line) in working_lines(&text).enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            found.extend(judge(&path, line).map(|why| format!("{}:{}: {} ({why})", path.display(), number + 1, line.trim())));
        }
    }
    found
}

/// The lines above the tests at the end of a file.
fn working_lines(text: &str) -> impl Iterator<Item = &str> {
    let end = text.lines().position(|line| line.starts_with("mod ") && line.contains("tests {")).unwrap_or(usize::MAX);
    text.lines().take(end)
}

/// Whether the path is this file or lies below this folder: `gateway/src/desk` is `desk.rs` and `desk/`.
fn lies_in(path: &Path, place: &str) -> bool {
    path.starts_with(place) || path == Path::new(&format!("{place}.rs"))
}

/// Whether a file holds nothing but tests, or what only tests use.
fn is_test(path: &Path) -> bool {
    let mut parts = path.components().map(|part| part.as_os_str().to_string_lossy());
    parts.any(|part| part == "tests" || part == "tests.rs" || part == "contract.rs" || part == "examples")
}

/// Every source file of ours but this one, with its text; paths from the root of the repository.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in CRATES {
        collect(&root().join(folder), &["rs"], &mut files);
    }
    assert!(files.len() > 40, "the sources were not found");
    let named = files.into_iter().map(|file| (file.strip_prefix(root()).unwrap().to_owned(), fs::read_to_string(&file).unwrap()));
    named.filter(|(path, _)| !lies_in(path, "tests/architecture")).collect()
}

/// Adds the files below a folder whose names end so.
fn collect(folder: &Path, kinds: &[&str], files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            // What a package manager put there is not ours.
            if entry.ends_with("node_modules") {
                continue;
            }
            collect(&entry, kinds, files);
        } else if entry.extension().is_some_and(|extension| kinds.iter().any(|kind| extension == *kind)) {
            files.push(entry);
        }
    }
}

/// Types with a derived `Debug`: name and body.
fn debugged(text: &str) -> Vec<(String, String)> {
    let derived = text.split("#[derive(").skip(1).filter(|rest| rest.split(')').next().is_some_and(|list| list.contains("Debug")));
    let bodies = derived.filter_map(|rest| {
        let item = rest.split_once("\npub ").map(|(_, item)| item)?;
        let name = item.split_whitespace().nth(1)?;
        Some((name.to_owned(), item.split("\n}").next()?.to_owned()))
    });
    bodies.collect()
}

/// Names under `[dependencies]` of a manifest.
fn dependencies(manifest: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(manifest).unwrap();
    let section = text.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
    section
        .lines()
        .skip(1)
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
