//! Writes an invented audit log as an export, for trying verifiers: `sample_log DIR [ENTRIES]`. It prints the log's public key.

use std::path::Path;
use std::process::ExitCode;

#[path = "../tests/kit.rs"]
mod kit;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(directory) = arguments.next() else {
        eprintln!("usage: sample_log DIR [ENTRIES]");
        return ExitCode::from(2);
    };
    let count = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(600);
    let export = kit::export(count);
    match kit::write(Path::new(&directory), &export) {
        Ok(()) => {
            println!("{}", kit::signer().vkey());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("sample_log: {error}");
            ExitCode::FAILURE
        }
    }
}
