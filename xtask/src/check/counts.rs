//! Counting tests from what the test runners print.

use std::fmt;
use std::iter::Sum;

/// How many checks passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) skipped: u32,
}

impl Counts {
    pub(super) fn one_passed() -> Counts {
        Counts { passed: 1, ..Counts::default() }
    }
    pub(super) fn one_failed() -> Counts {
        Counts { failed: 1, ..Counts::default() }
    }
    pub(super) fn one_skipped() -> Counts {
        Counts { skipped: 1, ..Counts::default() }
    }

    /// Takes in a closing line of `cargo test` or `cargo nextest run`; other lines count nothing.
    /// nextest shows a failed test's own output, indented: its "test result" is not counted again.
    pub(super) fn add_line(&mut self, line: &str) {
        let summary = line.trim_start();
        let is_total = line.starts_with("test result: ")
            || (summary.starts_with("Summary [") && summary.contains("tests run:"))
            || (summary.starts_with("Summary [") && summary.contains("test run:"));
        if !is_total {
            return;
        }
        for (number, word) in numbers_before_words(line) {
            match word {
                "passed" => self.passed += number,
                "failed" | "timed" | "exec" => self.failed += number,
                "ignored" | "filtered" | "skipped" => self.skipped += number,
                _ => {}
            }
        }
    }
}

/// Every `N word` of the line.
fn numbers_before_words(line: &str) -> impl Iterator<Item = (u32, &str)> {
    let words = || {
        line.split(|c: char| c.is_whitespace() || ",;:()".contains(c))
            .filter(|word| !word.is_empty())
    };
    words().zip(words().skip(1)).filter_map(|(number, word)| Some((number.parse().ok()?, word)))
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), |total, one| Counts {
            passed: total.passed + one.passed,
            failed: total.failed + one.failed,
            skipped: total.skipped + one.skipped,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(lines: &[&str]) -> Counts {
        let mut counts = Counts::default();
        for line in lines {
            counts.add_line(line);
        }
        counts
    }

    #[test]
    fn cargo_test_is_counted_over_all_its_binaries() {
        let counts = count(&[
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test a ... ok",
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 4 filtered out",
        ]);
        assert_eq!(counts, Counts { passed: 7, failed: 3, skipped: 5 });
    }

    #[test]
    fn a_failed_test_that_nextest_quotes_is_counted_once() {
        let counts = count(&[
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 11 filtered out",
            "     Summary [  15.880s] 513 tests run: 512 passed, 1 failed, 0 skipped",
        ]);
        assert_eq!(counts, Counts { passed: 512, failed: 1, skipped: 0 });
    }

    #[test]
    fn nextest_is_counted_with_its_notes_in_brackets() {
        let counts = count(&[
            "     Summary [   0.006s] 9 tests run: 5 passed (1 slow), 2 failed, 1 timed out, 1 exec failed, 4 skipped",
        ]);
        assert_eq!(counts, Counts { passed: 5, failed: 4, skipped: 4 });
    }
}
