//! How a page came to be: its last line says so.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use report::Origin;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// A page that this process makes now, of what `recorded_by` recorded.
pub(super) fn here(recorded_by: Option<String>) -> Origin {
    Origin {
        program: concat!("gen8emu ", env!("CARGO_PKG_VERSION")).to_owned(),
        command: command(env::args().skip(1)),
        at: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or_else(|_| String::new(), |since| moment(since.as_secs())),
        recorded_by,
    }
}

/// The command line, with quotes where a word needs them.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./,=:+%@".contains(letter);
    let quoted = arguments.map(|word| match word.is_empty() || !word.chars().all(is_plain) {
        true => format!("'{}'", word.replace('\'', r"'\''")),
        false => word,
    });
    let words: Vec<String> = std::iter::once("gen8emu".to_owned()).chain(quoted).collect();
    words.join(" ")
}

/// A moment in UTC, from seconds since 1970: `2026-11-23 10:05 UTC`.
fn moment(seconds: u64) -> String {
    let (day, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date(day);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// Year, month and day, from days since 1970. Years are counted from March on, so that the leap day is their last.
fn date(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01; 400 years have 146097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 31 and 30 days by turns, as (153 m + 2) / 5 counts them.
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_340, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(moment(seconds), expected);
        }
    }

    #[test]
    fn a_command_can_be_given_to_a_shell_again() {
        let words = ["report", "my file.g8r", "it's", "-o", "out.html", ""].map(str::to_owned);
        let expected = r"gen8emu report 'my file.g8r' 'it'\''s' -o out.html ''";
        assert_eq!(command(words.into_iter()), expected);
    }
}
