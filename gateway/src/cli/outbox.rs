//! `schakel outbox`: messages to one peer. Nothing of a case is in them here: a message is its kind, its state and its hash.

use clap::{Subcommand, ValueEnum};
use schakel_domain::id::{MessageId, OrgId, RequestId};
use schakel_domain::refusal::Lang;
use schakel_proto::admin::v1 as wire;
use schakel_proto::admin::v1::outbox_message::State as WireState;
use schakel_proto::admin::v1::outbox_service_client::OutboxServiceClient;
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::remote::door::Admin;
use super::remote::words::{last, moment, moment_json, table};
use super::remote::{self, No, Remote};
use super::{Failure, Globals, Report, Verdict};
use crate::wire::names;

/// Messages in one page.
const PAGE: i32 = 200;

/// `schakel outbox`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Messages to one organisation, oldest first
    List {
        #[command(flatten)]
        door: Admin,
        /// The organisation
        #[arg(long, value_name = "ORG")]
        peer: OrgId,
        /// Only in this state
        #[arg(long, value_enum, default_value_t = State::Waiting)]
        state: State,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Try an organisation now instead of at the next attempt
    Retry {
        #[command(flatten)]
        door: Admin,
        /// The organisation
        #[arg(long, value_name = "ORG")]
        peer: OrgId,
        #[command(flatten)]
        key: Key,
    },
    /// Take back an offer or question that was not delivered. Nothing else can be cancelled
    Cancel {
        #[command(flatten)]
        door: Admin,
        /// The message, from `outbox list`
        #[arg(value_name = "MESSAGE")]
        message: MessageId,
        /// Why; no personal data
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        key: Key,
    },
    /// Send a parked message again; it is judged by the state of this moment
    Replay {
        #[command(flatten)]
        door: Admin,
        /// The message, from `outbox list --state parked`
        #[arg(value_name = "MESSAGE")]
        message: MessageId,
        #[command(flatten)]
        key: Key,
    },
}

/// The key of a write.
#[derive(Debug, clap::Args)]
pub(super) struct Key {
    /// To repeat an act that got no answer: as it was printed; it has effect once
    #[arg(long, value_name = "UUID")]
    request_id: Option<RequestId>,
}

impl Key {
    /// The key as given or a new one, said before it is sent: without an answer it is what a repetition needs.
    pub(super) fn take(self) -> String {
        let id = remote::request_id(self.request_id).to_string();
        eprintln!("to repeat this very act: --request-id {id}");
        id
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    /// To be sent
    Waiting,
    /// The peer cannot accept it
    Parked,
    /// Durably stored by the peer
    Delivered,
    /// Taken back before it was delivered
    Cancelled,
}

impl State {
    fn wire(self) -> WireState {
        match self {
            State::Waiting => WireState::Waiting,
            State::Parked => WireState::Parked,
            State::Delivered => WireState::Delivered,
            State::Cancelled => WireState::Cancelled,
        }
    }

    /// For programs, and for people.
    fn word(state: WireState, lang: Lang) -> (&'static str, &'static str) {
        let (code, nl) = match state {
            WireState::Waiting => ("waiting", "wacht"),
            WireState::Parked => ("parked", "geparkeerd"),
            WireState::Delivered => ("delivered", "afgeleverd"),
            WireState::Cancelled => ("cancelled", "teruggenomen"),
            WireState::Unspecified => ("unknown", "onbekend"),
        };
        (code, if lang == Lang::Nl { nl } else { code })
    }
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    remote::run(globals, async {
        match args.command {
            Command::List { door, peer, state, limit } => list(&door.open(globals)?, &peer, state, limit as usize).await,
            Command::Retry { door, peer, key } => {
                let (remote, request_id) = (door.open(globals)?, key.take());
                let request = wire::RetryPeerRequest { name: names::peer(&peer), request_id: request_id.clone() };
                remote.answer(service(&remote).retry_peer(remote.request(request)?)).await?;
                let text = word(&remote, format!("{peer}: er wordt nu een poging gedaan\n"), format!("{peer}: an attempt is made now\n"));
                Ok(Report::new(text, json!({ "peer": peer, "request_id": request_id })))
            }
            Command::Cancel { door, message, reason, key } => {
                let (remote, request_id) = (door.open(globals)?, key.take());
                let request = wire::CancelMessageRequest { name: names::message(message), request_id: request_id.clone(), reason };
                remote.answer(service(&remote).cancel_message(remote.request(request)?)).await?;
                let text = word(&remote, format!("{message}: teruggenomen\n"), format!("{message}: taken back\n"));
                Ok(Report::new(text, json!({ "message": message.to_string(), "request_id": request_id })))
            }
            Command::Replay { door, message, key } => {
                let (remote, request_id) = (door.open(globals)?, key.take());
                let request = wire::ReplayMessageRequest { name: names::message(message), request_id: request_id.clone() };
                remote.answer(service(&remote).replay_message(remote.request(request)?)).await?;
                let text = word(&remote, format!("{message}: opnieuw verstuurd\n"), format!("{message}: sent again\n"));
                Ok(Report::new(text, json!({ "message": message.to_string(), "request_id": request_id })))
            }
        }
    })
}

fn service(remote: &Remote) -> OutboxServiceClient<Channel> {
    OutboxServiceClient::new(remote.channel())
}

fn word(remote: &Remote, nl: String, en: String) -> String {
    if remote.lang() == Lang::Nl { nl } else { en }
}

async fn list(remote: &Remote, peer: &OrgId, state: State, limit: usize) -> Result<Report, No> {
    let mut messages: Vec<wire::OutboxMessage> = Vec::new();
    let mut token = String::new();
    loop {
        let request =
            wire::ListMessagesRequest { parent: names::peer(peer), state: state.wire().into(), page_size: PAGE, page_token: token };
        let page = remote.answer(service(remote).list_messages(remote.request(request)?)).await?;
        messages.extend(page.messages);
        token = page.next_page_token;
        if token.is_empty() || messages.len() >= limit {
            break;
        }
    }
    let more = !token.is_empty() || messages.len() > limit;
    messages.truncate(limit);
    Ok(show(&messages, more, remote))
}

fn show(messages: &[wire::OutboxMessage], more: bool, remote: &Remote) -> Report {
    let row = |message: &wire::OutboxMessage| {
        vec![
            message.number.to_string(),
            last(&message.name).to_owned(),
            message.kind.clone(),
            State::word(message.state(), remote.lang()).1.to_owned(),
            moment(message.create_time.as_ref()),
            message.reason.clone(),
        ]
    };
    let mut text = table(&messages.iter().map(row).collect::<Vec<_>>());
    if messages.is_empty() {
        text = word(remote, "geen berichten\n".to_owned(), "no messages\n".to_owned());
    } else if more {
        text += &word(remote, "er zijn er meer: --limit\n".to_owned(), "there are more: --limit\n".to_owned());
    }
    Report::new(text, json!({ "messages": messages.iter().map(object).collect::<Vec<_>>(), "more": more }))
}

fn object(message: &wire::OutboxMessage) -> Value {
    let hash: String = message.message_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "id": last(&message.name),
        "peer": last(&message.peer),
        "kind": message.kind,
        "state": State::word(message.state(), Lang::En).0,
        "reason": Some(&message.reason).filter(|reason| !reason.is_empty()),
        "number": message.number,
        "sha256": hash,
        "queued": moment_json(message.create_time.as_ref()),
        "changed": moment_json(message.update_time.as_ref()),
    })
}
