//! Resource names, etags, pages and cursors: everything a caller hands back as it was given.
//!
//! Names hold opaque ids only: no name, number or birth date of a person is ever in one, so names may stand in logs and addresses.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schakel_domain::command::{PageOf, Seen};
use schakel_domain::id::{CaseId, ConsultationId, InvalidId, MessageId, OfferId, OrgId};

use super::fields::Fields;

/// Rows in a page when the caller does not say.
pub const USUAL_PAGE: u32 = 50;
/// Most rows in a page.
pub const MAX_PAGE: u32 = 200;
/// Longest opaque token a caller may hand back, in characters.
const MAX_TOKEN: usize = 400;

/// `cases/{case}`.
#[must_use]
pub fn case(id: CaseId) -> String {
    format!("cases/{id}")
}

/// `cases/{case}/erasure`.
#[must_use]
pub fn erasure(id: CaseId) -> String {
    format!("cases/{id}/erasure")
}

/// `consultations/{consultation}`.
#[must_use]
pub fn consultation(id: ConsultationId) -> String {
    format!("consultations/{id}")
}

/// `cases/{case}/handovers/{handover}`.
#[must_use]
pub fn handover(case: CaseId, id: OfferId) -> String {
    format!("cases/{case}/handovers/{id}")
}

/// `covenants/{covenant}/revisions/{revision}`.
#[must_use]
pub fn covenant(id: &str, version: u32) -> String {
    format!("covenants/{id}/revisions/{version}")
}

/// `organizations/{organization}`.
#[must_use]
pub fn organization(id: &OrgId) -> String {
    format!("organizations/{id}")
}

/// `peers/{organization}`.
#[must_use]
pub fn peer(id: &OrgId) -> String {
    format!("peers/{id}")
}

/// `messages/{message}`.
#[must_use]
pub fn message(id: MessageId) -> String {
    format!("messages/{id}")
}

/// `entries/{index}`.
#[must_use]
pub fn entry(index: u64) -> String {
    format!("entries/{index}")
}

/// The etag of a version.
#[must_use]
pub fn etag(version: u64) -> String {
    format!("v{version}")
}

impl Fields {
    /// Reads `cases/{case}`.
    pub fn case(&mut self, path: &str, name: &str) -> Option<CaseId> {
        self.named(path, name, "cases/")
    }

    /// Reads `cases/{case}` that may be absent (empty).
    pub fn optional_case(&mut self, path: &str, name: &str) -> Option<Option<CaseId>> {
        if name.is_empty() { Some(None) } else { self.case(path, name).map(Some) }
    }

    /// Reads `cases/{case}/erasure`.
    pub fn erasure(&mut self, path: &str, name: &str) -> Option<CaseId> {
        match name.strip_suffix("/erasure") {
            Some(case) => self.case(path, case),
            None => {
                self.wrong(path, "expected cases/{case}/erasure");
                None
            }
        }
    }

    /// Reads `consultations/{consultation}`.
    pub fn consultation(&mut self, path: &str, name: &str) -> Option<ConsultationId> {
        self.named(path, name, "consultations/")
    }

    /// Reads `consultations/{consultation}` that may be absent (empty).
    pub fn optional_consultation(&mut self, path: &str, name: &str) -> Option<Option<ConsultationId>> {
        if name.is_empty() { Some(None) } else { self.consultation(path, name).map(Some) }
    }

    /// Reads `cases/{case}/handovers/{handover}`.
    pub fn handover(&mut self, path: &str, name: &str) -> Option<(CaseId, OfferId)> {
        let parts = name.strip_prefix("cases/").and_then(|rest| rest.split_once("/handovers/"));
        let ids = parts.and_then(|(case, offer)| Some((case.parse().ok()?, offer.parse().ok()?)));
        if ids.is_none() {
            self.wrong(path, "expected cases/{case}/handovers/{handover}");
        }
        ids
    }

    /// Reads `covenants/{covenant}`, with or without `/revisions/{revision}`.
    pub fn covenant(&mut self, path: &str, name: &str) -> Option<(String, Option<u32>)> {
        let read = name.strip_prefix("covenants/").and_then(|rest| match rest.split_once("/revisions/") {
            None => Some((rest, None)),
            Some((id, version)) => {
                Some((id, Some(version.parse().ok().filter(|version| *version > 0 && number_as_written(*version, name))?)))
            }
        });
        let plain =
            |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let read = read.filter(|(id, _)| plain(id)).map(|(id, version)| (id.to_owned(), version));
        if read.is_none() {
            self.wrong(path, "expected covenants/{covenant} or covenants/{covenant}/revisions/{revision}");
        }
        read
    }

    /// Reads `peers/{organization}`.
    pub fn peer(&mut self, path: &str, name: &str) -> Option<OrgId> {
        self.named(path, name, "peers/")
    }

    /// Reads `messages/{message}`.
    pub fn message(&mut self, path: &str, name: &str) -> Option<MessageId> {
        self.named(path, name, "messages/")
    }

    /// Reads `organizations/{organization}/duty`.
    pub fn duty(&mut self, path: &str, name: &str) -> Option<OrgId> {
        let Some(rest) = name.strip_suffix("/duty") else {
            self.wrong(path, "expected organizations/{organization}/duty");
            return None;
        };
        self.named(path, rest, "organizations/")
    }

    /// Reads `entries/{index}`.
    pub fn entry(&mut self, path: &str, name: &str) -> Option<u64> {
        let index = name.strip_prefix("entries/").and_then(|digits| digits.parse().ok()).filter(|index| entry(*index) == name);
        if index.is_none() {
            self.wrong(path, "expected entries/{index}");
        }
        index
    }

