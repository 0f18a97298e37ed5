//! STRACE: starting a gateway under it, and reading what it wrote.
//!
//! strace counts calls per thread. The gateway gets one thread for its tasks, so that the N-th call of a kind is the same in every run: all
//! writes to the store are of the store's one writing thread, and all sending is of the one thread for tasks.

use std::path::Path;

/// Calls by which something becomes durable or visible to others.
pub(crate) const CALLS: [&str; 6] = ["pwrite64", "fsync", "fdatasync", "rename", "writev", "sendto"];
/// Writing to a file that is later renamed; as a call of its own only for this file, because pipes and wakes are written to as well.
pub(crate) const WRITE: &str = "write";
/// Calls that change files.
const CHANGES: &str = "trace=openat,write,pwrite64,pwritev,pwritev2,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat";
/// Bytes of one call that are recorded: no write is larger.
const MOST_BYTES: &str = "1048576";

/// What is done to the program at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL, before the call does anything.
    Kill,
    /// The call fails with EIO and does nothing.
    Fail,
}

/// strace as a part of a command. Its tracer is no parent of the program: whoever starts this can wait for the program and kill it.
fn under(log: &Path) -> Vec<String> {
    let log = log.display().to_string();
    // A file name after each file descriptor, and one thread for the program's tasks.
    ["strace", "-D", "-f", "-y", "-qq", "-o", &log, "-E", "TOKIO_WORKER_THREADS=1"].map(str::to_owned).to_vec()
}

fn with(mut words: Vec<String>, more: &[&str], program: Vec<String>) -> Vec<String> {
    words.extend(more.iter().map(|&word| word.to_owned()));
    words.extend(program);
    words
}

/// Lists the calls that can be a point.
pub(crate) fn counting(log: &Path, program: Vec<String>) -> Vec<String> {
    let calls = format!("trace={WRITE},{}", CALLS.join(","));
    with(under(log), &["--seccomp-bpf", "-s", "0", "-e", &calls], program)
}

/// Strikes at the N-th of these calls, counted from 1. `only` counts the calls on one file.
pub(crate) fn striking(log: &Path, fault: Fault, (call, number): (&str, usize), only: Option<&Path>, program: Vec<String>) -> Vec<String> {
    let mut words = under(log);
    let how = match fault {
        Fault::Kill => "signal=KILL",
        Fault::Fail => {
            // Only the calls in question stop the program then; a signal is lost that way.
            words.push("--seccomp-bpf".to_owned());
            "error=EIO"
        }
    };
    if let Some(file) = only {
        words.extend(["-P".to_owned(), file.display().to_string()]);
    }
    with(words, &["-s", "0", "-e", &format!("trace={call}"), "-e", &format!("inject={call}:{how}:when={number}")], program)
}

/// Records every change of a file with its bytes, when it began and how long it took. The flush of this number fails, when there is one.
pub(crate) fn recording(log: &Path, failing: Option<usize>, program: Vec<String>) -> Vec<String> {
    let failing = failing.map(|number| format!("inject=fsync,fdatasync:error=EIO:when={number}"));
    let mut more = vec!["--seccomp-bpf", "-ttt", "-T", "-xx", "-s", MOST_BYTES, "-e", CHANGES];
    more.extend(failing.iter().flat_map(|inject| ["-e", inject]));
    with(under(log), &more, program)
}

