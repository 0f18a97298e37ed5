//! What a table of misbehaviours is made of: a name, what is answered, and the attempt itself.

pub(crate) mod agreed;
pub(crate) mod custody;
pub(crate) mod documents;
pub(crate) mod expertise;
pub(crate) mod message;
pub(crate) mod stream;

use futures_util::future::BoxFuture;
use schakel_domain::refusal::Reason;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::exchange_request::Request as Say;

use crate::stage::Stage;

/// What the victim answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// The stream or call ends with this reason.
    Ends(Reason),
    /// The message is refused for good.
    Refused(Reason),
    /// The message may come again later. Nothing is logged: this happens to honest peers too.
    Later(Reason),
    /// It was taken before, or says nothing new: nothing changes, and nothing is logged again.
    Nothing,
}

/// What the peer does, once the scene is set.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// Says this on a new stream, from the start.
    Talk(Vec<Option<Say>>),
    /// Sends a batch after a good greeting.
    Batch(pb::Batch),
    /// Sends bytes that are no request, after a good greeting.
    Mumble(Vec<u8>),
    /// Sends one message in a batch that is as it should be.
    Message(Vec<u8>),
    /// Offers a document.
    Offer(pb::OfferDocumentRequest),
    /// Wants a covenant.
    Covenant(String, u32),
    /// Wants a party record.
    Record(String),
}

/// One misbehaviour.
pub(crate) struct Trick {
    pub(crate) name: &'static str,
    pub(crate) says: Says,
    pub(crate) play: for<'a> fn(&'a Stage) -> BoxFuture<'a, Attempt>,
}

/// A table: name, answer, attempt.
macro_rules! tricks {
    ($($name:literal => $says:expr, $stage:ident $play:block)*) => {
        /// The table.
        pub(crate) fn table() -> Vec<crate::tricks::Trick> {
            use schakel_domain::refusal::Reason::*;
            use crate::tricks::Says::*;
            vec![$(crate::tricks::Trick { name: $name, says: $says, play: |$stage| Box::pin(async move $play) }),*]
        }
    };
}
pub(crate) use tricks;
