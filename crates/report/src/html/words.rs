//! Numbers as words.

use observe::story::{LeftOut, Story};

/// Device time to the nanosecond, in the unit that suits it: rows of a table differ in the last digits, which
/// [`observe::story::time`] leaves out.
pub(super) fn time(ns: u64) -> String {
    let (size, unit, digits) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (1_000, "µs", 3),
        1_000_000..1_000_000_000 => (1_000_000, "ms", 6),
        _ => (1_000_000_000, "s", 9),
    };
    let fraction = format!("{:0digits$}", ns % size);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction} {unit}", ns / size)
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
    fn times_lose_nothing() {
        let times = [0, 999, 1_000, 123_450, 20_000_000, 1_000_000_001].map(time);
        assert_eq!(times, ["0 ns", "999 ns", "1 µs", "123.45 µs", "20 ms", "1.000000001 s"]);
    }
}