/// One line of a log of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The thread.
    pub(crate) thread: &'a str,
    /// Microseconds since 1970; 0 when moments were not recorded.
    pub(crate) at: i64,
    /// The same, of its end.
    pub(crate) until: i64,
    /// Name of the call.
    pub(crate) call: &'a str,
    /// From the first argument on, unless this is only its end.
    pub(crate) arguments: Option<&'a str>,
    /// What it returned, unless this is only its beginning.
    pub(crate) returned: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// None for what is not about a call: signals, ends of threads.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let (thread, rest) = line.split_once(' ')?;
        let rest = rest.trim_start();
        let (at, rest) = match rest.split_once(' ').and_then(|(moment, rest)| Some((micros(moment)?, rest))) {
            Some(found) => found,
            None => (0, rest),
        };
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let (call, rest) = resumed.split_once(" resumed>")?;
            let returned = rest.rsplit_once(" = ").map(|(_, value)| timed(value).0);
            return Some(Self { thread, at, until: at, call, arguments: None, returned });
        }
        let (call, rest) = rest.split_once('(').filter(|(call, _)| call.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
        if let Some(arguments) = rest.strip_suffix(" <unfinished ...>") {
            return Some(Self { thread, at, until: at, call, arguments: Some(arguments), returned: None });
        }
        let (arguments, returned) = rest.rsplit_once(" = ")?;
        let (returned, took) = timed(returned);
        let arguments = Some(arguments.trim_end().strip_suffix(')')?);
        Some(Self { thread, at, until: at + took, call, arguments, returned: Some(returned) })
    }

    /// File of the descriptor that is the first argument.
    pub(crate) fn file(&self) -> Option<String> {
        let (_, rest) = self.arguments?.split_once('<')?;
        Some(text(rest.split_once('>')?.0))
    }

    /// The quoted arguments.
    pub(crate) fn quoted(&self) -> Vec<&'a str> {
        self.arguments.map(|arguments| arguments.split('"').skip(1).step_by(2).collect()).unwrap_or_default()
    }

    /// The last argument, a number.
    pub(crate) fn last_number(&self) -> Option<u64> {
        self.arguments?.rsplit_once(", ")?.1.parse().ok()
    }
}

/// Seconds with six decimals.
fn micros(moment: &str) -> Option<i64> {
    let (seconds, fraction) = moment.split_once('.')?;
    if fraction.len() != 6 {
        return None;
    }
    Some(seconds.parse::<i64>().ok()? * 1_000_000 + fraction.parse::<i64>().ok()?)
}

/// What a call returned, and how many microseconds it took, where that was recorded.
fn timed(returned: &str) -> (&str, i64) {
    let split = returned.strip_suffix('>').and_then(|rest| rest.rsplit_once(" <"));
    match split.and_then(|(value, took)| Some((value, micros(took)?))) {
        Some(timed) => timed,
        None => (returned, 0),
    }
}

/// What was written as `\x..`, byte for byte; other text as it is.
pub(crate) fn bytes(written: &str) -> Vec<u8> {
    if !written.starts_with("\\x") {
        return written.as_bytes().to_vec();
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).expect("strace wrote hexadecimals");
    written.as_bytes().chunks(4).map(|four| digit(four[2]) << 4 | digit(four[3])).collect()
}

/// The same, as text.
pub(crate) fn text(written: &str) -> String {
    String::from_utf8(bytes(written)).unwrap()
}

#[test]
fn lines_of_strace_are_read_as_they_are_meant() {
    let whole = Line::parse(r#"14286 1795352018.663498 pwrite64(12<\x2f\x61>, "\x00\xff", 2, 317272) = 2 <0.000030>"#).unwrap();
    assert_eq!(whole.until - whole.at, 30);
    assert_eq!((whole.at, whole.call, whole.file().as_deref()), (1_795_352_018_663_498, "pwrite64", Some("/a")));
    assert_eq!((bytes(whole.quoted()[0]), whole.last_number(), whole.returned), (vec![0, 255], Some(317_272), Some("2")));

    let begun = Line::parse("14286 fsync(12</a/b> <unfinished ...>").unwrap();
    assert_eq!((begun.thread, begun.file().as_deref(), begun.returned), ("14286", Some("/a/b"), None));
    let ended = Line::parse("14286 <... fsync resumed>) = -1 EIO (Input/output error) (INJECTED)").unwrap();
    assert_eq!((ended.call, ended.arguments, ended.returned), ("fsync", None, Some("-1 EIO (Input/output error) (INJECTED)")));
    let renamed = Line::parse(r#"9 rename("a", "b") = ?"#).unwrap();
    assert_eq!((renamed.quoted(), renamed.returned), (vec!["a", "b"], Some("?")));

    assert_eq!(Line::parse("14286 +++ killed by SIGKILL +++"), None);
    assert_eq!(Line::parse("14286 --- SIGCHLD {si_signo=SIGCHLD} ---"), None);
}
