//! `schakel bench` as somebody runs it: real processes, real TLS, real stores. What it measured is complete; how fast it was is not judged.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use serde_json::Value;

/// Parts that are always there; nginx only where it is installed.
const PARTS: [&str; 6] = ["raw", "floor", "handover_floor", "link", "exchange", "handover"];
const LEVELS: [&str; 3] = ["1", "16", "128"];

fn bench(arguments: &[&str]) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_schakel"));
    command.args(["bench", "--json", "--folder"]).arg(folder.path()).args(arguments);
    let output = command.env_remove("SCHAKEL_BENCH_POSTGRES").output().unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "it leaves {left:?} behind");
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), json)
}

fn assert_measured(part: &Value, name: &str) {
    assert_measured_at(&LEVELS, part, name);
}

fn assert_measured_at(levels: &[&str], part: &Value, name: &str) {
    for level in levels {
        for figure in ["per_s", "p50_ms", "p99_ms", "cpu_us"] {
            // CPU time is counted in hundredths of a second: nothing at all is possible.
            let found = part[level][figure].as_f64().unwrap_or_else(|| panic!("{name} at {level} has no {figure}: {part}"));
            assert!(found > 0.0 || figure == "cpu_us", "{name} at {level}: {figure} {found}");
        }
        assert!(part[level]["p50_ms"].as_f64() <= part[level]["p99_ms"].as_f64(), "{name} at {level}: {part}");
    }
}

#[test]
fn a_short_run_measures_every_part_at_every_level_and_judges_nothing() {
    let (code, report) = bench(&["--rounds", "1", "--seconds", "0.05"]);

    assert_eq!((code, &report["ok"], &report["judged"]), (0, &Value::Bool(true), &Value::Bool(false)));
    assert!(report["not_judged_because"].to_string().contains("fewer than 5 rounds"), "{report}");
    PARTS.iter().for_each(|part| assert_measured(&report[*part], part));
    if report.get("nginx").is_some() {
        assert_measured(&report["nginx"], "nginx");
        assert!(report["ratios"]["nginx_to_raw_128"].as_f64().unwrap() > 0.0);
    }
    for ratio in ["exchange_to_raw_128", "link_to_floor_128", "handover_p99_to_floor_1", "exchange_p99_to_raw_1"] {
        assert!(report["ratios"][ratio].as_f64().unwrap() > 0.0, "{ratio}: {report}");
    }
    assert!(report["fdatasync_ms"]["p50"].as_f64().unwrap() >= 0.0 && report["other_cpu_cores"].as_f64().unwrap() >= 0.0, "{report}");
}

#[test]
fn stores_filled_beforehand_are_compared_with_empty_ones() {
    let (code, report) = bench(&["--rounds", "1", "--seconds", "0.05", "--only", "raw,exchange", "--fill", "310"]);

    assert_eq!((code, &report["stored_cases"]), (0, &Value::from(310)));
    assert_measured(&report["exchange"], "exchange");
    assert_measured(&report["empty"]["exchange"], "exchange on empty stores");
    assert!(report["ratios"]["filled_to_empty_128"].as_f64().unwrap() > 0.0, "{report}");
    assert!(report.get("link").is_none(), "only what was asked for: {report}");
}

#[test]
fn postgresql_is_measured_beside_sqlite() {
    let Ok(url) = std::env::var("SCHAKEL_TEST_POSTGRES") else {
        panic!("no PostgreSQL: run tests/run bench, or tests/postgres.sh run cargo test")
    };

    let (code, report) = bench(&["--rounds", "1", "--seconds", "0.05", "--only", "exchange", "--in-flight", "16", "--postgres", &url]);

    assert_eq!(code, 0);
    assert_measured_at(&["16"], &report["postgres"]["exchange"], "exchange on PostgreSQL");
    assert_measured_at(&["16"], &report["exchange"], "exchange on SQLite");
}

#[test]
fn what_cannot_be_measured_is_a_mistake_of_usage() {
    for wrong in [["--only", "everything"], ["--in-flight", "2"], ["--seconds", "0"], ["--rounds", "0"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_schakel")).arg("bench").args(wrong).output().unwrap();

        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}
