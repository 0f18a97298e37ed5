//! Where an act stands in a trace: the `traceparent` of W3C Trace Context, as callers and peers give it and as it is kept beside a message.
//!
//! It comes from outside and is believed to be nothing but thirty-two and sixteen hexadecimal digits: whatever else is given counts as
//! none. It holds no data of anybody, decides nothing, and is signed by nobody.

use std::fmt;
use std::str::FromStr;

/// The trace an act belongs to, and the act in it that caused this one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// Names the trace; never all zero.
    pub trace: [u8; 16],
    /// Names the causing act within it; never all zero.
    pub span: [u8; 8],
    /// Whether the caller records this trace.
    pub sampled: bool,
}

/// Bytes of the form that everybody writes.
const LENGTH: usize = 55;
/// Longest form of a later version that is read; what follows the known part is passed over.
const MAX_LENGTH: usize = 128;

/// What was given is no `traceparent`. It says nothing of what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a W3C traceparent, such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
pub struct NotATraceParent;

impl FromStr for TraceParent {
    type Err = NotATraceParent;

    fn from_str(text: &str) -> Result<Self, NotATraceParent> {
        let bytes = text.as_bytes();
        let known = bytes.get(..LENGTH).filter(|_| bytes.len() <= MAX_LENGTH).ok_or(NotATraceParent)?;
        let [version] = digits(&known[..2])?;
        let ends = if version == 0 { bytes.len() == LENGTH } else { bytes.get(LENGTH).is_none_or(|next| *next == b'-') };
        let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
        let (trace, span, [flags]) = (digits(&known[3..35])?, digits(&known[36..52])?, digits(&known[53..])?);
        if version == 0xff || !ends || !dashes || trace == [0; 16] || span == [0; 8] {
            return Err(NotATraceParent);
        }
        Ok(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

/// Lower-case hexadecimal digits, two a byte.
fn digits<const N: usize>(text: &[u8]) -> Result<[u8; N], NotATraceParent> {
    let digit = |at: u8| match at {
        b'0'..=b'9' => Ok(at - b'0'),
        b'a'..=b'f' => Ok(at - b'a' + 10),
        _ => Err(NotATraceParent),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", u8::from(self.sampled))
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn it_is_written_as_it_was_read_and_a_later_version_is_read_as_far_as_it_is_known() {
        let read: TraceParent = GIVEN.parse().unwrap();
        let later: TraceParent = format!("cc{}-what-comes-later", &GIVEN[2..]).parse().unwrap();

        assert_eq!(read.to_string(), GIVEN);
        assert_eq!(later, read);
        assert!(!GIVEN.replace("-01", "-02").parse::<TraceParent>().unwrap().sampled);
    }

    #[test]
    fn whatever_else_comes_from_outside_is_none() {
        let zero_trace = GIVEN.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        let zero_span = GIVEN.replace("00f067aa0ba902b7", &"0".repeat(16));
        let long = format!("01{}-{}", &GIVEN[2..], "a".repeat(MAX_LENGTH));
        let wrong = [
            "",
            "Noor Testpersoon",
            &GIVEN[1..],
            &GIVEN.to_uppercase(),
            &GIVEN.replace('-', "_"),
            &format!("ff{}", &GIVEN[2..]),
            &format!("{GIVEN}-more"),
            &GIVEN.replace("4bf9", "4bé"),
            &zero_trace,
            &zero_span,
            &long,
        ];

        for text in wrong {
            assert_eq!(text.parse::<TraceParent>(), Err(NotATraceParent), "{text}");
        }
    }
}
