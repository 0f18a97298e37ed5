//! The configuration: the example works, and every way to break it is named.

use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

use super::{Desk, key_of, repository};

/// The example, in a folder where everything it names exists and belongs together.
fn complete() -> Desk {
    static MADE: LazyLock<Desk> = LazyLock::new(made);
    copied(&MADE)
}

fn made() -> Desk {
    let desk = Desk::new();
    for folder in ["data", "keys", "tls", "covenants", "records"] {
        std::fs::create_dir(desk.path(folder)).unwrap();
    }
    std::fs::set_permissions(desk.path("data"), std::fs::Permissions::from_mode(0o700)).unwrap();
    desk.write("schakel.toml", &desk.ok(&["config", "example"]).replace("0.0.0.0:8443", "127.0.0.1:8443"));

    desk.drafted().iter().for_each(|id| desk.sign(id));
    let own = key_of("ura:90000102");
    for (from, to) in [("c.json", "covenants/gelderland-1.json"), (&format!("{own}.pub"), "keys/root.key.pub")] {
        std::fs::copy(desk.path(from), desk.path(to)).unwrap();
    }
    for (kind, file) in [("signing", "keys/signing.key"), ("vault", "keys/vault.key")] {
        desk.ok(&["keys", "new", kind, "--out", file]);
    }
    desk.ok(&["keys", "new", "log", "--org", "ura:90000102", "--out", "keys/log.key"]);
    let key = r#"{"kty":"EC","crv":"P-256","kid":"1","alg":"ES256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
    desk.write("keys/login.jwks.json", &format!("{{\"keys\":[{key}]}}"));

    desk.ok(&["certs", "dev", "--out", "pki", "--org", "ura:90000102", "--org", "ura:90000103"]);
    for name in ["gateway.crt", "gateway.key", "local-ca.crt"] {
        std::fs::copy(desk.path(&format!("pki/ura-90000102/{name}")), desk.path(&format!("tls/{name}"))).unwrap();
    }
    for name in ["ca.crt", "ca.crl"] {
        std::fs::copy(desk.path(&format!("pki/{name}")), desk.path(&format!("tls/{name}"))).unwrap();
    }
    record(&desk, &own);
    desk
}

fn record(desk: &Desk, root_key: &str) {
    let text = format!(
        r#"
        org = "ura:90000102"
        number = 1
        expires = "{}"
        endpoint = "localhost:8443"
        certificates = ["tls/gateway.crt"]
        duty = {{ label = "crisisdienst", number = "+31000000102" }}
        signing_keys = [{{ file = "keys/signing.key.pub" }}]
        telephones = [{{ label = "dag en nacht", number = "+31000000102" }}]
        "#,
        super::in_days(200)
    );
    desk.write("record.toml", &text);
    desk.ok(&["record", "new", "--from", "record.toml", "--out", "r.json"]);
    desk.ok(&["record", "sign", "r.json", "--key", root_key, "--out", "records/ura-90000102.json"]);
}

/// The paths of the errors that a check names.
fn errors(desk: &Desk) -> (i32, Vec<String>) {
    let run = desk.run_small(&["config", "check", "--config", "schakel.toml", "--running", "--json"]);
    let (code, said) = (run.code, serde_json::from_str::<serde_json::Value>(&run.out).unwrap_or_else(|_| panic!("{}", run.err)));
    let problems = said["problems"].as_array().unwrap();
    let wrong = problems.iter().filter(|problem| problem["severity"] == "error");
    (code, wrong.map(|problem| problem["path"].as_str().unwrap().to_owned()).collect())
}

fn change(desk: &Desk, from: &str, to: &str) {
    edit(desk, "schakel.toml", from, to);
}

fn edit(desk: &Desk, file: &str, from: &str, to: &str) {
    let text = desk.read(file);
    assert!(text.contains(from), "{from}");
    desk.write(file, &text.replacen(from, to, 1));
}

#[test]
fn the_example_printed_is_the_example_in_the_repository() {
    let printed = Desk::new().ok(&["config", "example"]);

    assert_eq!(printed, std::fs::read_to_string(repository("deploy/example/schakel.toml")).unwrap());
}

#[test]
fn the_example_with_its_files_in_place_has_no_problem() {
    let desk = complete();

    let run = desk.run(&["config", "check", "--config", "schakel.toml", "--running"]);

    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.contains("0 errors, 0 warnings"), "{}", run.out);
}

