//! Numbers as words.

use observe::story::{LeftOut, Story, time};

/// The unit in which all times of a column are written, so that they can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its name.
    pub(super) name: &'static str,
    /// Nanoseconds.
    size: u64,
}

impl Unit {
    /// The one for times up to `end_ns`: of three decimals, the last is worth looking at.
    pub(super) fn up_to(end_ns: u64) -> Unit {
        match end_ns {
            0..10_000_000 => Unit { name: "µs", size: 1_000 },
            _ => Unit { name: "ms", size: 1_000_000 },
        }
    }

    /// A time in it, with three decimals.
    pub(super) fn text(self, ns: u64) -> String {
        let (whole, part) = (ns / self.size, ns % self.size * 1_000 / self.size);
        let whole = usize::try_from(whole).map_or_else(|_| whole.to_string(), grouped);
        format!("{whole}.{part:03}")
    }
}

/// A number, its digits in threes.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            // A narrow space that does not break.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number of things.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// How long a story is.
pub(super) fn period(story: &Story) -> String {
    format!("{} of device time", time(story.end_ns.saturating_sub(story.begin_ns)))
}

/// What had no room in a story.
pub(super) fn left_out(left_out: &LeftOut) -> Vec<String> {
    let LeftOut { spans, requests, contexts, spaces, mappings, samples, moments } = *left_out;
    let lists = [
        (spans, "the oldest spans of engines"),
        (requests, "the oldest requests"),
        (contexts, "contexts that were freed"),
        (spaces, "address spaces that were released"),
        (mappings, "mappings that were unbound"),
        (samples, "counts of table pages, every second one"),
        (moments, "the newest moments"),
    ];
    let some = lists.into_iter().filter(|&(number, _)| number > 0);
    some.map(|(number, what)| format!("{number} ({what})")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_column_have_one_unit_and_three_decimals() {
        let short = Unit::up_to(900_000);
        assert_eq!(
            (short.name, short.text(123_456), short.text(7)),
            ("µs", "123.456".into(), "0.007".into())
        );
        let long = Unit::up_to(61_000_000_000);
        assert_eq!((long.name, long.text(16_728_780_530)), ("ms", "16\u{202f}728.780".into()));
        assert_eq!(
            Unit::up_to(u64::MAX).text(u64::MAX),
            "18\u{202f}446\u{202f}744\u{202f}073\u{202f}709.551"
        );
    }

    #[test]
    fn digits_stand_in_threes() {
        let texts = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
    }
}
