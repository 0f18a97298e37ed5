//! Watches the frames of one accepted HTTP/2 connection, both ways, and ends it when the other side only makes work.
//!
//! The library bounds headers, streams and some resets. It answers pings, settings and headers that are too large for ever, so those are
//! counted here: a frame that carries nothing costs one, and so does every stream we must reset; content earns some back, what we send in
//! answer too, and so does time. Whoever has nothing left is closed. Nothing is parsed but the nine bytes before each frame (RFC 9113
//! §4.1).

use tokio::time::Instant;

/// The client's first bytes (RFC 9113 §3.4): no frame.
const PREFACE: usize = 24;
/// Bytes before every frame.
const HEADER: usize = 9;
/// What a connection begins with: so many frames without content in a row are too many.
const MOST: u32 = 100;
/// What a frame with content earns.
const EARNED: u32 = 2;
/// So many bytes sent earn one: a client may measure the line with a ping for what it gets. The answer to a ping has 17.
const BYTES_SENT: usize = 100;
/// What a second earns: pings of a keep-alive, a call given up.
const PER_SECOND: u64 = 10;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;

/// The account of one connection.
#[derive(Debug)]
pub(super) struct Frames {
    coming: Heads,
    going: Heads,
    left: u32,
    /// Bytes sent that have not earned anything yet.
    sent: usize,
    since: Instant,
}

/// Finds the heads of frames in a stream of bytes.
#[derive(Debug)]
struct Heads {
    /// Bytes still to pass over: of the preface, then of a frame's content.
    skip: usize,
    head: [u8; HEADER],
    filled: usize,
}

impl Heads {
    fn after(skip: usize) -> Self {
        Self { skip, head: [0; HEADER], filled: 0 }
    }

    /// Kind, flags and length of the next frame that begins in these bytes.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<(u8, u8, u32)> {
        let passed = self.skip.min(bytes.len());
        self.skip -= passed;
        *bytes = &bytes[passed..];
        let taken = (HEADER - self.filled).min(bytes.len());
        self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        *bytes = &bytes[taken..];
        if self.filled < HEADER {
            return None;
        }
        let [a, b, c, kind, flags, ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        (self.skip, self.filled) = (length as usize, 0);
        Some((kind, flags, length))
    }
}

impl Frames {
    pub(super) fn new() -> Self {
        Self { coming: Heads::after(PREFACE), going: Heads::after(0), left: MOST, sent: 0, since: Instant::now() }
    }

    /// Looks at bytes that came in. False: the other side has made enough work.
    pub(super) fn accept(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((kind, flags, length)) = self.coming.next(&mut bytes) {
            let fits = match kind {
                DATA if length > 0 => self.earn(EARNED),
                // The end of a call without content, and calls themselves: bounded by the library.
                DATA if flags & END_STREAM != 0 => true,
                // As many as we send; the library judges them.
                HEADERS | WINDOW_UPDATE => true,
                _ => self.spend(),
            };
            if !fits {
                return false;
            }
        }
        true
    }

    /// Looks at bytes that went out. False: too many of the other side's streams had to be reset.
    pub(super) fn sent(&mut self, mut bytes: &[u8]) -> bool {
        let sent = self.sent.saturating_add(bytes.len());
        self.sent = sent % BYTES_SENT;
        self.earn(u32::try_from(sent / BYTES_SENT).unwrap_or(MOST));
        while let Some((kind, ..)) = self.going.next(&mut bytes) {
            if kind == RST_STREAM && !self.spend() {
                return false;
            }
        }
        true
    }

    fn earn(&mut self, count: u32) -> bool {
        self.left = self.left.saturating_add(count).min(MOST);
        true
    }

    /// False when nothing is left, and time has earned nothing.
    fn spend(&mut self) -> bool {
        if self.left == 0 {
            let earned = self.since.elapsed().as_secs().saturating_mul(PER_SECOND);
            self.left = u32::try_from(earned).unwrap_or(MOST).min(MOST);
            self.since = Instant::now();
        }
        let enough = self.left > 0;
        self.left = self.left.saturating_sub(1);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, content: usize) -> Vec<u8> {
        let mut frame = u32::try_from(content).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(vec![0; content]);
        frame
    }

    fn begun() -> Frames {
        let mut frames = Frames::new();
        assert!(frames.accept(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        frames
    }

    #[test]
    fn frames_that_carry_nothing_are_enough_after_a_hundred() {
        for (kind, flags, content) in [(6, 0, 8), (4, 0, 0), (0, 0, 0), (9, 0, 100), (3, 0, 4), (2, 0, 5), (77, 0, 20)] {
            let mut frames = begun();
            let taken = (0..1000).take_while(|_| frames.accept(&frame(kind, flags, content))).count();
            assert_eq!(taken, 100, "kind {kind}");
        }
    }

    #[test]
    fn streams_that_had_to_be_reset_are_enough_too_whatever_opened_them() {
        let mut frames = begun();

        let taken = (0..1000).take_while(|_| frames.accept(&frame(1, 4, 50)) && frames.sent(&frame(3, 0, 4))).count();

        assert!((100..200).contains(&taken), "{taken}");
    }

    #[test]
    fn content_earns_them_back_however_the_bytes_are_cut() {
        let mut frames = begun();
        let call: Vec<u8> = [frame(1, 4, 50), frame(0, 1, 700), frame(6, 0, 8), frame(8, 0, 4), frame(3, 0, 4)].concat();
        let night: Vec<u8> = std::iter::repeat_n(call, 500).flatten().collect();

        assert!(night.chunks(7).all(|piece| frames.accept(piece)));
    }

    #[test]
    fn a_reader_of_much_may_measure_the_line() {
        let mut frames = begun();

        assert!((0..1000).all(|_| frames.sent(&frame(0, 0, 300)) && frames.accept(&frame(6, 0, 8))));
    }

    #[tokio::test(start_paused = true)]
    async fn time_earns_them_back_too() {
        let mut frames = begun();
        assert!((0..100).all(|_| frames.accept(&frame(6, 0, 8))));

        tokio::time::advance(std::time::Duration::from_secs(1)).await;

        assert_eq!((0..100).take_while(|_| frames.accept(&frame(6, 0, 8))).count(), 10);
    }
}