    fn named<T: FromStr<Err = InvalidId>>(&mut self, path: &str, name: &str, collection: &str) -> Option<T> {
        let read = name.strip_prefix(collection).map(str::parse::<T>);
        match read {
            Some(Ok(id)) => return Some(id),
            Some(Err(invalid)) => self.wrong(path, format!("{collection}{{id}}: {}", invalid.problem)),
            None => self.wrong(path, format!("expected a name that starts with {collection}")),
        }
        None
    }

    /// Joins a thing and the etag at which the caller read it.
    pub fn seen<T>(&mut self, id: Option<T>, etag: &str) -> Option<Seen<T>> {
        let version = etag.strip_prefix('v').and_then(|digits| digits.parse().ok()).filter(|version| *version > 0);
        let version = version.filter(|version| self::etag(*version) == etag);
        if version.is_none() {
            self.wrong("etag", "required: the etag of the answer that was read");
        }
        Some(Seen { id: id?, version: version? })
    }

    /// Reads how many rows are wanted.
    pub fn page_size(&mut self, size: i32) -> Option<u32> {
        match u32::try_from(size) {
            Ok(0) => Some(USUAL_PAGE),
            Ok(size) => Some(size.min(MAX_PAGE)),
            Err(_) => {
                self.wrong("page_size", "not negative");
                None
            }
        }
    }

    /// Reads which page is wanted.
    pub fn page(&mut self, size: i32, token: &str, open_only: bool) -> Option<PageOf> {
        let size = self.page_size(size);
        let after = self.token("page_token", token);
        Some(PageOf { open_only, after: after?, size: size? })
    }

    /// Reads a page token of a list that is ordered by number.
    pub fn numbered_page(&mut self, token: &str) -> Option<u64> {
        let text = self.token("page_token", token)?;
        let number = if text.is_empty() { Some(0) } else { text.parse().ok() };
        if number.is_none() {
            self.wrong("page_token", "hand back the token of the answer before, unchanged");
        }
        number
    }

    fn token(&mut self, path: &str, token: &str) -> Option<String> {
        let text = (token.len() <= MAX_TOKEN).then(|| URL_SAFE_NO_PAD.decode(token).ok()).flatten();
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.contains(char::is_control));
        if text.is_none() {
            self.wrong(path, "hand back the token of the answer before, unchanged");
        }
        text
    }

    /// Reads a place in the order of events; empty: none given.
    pub fn cursor(&mut self, path: &str, cursor: &str) -> Option<Option<u64>> {
        if cursor.is_empty() {
            return Some(None);
        }
        let read = self.token(path, cursor)?;
        let sequence = read.strip_prefix('e').and_then(|digits| digits.parse().ok());
        if sequence.is_none() {
            self.wrong(path, "hand back a cursor as it was given");
        }
        sequence.map(Some)
    }
}

fn number_as_written(version: u32, name: &str) -> bool {
    name.ends_with(&format!("/revisions/{version}"))
}

/// The token that asks for the page after this id; empty when there is none.
#[must_use]
pub fn page_token(next: Option<impl ToString>) -> String {
    next.map_or_else(String::new, |next| URL_SAFE_NO_PAD.encode(next.to_string()))
}

/// The cursor of a place in the order of events.
#[must_use]
pub fn cursor(sequence: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("e{sequence}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36";

    #[test]
    fn names_come_back_as_written() {
        let mut fields = Fields::new();

        let (case_id, offer) = fields.handover("name", &format!("cases/{ID}/handovers/{ID}")).unwrap();

        assert_eq!(handover(case_id, offer), format!("cases/{ID}/handovers/{ID}"));
        assert_eq!(fields.covenant("name", "covenants/gelderland/revisions/3"), Some(("gelderland".to_owned(), Some(3))));
        assert_eq!(fields.covenant("name", "covenants/gelderland"), Some(("gelderland".to_owned(), None)));
        assert_eq!(fields.entry("name", "entries/12"), Some(12));
        assert!(fields.duty("name", "organizations/ura:90000123/duty").is_some());
        assert!(fields.done().is_ok());
    }

    #[test]
    fn a_name_that_is_almost_right_is_refused_by_field() {
        let mut fields = Fields::new();
        let upper = ID.to_uppercase();

        assert!(fields.case("a", &format!("cases/{upper}")).is_none());
        assert!(fields.case("b", ID).is_none());
        assert!(fields.handover("c", &format!("cases/{ID}/handovers/{ID}/x")).is_none());
        assert!(fields.covenant("d", "covenants/gelderland/revisions/03").is_none());
        assert!(fields.covenant("e", "covenants/../x").is_none());
        assert!(fields.entry("f", "entries/+1").is_none());
        assert!(fields.peer("g", "peers/90000123").is_none());
        assert!(fields.seen(Some(()), "v01").is_none());

        let paths: Vec<_> = fields.refusals().into_iter().filter_map(|refusal| refusal.field).collect();
        assert_eq!(paths, ["a", "b", "c", "d", "e", "f", "g", "etag"]);
    }

    #[test]
    fn tokens_and_cursors_come_back_and_others_are_refused() {
        let mut fields = Fields::new();

        assert_eq!(fields.page(500, &page_token(Some(ID)), true).unwrap(), PageOf { open_only: true, after: ID.to_owned(), size: 200 });
        assert_eq!(fields.cursor("cursor", &cursor(17)), Some(Some(17)));
        assert_eq!(fields.cursor("cursor", ""), Some(None));
        for bad in ["17", "é", "ZQ", &"A".repeat(500)] {
            assert!(fields.cursor("cursor", bad).is_none(), "{bad}");
        }
        assert!(fields.page_size(-1).is_none());
    }
}
