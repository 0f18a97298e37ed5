//! Why a step of custody is refused, and the reason told to people and peers.

use crate::refusal::Reason;

/// Why an input is refused. The state stays as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejected {
    /// This organisation does not lead.
    #[error("this organisation does not lead the case")]
    NotLead,
    /// An own offer is open.
    #[error("an own offer is open")]
    OfferOpen,
    /// The offer is not, or no longer, open.
    #[error("the offer is not open")]
    OfferNotOpen,
    /// A colleague answered before.
    #[error("the offer was answered before")]
    AlreadyAnswered,
    /// The token is under way.
    #[error("the token is under way")]
    InTransfer,
    /// No token is under way.
    #[error("no token is under way")]
    NotInTransfer,
    /// The case is contested.
    #[error("the case is contested")]
    Contested,
    /// The case is not contested.
    #[error("the case is not contested")]
    NotContested,
    /// The case is closed here.
    #[error("the case is closed")]
    Closed,
    /// The case is known here already.
    #[error("the case is already known here")]
    AlreadyOpen,
    /// There is no such offer here.
    #[error("no such offer")]
    NoSuchOffer,
    /// An offer to oneself.
    #[error("an offer to oneself")]
    ToSelf,
    /// An offer id that was used before.
    #[error("the offer id was used before")]
    OfferReused,
    /// More offers than are kept.
    #[error("too many offers in one case")]
    TooMany,
    /// A peer speaks of an offer or case that is not its own.
    #[error("the message is not this organisation's to send")]
    Foreign,
    /// A peer answers an offer nobody made, or transfers one that never came.
    #[error("the message is about an unknown offer")]
    UnknownOffer,
    /// A peer transfers an offer nobody accepted.
    #[error("the offer was not accepted")]
    NotAccepted,
    /// The package differs from the one that was offered or accepted.
    #[error("the package differs from the one agreed")]
    ContentChanged,
    /// The epoch does not follow from the offer, or is absurd.
    #[error("the epoch does not fit")]
    WrongEpoch,
    /// A receipt names another Transfer, or a Transfer came without its hash.
    #[error("the receipt does not name this transfer")]
    WrongReceipt,
}

impl Rejected {
    /// The reason told to people and to peers.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotLead => Reason::NotLead,
            Self::OfferOpen => Reason::OfferOpen,
            Self::OfferNotOpen => Reason::HandoverNotOpen,
            Self::AlreadyAnswered => Reason::AlreadyAnswered,
            Self::InTransfer => Reason::InTransfer,
            Self::NotInTransfer => Reason::NotInTransfer,
            Self::Contested => Reason::Contested,
            Self::NotContested => Reason::NotContested,
            Self::Closed => Reason::CaseClosed,
            Self::NoSuchOffer => Reason::NotFound,
            Self::ToSelf => Reason::InvalidField,
            Self::TooMany => Reason::QuotaExceeded,
            Self::OfferReused => Reason::MessageConflict,
            Self::AlreadyOpen
            | Self::Foreign
            | Self::UnknownOffer
            | Self::NotAccepted
            | Self::ContentChanged
            | Self::WrongEpoch
            | Self::WrongReceipt => Reason::ProtocolViolation,
        }
    }
}