#[test]
fn each_wrong_line_is_named_by_its_field() {
    let desk = complete();
    let whole = desk.read("schakel.toml");

    for (from, to, field) in [
        ("\"ura:90000102\"", "\"ura:1\"", "organization"),
        ("gateway = \"gw-1\"", "gateway = \"\"", "gateway"),
        ("data = \"data\"", "data = 3", "data"),
        ("person = \"local:7001\" # staff number\n", "", "responsible.person"),
        ("signing = ", "singing = ", "keys.singing"),
        ("kind = \"sqlite\"", "kind = \"oracle\"", "store.kind"),
        ("readers = 4", "url = \"postgres://u:p@h/d\"", "store.url"),
        ("\"127.0.0.1:8445\"", "\"127.0.0.1:8444\"", "audit.listen"),
        ("\"127.0.0.1:8444\"", "\"here\"", "care.listen"),
        ("\"ES256\"", "\"HS256\"", "care.issuers[0].algorithm"),
        ("jwks = \"keys/login.jwks.json\"", "", "care.issuers[0].jwks"),
        ("jwks = \"keys/login.jwks.json\"", "jwks = \"keys/login.jwks.json\"\njwks_url = \"http://localhost/\"", "care.issuers[0].jwks"),
        (
            "jwks = \"keys/login.jwks.json\"",
            "jwks = \"keys/login.jwks.json\"\njwks_networks = [\"10.0.0.0/8\"]",
            "care.issuers[0].jwks_networks",
        ),
        ("jwks = \"keys/login.jwks.json\"", "jwks_url = \"http://login.example.nl/keys\"", "care.issuers[0].jwks_url"),
        ("jwks = \"keys/login.jwks.json\"", "jwks_url = \"https://login.example.nl/keys\"", "care.issuers[0].jwks_ca"),
        ("jwks = \"keys/login.jwks.json\"", "jwks_url = \"http://localhost/\"\njwks_ca = \"tls/ca.crt\"", "care.issuers[0].jwks_ca"),
        ("jwks = \"keys/login.jwks.json\"", "jwks_url = \"http://localhost/\"\njwks_refresh = \"2d\"", "care.issuers[0].jwks_usable"),
        ("jwks = \"keys/login.jwks.json\"", "jwks_url = \"http://localhost/\"\njwks_usable = \"15d\"", "care.issuers[0].jwks_usable"),
        (
            "jwks = \"keys/login.jwks.json\"",
            "jwks_url = \"http://localhost/\"\njwks_networks = [\"0.0.0.0/0\"]",
            "care.issuers.jwks_networks",
        ),
        ("# bound_tokens = true", "bound_tokens = true", "care.issuers[0].bound_tokens"),
        ("two_factor_acr = [\"urn:example:two-factor\"]", "two_factor_acr = []", "audit.issuers"),
        ("socket = \"data/admin.sock\"", "", "admin"),
        ("handshake = \"5s\"", "handshake = \"5 s\"", "limits.handshake"),
        ("streams = 100", "streams = 0", "limits.streams"),
        ("poll = \"2s\"", "pole = \"2s\"", "file_drop.pole"),
    ] {
        desk.write("schakel.toml", &whole);
        change(&desk, from, to);
        let (code, found) = errors(&desk);
        assert!(code == 3 && found.iter().any(|path| path == field), "{field}: {found:?}");
    }
}

#[test]
fn several_problems_are_named_at_once() {
    let desk = complete();
    change(&desk, "gateway = \"gw-1\"", "gatewey = \"gw-1\"");
    change(&desk, "poll = \"2s\"", "pole = \"2s\"");
    change(&desk, "streams = 100", "streams = \"many\"");

    let (_, found) = errors(&desk);

    for field in ["gateway", "gatewey", "limits.streams", "file_drop.pole"] {
        assert!(found.iter().any(|path| path == field), "{field}: {found:?}");
    }
}

#[test]
fn text_that_is_no_toml_is_named_by_its_line() {
    let desk = complete();
    change(&desk, "[keys]", "[keys");

    let run = desk.run(&["config", "check", "--config", "schakel.toml"]);

    assert_eq!(run.code, 3);
    assert!(run.out.contains("line 15"), "{}", run.out);
}

#[test]
fn a_secret_in_the_file_is_refused_without_repeating_it() {
    let desk = complete();
    change(&desk, "readers = 4", "url = \"postgres://u:hunter2@h/d\"");

    let run = desk.run(&["config", "check", "--config", "schakel.toml"]);

    assert!(run.out.contains("url_file") && !run.out.contains("hunter2"), "{}", run.out);
}

