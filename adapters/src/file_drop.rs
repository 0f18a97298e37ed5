//! File drop: JSON files in folders, for systems that can read and write a file and nothing else.
//!
//! Commands come in as one file each, notices and answers go out as one file each; `README.md` of this crate says every field. Which
//! folders there are and how files move is the gateway's door; here bytes are translated.

mod answer;
mod command;
mod dossier;
mod notice;

use schakel_domain::id::RequestId;
use schakel_domain::view::Answer;
use serde_json::Value;

use crate::{Document, Inbound, Inlet, No, Notice, Outlet, Rejection, json};

/// Most bytes of one command file.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// The file-drop adapter.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileDrop;

impl Inlet for FileDrop {
    fn max_bytes(&self) -> usize {
        MAX_FILE_BYTES
    }

    fn translate(&self, bytes: &[u8]) -> Result<Inbound, Rejection> {
        command::read(json::parse(bytes, MAX_FILE_BYTES).map_err(Rejection::unread)?)
    }

    fn answer(&self, request: RequestId, answer: &Answer) -> Vec<u8> {
        to_bytes(&answer::answer(request, answer))
    }

    fn refuse(&self, no: &No<'_>) -> Vec<u8> {
        to_bytes(&answer::refuse(no))
    }
}

impl Outlet for FileDrop {
    fn render(&self, notice: &Notice) -> Document {
        notice::render(notice)
    }
}

/// Indented, because people open these files; one line end at the end.
fn to_bytes(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("a JSON value has text keys and finite numbers");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests;
