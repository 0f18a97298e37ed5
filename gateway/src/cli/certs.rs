//! `schakel certs`: a request for the real CA, a check of what it sent back, and a throw-away CA for a trial.

use std::fmt::Write;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Subcommand;
use jiff::Timestamp;
use schakel_certs::identity::ClientName;
use schakel_certs::issue::{DevOrg, write_dev_pki};
use schakel_certs::{csr, profile};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Lang;
use serde_json::{Value, json};

use super::{Failure, Globals, Report, Verdict, files};
use crate::bounded::MAX_CERTIFICATE_BYTES;

/// `schakel certs`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a throw-away CA with a certificate per organisation. Never for real use: whoever has the folder is everybody
    Dev {
        /// Folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Organisation and where its gateway is; localhost without a host
        #[arg(long, value_name = "ID[:HOST]", required = true)]
        org: Vec<Gateway>,
        /// An own system of every organisation that gets a client certificate
        #[arg(long, value_name = "NAME", default_value = "ecd", value_parser = ClientName::new)]
        client: Vec<ClientName>,
    },
    /// Make a key and a request for the real CA
    Csr {
        /// Our organisation
        #[arg(long, value_name = "ID")]
        org: OrgId,
        /// Name or address under which other gateways reach ours
        #[arg(long, value_name = "HOST", required = true)]
        host: Vec<String>,
        /// Folder for gateway.key and gateway.csr
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Say whether these are right gateway certificates, and whose
    Check {
        /// Certificates, PEM or DER
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

/// `ura:90000102` or `ura:90000102:host`.
#[derive(Debug, Clone)]
struct Gateway {
    org: OrgId,
    host: Option<String>,
}

impl FromStr for Gateway {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let second = text.match_indices(':').nth(1).map(|(at, _)| at);
        let (id, host) = second.map_or((text, None), |at| (&text[..at], Some(text[at + 1..].to_owned())));
        Ok(Self { org: id.parse().map_err(|error: schakel_domain::id::InvalidId| error.to_string())?, host })
    }
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    match args.command {
        Command::Dev { out, org, client } => dev(&out, &org, &client),
        Command::Csr { org, host, out } => request(&org, &host, &out),
        Command::Check { files } => check(&files, globals.lang()),
    }?
    .finish(globals)
}

fn dev(out: &std::path::Path, gateways: &[Gateway], clients: &[ClientName]) -> Result<Report, Failure> {
    let mut orgs: Vec<DevOrg> = Vec::new();
    for Gateway { org, host } in gateways {
        let hosts = host.clone().map_or_else(|| vec!["localhost".to_owned(), "127.0.0.1".to_owned()], |host| vec![host]);
        match orgs.iter_mut().find(|known| known.id == *org) {
            Some(known) => known.hosts.extend(hosts),
            None => orgs.push(DevOrg { id: org.clone(), hosts, clients: clients.to_vec() }),
        }
    }
    let pki = write_dev_pki(out, &orgs, Timestamp::now()).map_err(Failure::new)?;
    let mut text = format!(
        "Throw-away certificates, valid for 90 days. Never for real use.\nca           {}\nrevoked      {}\n",
        pki.ca.display(),
        pki.crl.display()
    );
    let mut rows = Vec::new();
    for org in &pki.orgs {
        let _ = writeln!(text, "{:<12} {}", org.id, org.certificate.display());
        let client = |(name, certificate, key): &(ClientName, PathBuf, PathBuf)| json!({ "name": name.as_str(), "certificate": certificate, "key": key });
        let clients: Vec<_> = org.clients.iter().map(client).collect();
        rows.push(json!({ "id": org.id, "certificate": org.certificate, "key": org.key, "local_ca": org.local_ca, "clients": clients }));
    }
    Ok(Report::new(text, json!({ "ca": pki.ca, "crl": pki.crl, "organizations": rows })))
}

fn request(org: &OrgId, hosts: &[String], out: &std::path::Path) -> Result<Report, Failure> {
    let request = csr::request(org, hosts).map_err(Failure::new)?;
    std::fs::create_dir_all(out).map_err(|error| Failure::file(out, &error))?;
    let (csr, key) = (out.join("gateway.csr"), out.join("gateway.key"));
    request.write(&csr, &key).map_err(Failure::new)?;
    let text = format!(
        "Send {} to your certificate authority; {} stays on this machine.\nThen: schakel certs check FILE\n",
        csr.display(),
        key.display()
    );
    Ok(Report::new(text, json!({ "csr": csr, "key": key })))
}

fn check(paths: &[PathBuf], lang: Lang) -> Result<Report, Failure> {
    let (now, mut text, mut rows, mut wrong) = (Timestamp::now(), String::new(), Vec::new(), false);
    for path in paths {
        let bytes = files::read(path, MAX_CERTIFICATE_BYTES)?;
        let findings = profile::check(&bytes, now);
        let identity = profile::identity(&bytes).ok();
        let whose = identity.as_ref().map_or_else(String::new, |found| format!(" {}, until {}", found.subject.uri(), found.not_after));
        let bad = findings.iter().any(|finding| finding.severity == profile::Severity::Error);
        let _ = writeln!(text, "{} {}:{whose}", if bad { "×" } else { "√" }, path.display());
        for finding in &findings {
            let _ = writeln!(text, "    {}: {} {}", finding.field, finding.what(lang), finding.remedy(lang));
        }
        wrong |= bad;
        let identity = identity.map(|found| json!({ "uri": found.subject.uri(), "spki_sha256": found.spki, "not_after": found.not_after }));
        rows.push(json!({ "file": path, "ok": !bad, "identity": identity, "findings": findings.iter().map(finding).collect::<Vec<_>>() }));
    }
    Ok(Report::new(text, json!({ "files": rows })).wrong_if(wrong))
}

fn finding(finding: &profile::Finding) -> Value {
    let severity = if finding.severity == profile::Severity::Error { "error" } else { "warning" };
    let both = |nl: &str, en: &str| json!({ "nl": nl, "en": en });
    let what = both(finding.what(Lang::Nl), finding.what(Lang::En));
    let remedy = both(finding.remedy(Lang::Nl), finding.remedy(Lang::En));
    json!({ "field": finding.field, "severity": severity, "what": what, "remedy": remedy })
}