#[test]
fn each_wrong_file_is_named_by_its_field() {
    type Damage = fn(&Desk);
    let damage: [(&str, Damage); 16] = [
        ("keys.vault", |desk| std::fs::remove_file(desk.path("keys/vault.key")).unwrap()),
        ("keys.signing", |desk| open_to_all(desk, "keys/signing.key")),
        ("keys.log", |desk| desk.write("keys/log.key", "nonsense")),
        ("keys.root[0]", |desk| desk.write("keys/root.key.pub", "nonsense")),
        ("federation.key", |desk| open_to_all(desk, "tls/gateway.key")),
        ("federation.trust", |desk| desk.write("tls/ca.crt", "nonsense")),
        ("federation.crls", |desk| desk.write("tls/ca.crl", "nonsense")),
        ("care.issuers[0].jwks", |desk| desk.write("keys/login.jwks.json", "{\"keys\":[]}")),
        // Each of these passes as a set of keys, and stops the start.
        ("care.issuers[0].jwks", |desk| edit(desk, "keys/login.jwks.json", "\"kid\":\"1\",", "")),
        ("care.issuers[0].jwks", |desk| edit(desk, "keys/login.jwks.json", "ES256", "ES384")),
        ("care.issuers[0].jwks", |desk| change(desk, "keys/login.jwks.json", "/dev/zero")),
        ("federation.trust", |desk| change(desk, "tls/ca.crt", "/dev/zero")),
        ("store.path", |desk| change(desk, "path = \"data/schakel.db\"", "path = \"data\"")),
        ("admin.socket", |desk| desk.write("data/admin.sock", "a letter")),
        ("agreements.covenants[0]", |desk| {
            let text = desk.read("covenants/gelderland-1.json");
            desk.write("covenants/gelderland-1.json", &text.replacen("Pactum", "Factum", 1));
        }),
        ("agreements.records[0]", |desk| {
            std::fs::remove_file(desk.path("keys/signing.key.pub")).unwrap();
            std::fs::remove_file(desk.path("keys/signing.key")).unwrap();
            desk.ok(&["keys", "new", "signing", "--out", "keys/signing.key"]);
        }),
    ];
    let desk = complete();
    for (field, damage) in damage {
        let copy = copied(&desk);
        damage(&copy);
        let (code, found) = errors(&copy);
        assert!(code == 3 && found.iter().any(|path| path == field), "{field}: {found:?}");
    }
}

#[test]
fn a_certificate_of_another_organisation_is_not_ours() {
    let desk = complete();
    for name in ["gateway.crt", "gateway.key"] {
        std::fs::copy(desk.path(&format!("pki/ura-90000103/{name}")), desk.path(&format!("tls/{name}"))).unwrap();
    }

    let run = desk.run(&["config", "check", "--config", "schakel.toml", "--running", "--lang", "nl"]);

    assert_eq!(run.code, 3);
    let said = "federation.certificate: staat op naam van urn:schakel:organization:ura:90000103, niet van ura:90000102.";
    assert!(run.out.contains(said), "{}", run.out);
}

#[test]
fn a_port_that_is_taken_is_named_unless_the_gateway_runs() {
    let desk = complete();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for old in ["127.0.0.1:8443", "127.0.0.1:8444"] {
        change(&desk, old, "127.0.0.1:0");
    }
    change(&desk, "127.0.0.1:8445", &address);

    let tried = desk.run(&["config", "check", "--config", "schakel.toml"]);
    let running = desk.run(&["config", "check", "--config", "schakel.toml", "--running"]);

    assert!(tried.code == 3 && tried.out.contains("audit.listen") && tried.out.contains(&address), "{}", tried.out);
    assert_eq!(running.code, 0, "{}", running.out);
}

#[test]
fn a_certificate_that_ends_soon_is_a_warning() {
    let desk = complete();
    change(&desk, "certificate_days = 60", "certificate_days = 365");

    let (code, said) = desk.json(&["config", "check", "--config", "schakel.toml", "--running"]);

    assert_eq!((code, said["errors"].as_u64()), (0, Some(0)));
    let warned = |path: &str| said["problems"].as_array().unwrap().iter().any(|problem| problem["path"] == path);
    assert!(warned("federation.certificate") && warned("care.certificate"), "{said}");
}

#[test]
fn an_operator_whom_the_socket_keeps_out_is_a_warning() {
    let desk = complete();
    change(&desk, "{ \"uid:0\" = \"local:7001\" }", "{ \"uid:0\" = \"local:7001\", \"uid:4321\" = \"local:7002\" }");

    let (code, said) = desk.json(&["config", "check", "--config", "schakel.toml", "--running"]);

    let warned: Vec<_> = said["problems"].as_array().unwrap().iter().map(|problem| problem["path"].as_str().unwrap()).collect();
    assert_eq!((code, warned), (0, vec!["admin.operators.uid:4321"]));
}

#[test]
fn the_folder_for_files_is_made_by_the_gateway_and_only_the_one_around_it_must_be_there() {
    let desk = complete();
    change(&desk, "folder = \"data/drop\"", "folder = \"nowhere/drop\"");

    let (code, found) = errors(&desk);

    assert_eq!((code, found), (3, vec!["file_drop.folder".to_owned()]));
}

fn open_to_all(desk: &Desk, name: &str) {
    std::fs::set_permissions(desk.path(name), std::fs::Permissions::from_mode(0o644)).unwrap();
}

fn copied(desk: &Desk) -> Desk {
    let copy = Desk::new();
    let from = format!("{}/.", desk.0.path().display());
    let done = std::process::Command::new("cp").args(["-a", &from]).arg(copy.0.path()).status().unwrap();
    assert!(done.success());
    copy
}
