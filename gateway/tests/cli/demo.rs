//! The demo: where it puts its files, and what it says of a story it cannot read.

use std::os::unix::fs::PermissionsExt;

use super::Desk;

fn mode(desk: &Desk, name: &str) -> u32 {
    std::fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777
}

/// A story in which nothing happens.
fn quiet(desk: &Desk) {
    let text = std::fs::read_to_string(super::repository("tests/clients/quiet.toml")).unwrap();
    let covenant = super::gelderland();
    let text = text.replace("../../deploy/covenants/gelderland.toml", covenant.to_str().unwrap());
    desk.write("quiet.toml", &text);
}

#[test]
fn a_folder_that_somebody_uses_is_not_taken_and_not_closed_to_others() {
    let desk = Desk::new();
    quiet(&desk);
    std::fs::create_dir(desk.path("mine")).unwrap();
    desk.write("mine/letter.txt", "dear");
    std::fs::set_permissions(desk.path("mine"), std::fs::Permissions::from_mode(0o755)).unwrap();

    let run = desk.run(&["demo", "--check", "--scenario", "quiet.toml", "--keep", "mine"]);

    assert!(run.code == 1 && run.err.contains("mine: exists and is not an empty folder"), "{}", run.err);
    assert_eq!((mode(&desk, "mine"), std::fs::read_dir(desk.path("mine")).unwrap().count()), (0o755, 1));
}

#[test]
fn an_empty_folder_is_filled_and_a_new_one_is_its_owners_alone() {
    let desk = Desk::new();
    quiet(&desk);
    std::fs::create_dir(desk.path("empty")).unwrap();
    std::fs::set_permissions(desk.path("empty"), std::fs::Permissions::from_mode(0o755)).unwrap();

    for folder in ["empty", "beneath/new"] {
        let run = desk.run(&["demo", "--check", "--scenario", "quiet.toml", "--keep", folder]);
        assert_eq!(run.code, 0, "{}{}", run.out, run.err);
        assert!(desk.path(folder).join("demo.json").is_file());
    }

    assert_eq!((mode(&desk, "empty"), mode(&desk, "beneath/new")), (0o755, 0o700));
}

#[test]
fn a_story_that_is_not_there_is_named_once() {
    let run = Desk::new().run(&["demo", "--check", "--scenario", "nope.toml"]);

    assert_eq!((run.code, run.err.matches("nope.toml").count()), (1, 1), "{}", run.err);
}
