//! The log, as auditors ask for it.

use schakel_domain::command::LogAct;
use schakel_domain::id::Hash;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::{LogCheck, LogEntryView};
use schakel_proto::audit::v1 as wire;

use super::fields::Fields;
use super::names;

/// Most bytes of a piece of an exported file.
pub const MAX_PIECE: usize = 65_536;

/// Reads a request for entries.
///
/// # Errors
/// Every wrong field.
pub fn list(request: &wire::ListEntriesRequest) -> Result<LogAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let size = fields.page_size(request.page_size);
    let from = fields.numbered_page(&request.page_token);
    let case = fields.optional_case("case", &request.case);
    let since = fields.any_moment("from_time", request.from_time.as_ref());
    let before = fields.any_moment("to_time", request.to_time.as_ref());
    if let (Some(Some(since)), Some(Some(before))) = (since, before)
        && before < since
    {
        fields.wrong("to_time", "not before from_time");
        return Err(fields.refusals());
    }
    let (Some(size), Some(from), Some(case), Some(since), Some(before)) = (size, from, case, since, before) else {
        return Err(fields.refusals());
    };
    Ok(LogAct::Entries { from, size, case, since, before })
}

/// Reads a request for one entry.
///
/// # Errors
/// Every wrong field.
pub fn get(request: &wire::GetEntryRequest) -> Result<LogAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let Some(index) = fields.entry("name", &request.name) else { return Err(fields.refusals()) };
    Ok(LogAct::Entry(index))
}

/// A step of a check for the wire.
#[must_use]
pub fn check_to_wire(step: LogCheck) -> wire::VerifyLogResponse {
    match step {
        LogCheck::Checked(entries) => wire::VerifyLogResponse { entries: number(entries), ..Default::default() },
        LogCheck::Verdict(verdict) => wire::VerifyLogResponse {
            ok: verdict.ok,
            entries: number(verdict.entries),
            first_bad_index: verdict.first_bad.map(number),
            check: verdict.check,
            text_nl: verdict.text_nl,
            text_en: verdict.text_en,
            done: true,
        },
    }
}

/// Reads a request for an inclusion proof.
///
/// # Errors
/// Every wrong field.
pub fn inclusion(request: &wire::GetInclusionProofRequest) -> Result<LogAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let index = fields.entry("name", &request.name);
    let size = size(&mut fields, "log_size", request.log_size);
    let (Some(index), Some(size)) = (index, size) else { return Err(fields.refusals()) };
    Ok(LogAct::Inclusion { index, size })
}

/// Reads a request for a consistency proof.
///
/// # Errors
/// Every wrong field.
pub fn consistency(request: &wire::GetConsistencyProofRequest) -> Result<LogAct, Vec<Refusal>> {
    let mut fields = Fields::new();
    let from = size(&mut fields, "from_size", request.from_size);
    let to = size(&mut fields, "to_size", request.to_size);
    if from == Some(None) {
        fields.wrong("from_size", "required: a size from 1");
    }
    let (Some(Some(from)), Some(to)) = (from, to) else { return Err(fields.refusals()) };
    if to.is_some_and(|to| to < from) {
        fields.wrong("to_size", "not smaller than from_size");
        return Err(fields.refusals());
    }
    Ok(LogAct::Consistency { from, to })
}

/// Reads the size of a log; 0: not said.
fn size(fields: &mut Fields, path: &str, size: i64) -> Option<Option<u64>> {
    let read = u64::try_from(size).ok();
    if read.is_none() {
        fields.wrong(path, "not negative");
    }
    read.map(|size| Some(size).filter(|size| *size > 0))
}

/// A position or size for the wire.
#[must_use]
pub fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An entry for the wire.
#[must_use]
pub fn entry_to_wire(view: &LogEntryView) -> wire::Entry {
    wire::Entry { name: names::entry(view.index), index: number(view.index), content: view.bytes.clone(), leaf_hash: view.leaf.0.to_vec() }
}

/// Hashes for the wire.
#[must_use]
pub fn path(hashes: &[Hash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.0.to_vec()).collect()
}

/// A file in pieces, for the wire; an empty file is one empty piece.
pub fn pieces(path: &str, bytes: &[u8]) -> Vec<wire::ExportLogResponse> {
    let count = bytes.len().div_ceil(MAX_PIECE).max(1);
    let piece = |at: usize| {
        let start = at * MAX_PIECE;
        let data = bytes[start..bytes.len().min(start + MAX_PIECE)].to_vec();
        let offset = i64::try_from(start).unwrap_or(i64::MAX);
        wire::ExportLogResponse { path: path.to_owned(), offset, data, is_last: at + 1 == count }
    };
    (0..count).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_from_its_pieces() {
        for length in [0, 1, MAX_PIECE, MAX_PIECE + 1, 3 * MAX_PIECE] {
            let file: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();

            let pieces = pieces("tile/0/000", &file);

            assert_eq!(pieces.iter().flat_map(|piece| piece.data.clone()).collect::<Vec<_>>(), file);
            assert!(pieces.iter().all(|piece| piece.data.len() <= MAX_PIECE));
            assert_eq!(pieces.iter().filter(|piece| piece.is_last).count(), 1);
            assert!(pieces.last().unwrap().is_last);
        }
    }

    #[test]
    fn sizes_and_moments_that_cannot_be_are_refused_by_field() {
        let moments = wire::ListEntriesRequest {
            from_time: Some(prost_types::Timestamp { seconds: 10, nanos: 0 }),
            to_time: Some(prost_types::Timestamp { seconds: 9, nanos: 0 }),
            ..Default::default()
        };
        let proof = wire::GetConsistencyProofRequest { from_size: 0, to_size: -1 };

        assert_eq!(list(&moments).unwrap_err()[0].field.as_deref(), Some("to_time"));
        let fields: Vec<_> = consistency(&proof).unwrap_err().into_iter().filter_map(|refusal| refusal.field).collect();
        assert_eq!(fields, ["to_size", "from_size"]);
    }
}
