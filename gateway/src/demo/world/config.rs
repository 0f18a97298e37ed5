//! The configuration of one gateway, as an operator would write it.

use std::path::{Path, PathBuf};

use schakel_certs::issue::DevOrgFiles;
use toml::{Table, Value};

use super::tokens::{AUDIENCE, Issuer, TWO_FACTOR};
use super::{Home, SYSTEM};

/// The text of `schakel.toml`.
pub(super) fn text(home: &Home, files: &DevOrgFiles, ca: &Path, covenant: &Path, records: &[PathBuf], issuer: &Issuer) -> String {
    let keys = home.dir.join("keys");
    let key = |name: &str| path(&keys.join(name));
    let gateway = || [("certificate", path(&files.certificate)), ("key", path(&files.key))];
    let local = |listen: std::net::SocketAddr| {
        let rest = [("listen", text_of(listen)), ("trust", path(&files.local_ca)), ("issuers", issuers(&keys, issuer))];
        table(gateway().into_iter().chain(rest))
    };
    let federation =
        [("listen", text_of(home.ports.federation)), ("trust", path(ca)), ("crls", Value::Array(vec![path(&ca.with_extension("crl"))]))];
    let admin = [("listen", text_of(home.ports.admin)), ("trust", path(&files.local_ca))];
    let config = [
        ("organization", text_of(&home.id)),
        ("gateway", text_of("gw-1")),
        ("data", path(&home.data)),
        ("responsible", table([("person", text_of("local:demo-coordinator")), ("function", text_of("coordinator"))])),
        (
            "keys",
            table([
                ("vault", key("vault.key")),
                ("signing", key("signing.key")),
                ("log", key("log.key")),
                ("root", Value::Array(vec![key("root.key.pub")])),
            ]),
        ),
        // A throw-away store needs no more than a small reserve.
        ("store", table([("reserve_mib", Value::Integer(1)), ("readers", Value::Integer(2))])),
        (
            "agreements",
            table([
                ("covenants", Value::Array(vec![path(covenant)])),
                ("records", Value::Array(records.iter().map(|record| path(record)).collect())),
            ]),
        ),
        ("federation", table(gateway().into_iter().chain(federation))),
        ("care", local(home.ports.care)),
        ("audit", local(home.ports.audit)),
        ("admin", table(gateway().into_iter().chain(admin))),
        (
            "file_drop",
            table([
                ("folder", path(&home.drop)),
                ("client", text_of(SYSTEM)),
                ("person", text_of("local:demo-coordinator")),
                ("name", text_of("Demo coordinator")),
                ("function", text_of("coordinator")),
                ("poll", text_of("1s")),
            ]),
        ),
    ];
    config.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Table>().to_string()
}

fn issuers(keys: &Path, issuer: &Issuer) -> Value {
    Value::Array(vec![table([
        ("issuer", text_of(issuer.name())),
        ("audience", text_of(AUDIENCE)),
        ("algorithm", text_of("ES256")),
        ("jwks", path(&keys.join("login.jwks.json"))),
        ("two_factor_acr", Value::Array(vec![text_of(TWO_FACTOR)])),
    ])])
}

fn table<'a>(rows: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Table(rows.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn text_of(text: impl ToString) -> Value {
    Value::String(text.to_string())
}

fn path(path: &Path) -> Value {
    text_of(path.display())
}
