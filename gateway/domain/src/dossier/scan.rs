//! Looks in free text for what gives a person away: a BSN, a date, a telephone number.
//!
//! It warns the sender of an anonymous question; it cannot prove that a text is anonymous, and says only what it found and where.

/// What was found, and where, without repeating it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `bsn`, `date` or `telephone`.
    pub kind: &'static str,
    /// Position of its first character, counted in characters from 0.
    pub at: usize,
}

/// Scans a text.
#[must_use]
pub fn scan(text: &str) -> Vec<Finding> {
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        let run = number_run(&characters[at..]);
        match classify(&characters[at..at + run]) {
            Some(kind) => found.push(Finding { kind, at }),
            None => found.extend(month_name(&characters, at).map(|()| Finding { kind: "date", at })),
        }
        at += run.max(1);
    }
    found
}

/// Length of a run that starts with a digit or `+` and goes on over digits and the separators people write inside numbers.
fn number_run(rest: &[char]) -> usize {
    if !rest.first().is_some_and(|c| c.is_ascii_digit() || *c == '+') {
        return 0;
    }
    let mut end = 1;
    while end < rest.len() {
        let separator = |c: &char| matches!(c, ' ' | '-' | '.' | '/' | '(' | ')');
        let digit_soon = rest[end..].iter().take(3).find(|c| !separator(c)).is_some_and(char::is_ascii_digit);
        let goes_on = rest[end].is_ascii_digit() || separator(&rest[end]) && digit_soon;
        if !goes_on {
            break;
        }
        end += 1;
    }
    end
}

fn classify(run: &[char]) -> Option<&'static str> {
    let digits: String = run.iter().filter(|c| c.is_ascii_digit()).collect();
    if is_date(run) {
        return Some("date");
    }
    if super::bsn::proves(digits.as_bytes()) {
        return Some("bsn");
    }
    let starts = run.first() == Some(&'+') || digits.starts_with('0');
    (starts && (9..=15).contains(&digits.len())).then_some("telephone")
}

/// `3-4-2011`, `2011-04-03`, `03/04/11`, `3.4.2011`: three groups with the same separator whose parts can be a day and a month.
fn is_date(run: &[char]) -> bool {
    let text: String = run.iter().collect();
    ['-', '/', '.', ' '].iter().any(|separator| {
        let parts: Vec<&str> = text.split(*separator).collect();
        let numbers: Option<Vec<u32>> = parts.iter().map(|part| part.parse().ok()).collect();
        let Some([a, b, c]) = numbers.as_deref() else { return false };
        let year = |value: u32, part: &str| part.len() == 2 || (1900..=2100).contains(&value);
        let day_month = |day: u32, month: u32| (1..=31).contains(&day) && (1..=12).contains(&month);
        (day_month(*a, *b) && year(*c, parts[2])) || (parts[0].len() == 4 && year(*a, parts[0]) && day_month(*c, *b))
    })
}

const MONTHS: [&str; 12] =
    ["januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november", "december"];

/// `3 april`: a month's name right after a number of one or two digits.
fn month_name(characters: &[char], at: usize) -> Option<()> {
    let starts_word = at == 0 || !characters[at - 1].is_alphanumeric();
    let number = characters[at..].iter().take_while(|c| c.is_ascii_digit()).count();
    if !starts_word || !(1..=2).contains(&number) || characters.get(at + number) != Some(&' ') {
        return None;
    }
    let word: String = characters[at + number + 1..].iter().take_while(|c| c.is_alphabetic()).flat_map(|c| c.to_lowercase()).collect();
    MONTHS.contains(&word.as_str()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        scan(text).into_iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn what_gives_a_person_away_is_found_however_it_is_written() {
        for text in ["bsn 123456782.", "1234.56.782", "123 456 782"] {
            assert_eq!(kinds(text), ["bsn"], "{text}");
        }
        for text in ["geboren 3-4-2011", "2011-04-03", "03/04/11", "op 3 april 2011", "3.4.2011"] {
            assert_eq!(kinds(text), ["date"], "{text}");
        }
        for text in ["bel 06-00000001", "+31 6 0000 0001", "(026) 000 00 01", "0260000001"] {
            assert_eq!(kinds(text), ["telephone"], "{text}");
        }
    }

    #[test]
    fn ordinary_numbers_are_left_alone() {
        for text in ["15 jaar", "sinds 3 weken", "binnen 24 uur", "kamer 204", "2 van de 3 dagen", "1.5 mg 2 dd"] {
            assert_eq!(kinds(text), Vec::<&str>::new(), "{text}");
        }
    }

    #[test]
    fn the_place_is_counted_in_characters() {
        assert_eq!(scan("één 123456782")[0].at, 4);
    }
}
