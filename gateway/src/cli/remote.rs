//! REMOTE: how the command line calls a running gateway, by the same doors and rules as everybody else.
//!
//! At the care door a person shows a token, read from a file that is theirs alone: on a command line every user of the machine would see
//! it. At the admin door the operator is the user of the unix socket, or has a certificate, a token or both. What the gateway refuses is a
//! result (exit code 3) with reason, sentence and remedy; a gateway that cannot be reached or cannot do it now is a failure (1).

pub(super) mod door;
mod token;
pub(super) mod words;

use std::time::Duration;

use schakel_domain::id::RequestId;
use schakel_domain::refusal::{Class, Lang, Reason, Refusal, Stage};
use serde_json::json;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_types::StatusExt as _;

pub(super) use self::token::Token;
use super::{Failure, Globals, Report, Verdict};
use crate::desk::Source as _;
use crate::source::SystemSource;
use crate::tls::Tap;
use crate::wire::status::{DOMAIN, to_refusal};

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Why a call brought nothing.
#[derive(Debug)]
pub(super) enum No {
    /// The gateway said no.
    Refused(Box<Refused>),
    /// It was not asked, or could not answer.
    Failed(Failure),
}

impl From<Failure> for No {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What the gateway said instead of doing it.
#[derive(Debug)]
pub(super) struct Refused {
    reason: String,
    /// For people, in the language asked for: the sentence and what to do, each a line.
    lines: Vec<String>,
    /// What exactly, for the developer.
    detail: String,
}

impl Refused {
    fn known(refusal: &Refusal, lang: Lang) -> Self {
        let lines = vec![refusal.sentence(lang), refusal.reason.remedy(lang).to_owned()];
        let detail = [refusal.field.as_deref().unwrap_or_default(), &refusal.detail].into_iter().filter(|part| !part.is_empty());
        Self { reason: refusal.reason.code().to_owned(), lines, detail: detail.collect::<Vec<_>>().join(": ") }
    }

    fn report(&self) -> Report {
        let mut text = format!("× {}", self.reason);
        if !self.detail.is_empty() {
            text += &format!(" ({})", words::plain(&self.detail));
        }
        text.push('\n');
        self.lines.iter().for_each(|line| text += &format!("  {}\n", words::plain(line)));
        let error = json!({ "reason": self.reason, "message": self.lines.join(" "), "detail": self.detail });
        Report::new(text, json!({ "error": error })).wrong_if(true)
    }
}

/// A gateway that is called, and in whose name.
pub(super) struct Remote {
    channel: Channel,
    tap: Option<Tap>,
    place: String,
    token: Option<Token>,
    lang: Lang,
}

impl Remote {
    /// The channel, for a client of one service.
    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The token shown, when there is one.
    pub(super) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The language of answers.
    pub(super) fn lang(&self) -> Lang {
        self.lang
    }

    /// A message with everything that goes along with a call.
    pub(super) fn request<T>(&self, message: T) -> Result<Request<T>, Failure> {
        let mut request = Request::new(message);
        request.set_timeout(ANSWER);
        let lang = if self.lang == Lang::Nl { "nl" } else { "en" };
        request.metadata_mut().insert("accept-language", AsciiMetadataValue::from_static(lang));
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.header()?);
        }
        Ok(request)
    }

    /// Waits for the answer to a call, and says what is wrong when there is none.
    pub(super) async fn answer<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, No> {
        match tokio::time::timeout(ANSWER, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.no(&status)),
            Err(_) => Err(Failure::new(format_args!("{}: no answer within {} s; telephone", self.place, ANSWER.as_secs())).into()),
        }
    }

    /// The gateway knows nothing by this name.
    pub(super) fn not_found(&self) -> No {
        No::Refused(Box::new(Refused::known(&Refusal::new(Stage::State, Reason::NotFound), self.lang)))
    }

    fn no(&self, status: &Status) -> No {
        if let Some(refusal) = to_refusal(status) {
            return match refusal.reason.class() {
                Class::Unavailable | Class::Exhausted | Class::Internal => Failure::told(&refusal, self.lang).into(),
                _ => No::Refused(Box::new(Refused::known(&refusal, self.lang))),
            };
        }
        // A reason this version does not know yet: the gateway's own words.
        let newer = status.get_details_error_info().filter(|info| info.domain == DOMAIN);
        if let Some((info, said)) = newer.zip(status.get_details_localized_message()) {
            return No::Refused(Box::new(Refused { reason: info.reason, lines: vec![said.message], detail: status.message().to_owned() }));
        }
        let seen = self.tap.as_ref().and_then(Tap::last);
        let why = seen.map_or_else(|| innermost(status), |refusal| refusal.to_string());
        Failure::new(format_args!("{}: {}", self.place, words::plain(&why))).into()
    }
}

/// The deepest reason of a failed call: the outer ones only say "transport error".
fn innermost(status: &Status) -> String {
    let mut error: &dyn std::error::Error = status;
    while let Some(source) = error.source() {
        error = source;
    }
    if std::ptr::addr_eq(error, status) { format!("{:?}: {}", status.code(), status.message()) } else { error.to_string() }
}

/// Runs one command against a gateway, to its report or the refusal.
pub(super) fn run(globals: &Globals, command: impl Future<Output = Result<Report, No>>) -> Result<Verdict, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    match runtime.block_on(command) {
        Ok(report) => report.finish(globals),
        Err(No::Refused(refused)) => refused.report().finish(globals),
        Err(No::Failed(failure)) => Err(failure),
    }
}

/// The key of one write: the one given, for a repetition, or a new one.
pub(super) fn request_id(given: Option<RequestId>) -> RequestId {
    given.unwrap_or_else(|| {
        let source = SystemSource::default();
        RequestId::new(source.uuid(source.now()))
    })
}

#[cfg(test)]
mod tests;
