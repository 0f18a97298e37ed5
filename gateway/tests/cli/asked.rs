//! What is asked in a wrong way is wrong usage (2) with its reason, also for programs, and never half ignored.

use super::Desk;

#[test]
fn a_log_of_no_gateway_too_many_entries_and_a_label_that_is_none_are_wrong_usage() {
    let desk = Desk::new();

    for (args, says) in [
        (&["audit", "show"][..], "--config"),
        (&["audit", "verify"], "--config"),
        (&["audit", "export", "--out", "x"], "--config"),
        (&["audit", "show", "--config", "c.toml", "--limit", "0"], "1..=10000"),
        (&["audit", "show", "--config", "c.toml", "--limit", "10001"], "1..=10000"),
        (&["audit", "show", "--config", "c.toml", "--case", "ZK-7F3KQ"], "check character"),
    ] {
        let run = desk.run(args);
        assert!(run.code == 2 && run.err.contains(says), "{args:?}: {} {}", run.code, run.err);
    }
}

#[test]
fn an_admin_door_is_named_once_and_nothing_beside_it_is_ignored() {
    let desk = Desk::new();

    for (args, says) in [
        (&["peer", "list"][..], "--socket"),
        (&["peer", "list", "--socket", "s", "--server", "localhost:1", "--ca", "ca.crt"], "not both"),
        (&["peer", "list", "--socket", "s", "--cert", "a.crt", "--key", "a.key"], "--server"),
        (&["peer", "list", "--server", "localhost:1"], "--ca"),
    ] {
        let run = desk.run(args);
        assert!(run.code == 2 && run.err.contains(says), "{args:?}: {} {}", run.code, run.err);
    }
    let (code, said) = desk.json(&["peer", "list", "--socket", "s", "--server", "localhost:1", "--ca", "ca.crt"]);
    assert!(code == 2 && said["error"]["message"].as_str().unwrap().contains("not both"), "{said}");
}
