//! `schakel`: parses the command line and turns the outcome into an exit code.
//!
//! 0: fine. 1: could not run. 2: usage. 3: ran, and found something wrong.

use std::process::ExitCode;

use schakel::cli::{self, Failure, Verdict};

fn main() -> ExitCode {
    let (command, globals) = match cli::parse(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(usage) => {
            // Nothing can be done about a closed terminal.
            let _ = usage.print();
            return if usage.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match command.run(&globals) {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::Wrong) => ExitCode::from(3),
        Err(failure) => {
            report(&failure, globals.json);
            ExitCode::from(failure.code())
        }
    }
}

fn report(failure: &Failure, json: bool) {
    if json {
        let _ = cli::print(&format!("{}\n", failure.to_json()));
    }
    eprintln!("schakel: {failure}");
}
