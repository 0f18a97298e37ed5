//! `schakel case`: who is responsible for a case and whom to call, and the two acts that take two people. No personal data of a client is
//! shown, and none is asked for.

mod show;

use clap::Subcommand;
use schakel_domain::id::RequestId;
use schakel_proto::care::v1 as wire;
use schakel_proto::care::v1::case_service_client::CaseServiceClient;
use schakel_proto::r#type::v1::Actor;
use tonic::transport::Channel;

use super::named::Named;
use super::remote::door::Care;
use super::remote::{self, No, Remote};
use super::{Failure, Globals, Report, Verdict};
use crate::wire::names;

/// Cases in one page.
const PAGE: i32 = 200;

/// `schakel case`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Cases that ask for attention: where they stand, who is responsible, whom to call
    List {
        #[command(flatten)]
        door: Care,
        /// Closed cases and those of others too
        #[arg(long)]
        all: bool,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// One case, by its id or its name for the telephone
    Show {
        #[command(flatten)]
        door: Care,
        /// `ZK-7F3KD` or the id
        #[arg(value_name = "LABEL|ID")]
        case: Named,
    },
    /// Take the lead back while a transfer is under way and the receiver cannot be reached. Two people; you are the first
    Reclaim(Together),
    /// Step back from a contested case after a call with the organisation that leads. Two people; you are the first
    Resolve(Together),
}

/// What two people say together.
#[derive(Debug, clap::Args)]
struct Together {
    #[command(flatten)]
    door: Care,
    /// `ZK-7F3KD` or the id
    #[arg(value_name = "LABEL|ID")]
    case: Named,
    /// The second person: `local:7002`, or uzi:, big:, skj: and the number
    #[arg(long, value_name = "PERSON")]
    second: String,
    /// Name of the second person
    #[arg(long, value_name = "NAME")]
    second_name: String,
    /// Function of the second person
    #[arg(long, value_name = "FUNCTION")]
    second_function: String,
    /// Your name, when your token does not say it
    #[arg(long, value_name = "NAME")]
    first_name: Option<String>,
    /// Your function, when your token does not say it
    #[arg(long, value_name = "FUNCTION")]
    first_function: Option<String>,
    /// The call that was made or tried: with whom
    #[arg(long, value_name = "TEXT")]
    called: String,
    /// Why; no personal data of the young person
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// To repeat an act that got no answer: as it was printed, with --etag; it has effect once
    #[arg(long, value_name = "UUID", requires = "etag")]
    request_id: Option<RequestId>,
    /// The version you decided on; without it, the case is read first
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    remote::run(globals, async {
        match args.command {
            Command::List { door, all, limit } => list(&door.open(globals)?, all, limit as usize).await,
            Command::Show { door, case } => {
                let remote = door.open(globals)?;
                let cases = find(&remote, &case).await?;
                Ok(show::several(&cases, remote.lang()))
            }
            Command::Reclaim(together) => decide(together, Act::Reclaim, globals).await,
            Command::Resolve(together) => decide(together, Act::Resolve, globals).await,
        }
    })
}

fn service(remote: &Remote) -> CaseServiceClient<Channel> {
    CaseServiceClient::new(remote.channel())
}

async fn list(remote: &Remote, all: bool, limit: usize) -> Result<Report, No> {
    let mut cases: Vec<wire::Case> = Vec::new();
    let mut token = String::new();
    loop {
        let request = wire::ListCasesRequest { page_size: PAGE, page_token: token, open_only: !all, ..Default::default() };
        let page = remote.answer(service(remote).list_cases(remote.request(request)?)).await?;
        cases.extend(page.cases);
        token = page.next_page_token;
        if token.is_empty() || cases.len() >= limit {
            break;
        }
    }
    let more = !token.is_empty() || cases.len() > limit;
    cases.truncate(limit);
    Ok(show::list(&cases, more, remote.lang()))
}

/// Every case that is meant: a name for the telephone may stand for two.
async fn find(remote: &Remote, case: &Named) -> Result<Vec<wire::Case>, No> {
    let found = match case {
        Named::Id(id) => {
            let request = wire::GetCaseRequest { name: names::case(*id), view: wire::View::Basic.into(), actor: None };
            remote.answer(service(remote).get_case(remote.request(request)?)).await?.case.into_iter().collect()
        }
        Named::Label(label) => {
            let request = wire::ListCasesRequest { label: label.to_string(), ..Default::default() };
            remote.answer(service(remote).list_cases(remote.request(request)?)).await?.cases
        }
    };
    if found.is_empty() { Err(remote.not_found()) } else { Ok(found) }
}

/// An act that takes two people.
#[derive(Debug, Clone, Copy)]
enum Act {
    Reclaim,
    Resolve,
}

async fn decide(together: Together, act: Act, globals: &Globals) -> Result<Report, No> {
    let Together { door, case, second, second_name, second_function, first_name, first_function, called, reason, request_id, etag } =
        together;
    let remote = door.open(globals)?;
    let nobody = || Failure::new("two people answer for this: show your own token with --token-file; a system cannot do it");
    let first = remote.token().ok_or_else(nobody)?.person(first_name, first_function)?;
    let second = Actor { person: second, name: second_name, function: second_function };
    let found = find(&remote, &case).await?;
    let [read] = found.as_slice() else {
        let ids: Vec<&str> = found.iter().map(|case| remote::words::last(&case.name)).collect();
        return Err(Failure::new(format_args!("more than one case has this name: name one by its id: {}", ids.join(", "))).into());
    };
    let (name, label) = (read.name.clone(), read.label.clone());
    let etag = etag.unwrap_or_else(|| read.etag.clone());
    let request_id = remote::request_id(request_id).to_string();
    // Said before it is sent: without an answer this is what a repetition needs.
    eprintln!("{label} read at {etag}; to repeat this very act: --request-id {request_id} --etag {etag}");
    let (actor, second_actor) = (Some(first), Some(second));
    let case = match act {
        Act::Reclaim => {
            let request = wire::ForceReclaimCaseRequest {
                name,
                etag: etag.clone(),
                request_id: request_id.clone(),
                actor,
                second_actor,
                called,
                reason,
            };
            remote.answer(service(&remote).force_reclaim_case(remote.request(request)?)).await?.case
        }
        Act::Resolve => {
            let request = wire::ResolveContestedCaseRequest {
                name,
                etag: etag.clone(),
                request_id: request_id.clone(),
                actor,
                second_actor,
                called,
                reason,
            };
            remote.answer(service(&remote).resolve_contested_case(remote.request(request)?)).await?.case
        }
    };
    Ok(show::decided(&case.unwrap_or_default(), &etag, &request_id, remote.lang()))
}
