//! Changes to bytes, from a seed: of bits and numbers, of what texts are made of, of parts of other inputs; and now and then an input as large as
//! its door lets through.

/// Chance from a seed (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, which is not zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// One of these.
    pub(crate) fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Longest input that small changes make.
const USUAL: usize = 64 << 10;
/// One input in so many is grown to all that the door lets through.
const GROWN: usize = 1_000;

/// What breaks parsers of text and of binary forms.
const WORDS: [&[u8]; 56] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[",
    b"]]",
    b",",
    b":",
    b"=",
    b".",
    b"..",
    b"/",
    b"-",
    b"+",
    b"0",
    b"1",
    b"-1",
    b"1e999",
    b"0.1",
    b"9007199254740993",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\xff",
    b"\xc3\x28",
    b"\xe2\x80\xae",
    "\u{2014} ".as_bytes(),
    "\u{feff}".as_bytes(),
    "e\u{301}".as_bytes(),
    b"\xf4\x90\x80\x80",
    b"ura:90000123",
    b"urn:",
    b"9999-12-31T23:59:60Z",
    b"2026-02-30",
    b"0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36",
    b"AAAA",
    b"====",
    b"-----BEGIN CERTIFICATE-----",
    b"-----END CERTIFICATE-----",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\x0a\xff\xff\xff\xff\x0f",
    b"\x30\x84\xff\xff\xff\xff",
    b"\x30\x80",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
];

/// A changed copy of an input, at most so many bytes long.
pub(crate) fn change(dice: &mut Dice, input: &[u8], other: &[u8], most: usize) -> Vec<u8> {
    let mut bytes = input.to_vec();
    if dice.below(GROWN) == 0 {
        return grown(dice, &bytes, most);
    }
    for _ in 0..=dice.below(4) {
        once(dice, &mut bytes, other);
        bytes.truncate(USUAL.min(most));
    }
    bytes
}

fn once(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.extend_from_slice(dice.one_of::<&[u8]>(&WORDS));
        return;
    }
    let at = dice.below(bytes.len());
    let end = at + 1 + dice.below((bytes.len() - at).min(64));
    match dice.below(12) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.next() as u8,
        2 => bytes[at] = *dice.one_of(&[0, 1, 0x7f, 0x80, 0xff, b'0', b'"', b'\n']),
        3 => drop(bytes.drain(at..end)),
        4 => bytes.truncate(at),
        5 => {
            let part = bytes[at..end].to_vec();
            let to = dice.below(bytes.len());
            bytes.splice(to..to, part);
        }
        6 => {
            let part = bytes[at..end].repeat(1 + dice.below(40));
            bytes.splice(at..at, part);
        }
        7 | 8 => {
            let word = *dice.one_of(&WORDS);
            let end = if dice.below(2) == 0 { at } else { (at + word.len()).min(bytes.len()) };
            bytes.splice(at..end, word.iter().copied());
        }
        9 => number(dice, bytes, at),
        10 => line(dice, bytes, at),
        _ if !other.is_empty() => {
            let from = dice.below(other.len());
            let part = &other[from..(from + 1 + dice.below(256)).min(other.len())];
            bytes.splice(at..end, part.iter().copied());
        }
        _ => bytes.push(dice.next() as u8),
    }
}

/// Another number where one stands, in digits or in bytes.
fn number(dice: &mut Dice, bytes: &mut Vec<u8>, at: usize) {
    let digits = |byte: &u8| byte.is_ascii_digit();
    match bytes[at..].iter().position(digits) {
        Some(start) => {
            let start = at + start;
            let end = start + bytes[start..].iter().take_while(|byte| digits(byte)).count();
            let value = *dice.one_of(&[
                "0",
                "1",
                "-1",
                "255",
                "256",
                "65536",
                "2147483648",
                "4294967296",
                "18446744073709551615",
                "99999999999999999999",
                "00",
                "1.5",
            ]);
            bytes.splice(start..end, value.bytes());
        }
        None => bytes[at] = bytes[at].wrapping_add(*dice.one_of(&[1, 2, 0x10, 0xff])),
    }
}

/// A line that is taken out, doubled or moved.
fn line(dice: &mut Dice, bytes: &mut Vec<u8>, at: usize) {
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end + 1);
    let taken: Vec<u8> = bytes[start..end].to_vec();
    match dice.below(3) {
        0 => drop(bytes.drain(start..end)),
        1 => drop(bytes.splice(start..start, taken)),
        _ => {
            bytes.drain(start..end);
            let to = dice.below(bytes.len() + 1);
            bytes.splice(to..to, taken);
        }
    }
}

/// A part of the input, or a word, as often as the door lets through: deep, long, and many.
fn grown(dice: &mut Dice, bytes: &[u8], most: usize) -> Vec<u8> {
    let at = dice.below(bytes.len() + 1);
    let part: &[u8] = match dice.below(3) {
        0 => dice.one_of::<&[u8]>(&WORDS),
        1 => dice.one_of::<&[u8]>(&[b"[", b"{\"a\":", b"(", b"a.", b"\x0a\x7e", b"\x30\x80", b"[a.", b"a=[", b"\n\n", b"\x9c"]),
        _ => &bytes[at.min(bytes.len().saturating_sub(1))..(at + 64).min(bytes.len())],
    };
    let part = if part.is_empty() { b" " } else { part };
    let room = most.saturating_sub(bytes.len());
    [&bytes[..at], &part.repeat(room / part.len()), &bytes[at..]].concat()
}
