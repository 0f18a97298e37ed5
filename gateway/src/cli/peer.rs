//! `schakel peer`: the other organisations' gateways, the switch that stops the traffic with one of them, and the end of recovery.

use clap::Subcommand;
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Lang;
use schakel_proto::admin::v1 as wire;
use schakel_proto::admin::v1::peer::State;
use schakel_proto::admin::v1::peer_service_client::PeerServiceClient;
use schakel_proto::r#type::v1::Actor;
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::outbox::Key;
use super::remote::door::Admin;
use super::remote::words::{last, moment, moment_json, table};
use super::remote::{self, No, Remote};
use super::{Failure, Globals, Report, Verdict};
use crate::wire::names;

/// Peers in one page.
const PAGE: i32 = 200;

/// `schakel peer`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How traffic with every organisation stands, and why messages wait
    List {
        #[command(flatten)]
        door: Admin,
    },
    /// Stop traffic with an organisation, both ways; messages wait
    Stop {
        #[command(flatten)]
        door: Admin,
        /// The organisation
        #[arg(value_name = "ORG")]
        peer: OrgId,
        /// Why; staff see it
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: Key,
    },
    /// After a restore and a call with every party of an open case: let this gateway decide again. Two people; you are the first
    EndRecovery {
        #[command(flatten)]
        door: Admin,
        /// What was done to make good what was lost; no data of a client
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The second person: `local:7002`, or uzi:, big:, skj: and the number
        #[arg(long, value_name = "PERSON")]
        second: String,
        /// Name of the second person
        #[arg(long, value_name = "NAME")]
        second_name: String,
        /// Function of the second person
        #[arg(long, value_name = "FUNCTION")]
        second_function: String,
        #[command(flatten)]
        key: Key,
    },
    /// Resume traffic with an organisation; what waits is sent
    Resume {
        #[command(flatten)]
        door: Admin,
        /// The organisation
        #[arg(value_name = "ORG")]
        peer: OrgId,
        #[command(flatten)]
        key: Key,
    },
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    remote::run(globals, async {
        match args.command {
            Command::List { door } => {
                let remote = door.open(globals)?;
                let peers = peers(&remote).await?;
                Ok(list(&peers, remote.lang()))
            }
            Command::Stop { door, peer, reason, key } => {
                let (remote, request_id) = (door.open(globals)?, key.take());
                let request = wire::StopPeerRequest { name: names::peer(&peer), request_id: request_id.clone(), reason };
                remote.answer(service(&remote).stop_peer(remote.request(request)?)).await?;
                after(&remote, &peer, &request_id).await
            }
            Command::EndRecovery { door, reason, second, second_name, second_function, key } => {
                let (remote, request_id) = (door.open(globals)?, key.take());
                let second_actor = Some(Actor { person: second, name: second_name, function: second_function });
                let request = wire::EndRecoveryRequest { request_id: request_id.clone(), reason, second_actor };
                remote.answer(service(&remote).end_recovery(remote.request(request)?)).await?;
                let nl = remote.lang() == Lang::Nl;
                let said = if nl { "deze gateway beslist weer\n" } else { "this gateway decides again\n" };
                Ok(Report::new(said.to_owned(), json!({ "recovering": false, "request_id": request_id })))
            }
            Command::Resume { door, peer, key } => {
                let (remote, request_id) = (door.open(globals)?, key.take());
                let request = wire::ResumePeerRequest { name: names::peer(&peer), request_id: request_id.clone() };
                remote.answer(service(&remote).resume_peer(remote.request(request)?)).await?;
                after(&remote, &peer, &request_id).await
            }
        }
    })
}

fn service(remote: &Remote) -> PeerServiceClient<Channel> {
    PeerServiceClient::new(remote.channel())
}

async fn peers(remote: &Remote) -> Result<Vec<wire::Peer>, No> {
    let mut peers = Vec::new();
    let mut token = String::new();
    loop {
        let request = wire::ListPeersRequest { page_size: PAGE, page_token: token };
        let page = remote.answer(service(remote).list_peers(remote.request(request)?)).await?;
        peers.extend(page.peers);
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(peers);
        }
    }
}

/// How one peer stands after it was stopped or resumed.
async fn after(remote: &Remote, peer: &OrgId, request_id: &str) -> Result<Report, No> {
    let mut peers = peers(remote).await?;
    peers.retain(|one| one.name == names::peer(peer));
    let rows: Vec<_> = peers.iter().map(|peer| row(peer, remote.lang())).collect();
    Ok(Report::new(table(&rows), json!({ "peer": peers.first().map(object), "request_id": request_id })))
}

fn list(peers: &[wire::Peer], lang: Lang) -> Report {
    let none = if lang == Lang::Nl {
        "geen andere organisaties in een geldend convenant\n"
    } else {
        "no other organisation in a covenant in force\n"
    };
    let rows: Vec<_> = peers.iter().map(|peer| row(peer, lang)).collect();
    let text = if peers.is_empty() { none.to_owned() } else { table(&rows) };
    Report::new(text, json!({ "peers": peers.iter().map(object).collect::<Vec<_>>() }))
}

fn row(peer: &wire::Peer, lang: Lang) -> Vec<String> {
    let waiting = match (peer.waiting, lang) {
        (0, _) => String::new(),
        (n, Lang::Nl) => format!("{n} wacht sinds {}", moment(peer.oldest_time.as_ref())),
        (n, Lang::En) => format!("{n} waiting since {}", moment(peer.oldest_time.as_ref())),
    };
    let ends = match (peer.certificate_expire_time.as_ref(), lang) {
        (None, _) => String::new(),
        (ends, Lang::Nl) => format!("certificaat tot {}", moment(ends)),
        (ends, Lang::En) => format!("certificate until {}", moment(ends)),
    };
    let state = word(peer.state(), lang).1.to_owned();
    vec![last(&peer.name).to_owned(), peer.organization_name.clone(), state, waiting, ends, peer.reason.clone()]
}

fn object(peer: &wire::Peer) -> Value {
    json!({
        "organization": last(&peer.name),
        "name": peer.organization_name,
        "state": word(peer.state(), Lang::En).0,
        "reason": Some(&peer.reason).filter(|reason| !reason.is_empty()),
        "waiting": peer.waiting,
        "oldest": moment_json(peer.oldest_time.as_ref()),
        "next_attempt": moment_json(peer.next_attempt_time.as_ref()),
        "contact": moment_json(peer.contact_time.as_ref()),
        "reason_code": Some(&peer.reason_code).filter(|code| !code.is_empty()),
        "remedy": Some(&peer.remedy).filter(|remedy| !remedy.is_empty()),
        "certificate_ends": moment_json(peer.certificate_expire_time.as_ref()),
    })
}

/// For programs, and for people.
fn word(state: State, lang: Lang) -> (&'static str, &'static str) {
    let (code, nl) = match state {
        State::Open => ("open", "open"),
        State::Unreachable => ("unreachable", "onbereikbaar"),
        State::Stopped => ("stopped", "stilgezet"),
        State::Expired => ("expired", "partijgegevens verlopen"),
        State::KnowsMore => ("knows-more", "heeft meer van ons dan wij"),
        State::Unspecified => ("unknown", "onbekend"),
    };
    (code, if lang == Lang::Nl { nl } else { code })
}
