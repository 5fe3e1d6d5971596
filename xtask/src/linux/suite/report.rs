//! The table.

use serde::Serialize;

use super::record::{Outcome, Record, Test};
use crate::linux::verdict::{Verdict, is_broken};

/// What came out, in the shape of `--json`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    kernel: Option<String>,
    pub(super) tests: Vec<Test>,
    /// How many guests it took, and why each but the first.
    boots: usize,
    reboots: Vec<String>,
    /// How many tests the first guest found.
    #[serde(skip)]
    found: Option<usize>,
    /// What is wrong beside the tests.
    faults: Vec<String>,
    /// Nothing failed.
    pub(super) ok: bool,
}

impl Report {
    /// Adds the tests of one boot.
    pub(super) fn add(&mut self, record: Record, verdict: &Verdict) {
        self.boots += 1;
        match (self.found, record.total()) {
            (None, found) => self.found = found,
            (Some(first), Some(later)) if first != later => {
                self.fault(format!("a guest found {later} tests, the first one {first}"));
            }
            _ => {}
        }
        self.kernel = self.kernel.take().or_else(|| verdict.kernel.clone());
        let early = record.before.iter().filter(|line| is_broken(line));
        self.faults.extend(early.map(|line| format!("before the first test: {line}")));
        let checks = verdict.checks.iter().filter(|check| check.ok == Some(false));
        self.faults.extend(checks.map(|check| format!("the check {} failed", check.about())));
        if record.more() {
            let lost = || "the guest died or hung".to_owned();
            self.reboots.push(record.reboot.clone().unwrap_or_else(lost));
        }
        self.tests.extend(record.tests.into_values());
    }

    /// Whether a guest has begun with the tests.
    pub(super) fn is_begun(&self) -> bool {
        self.boots > 0
    }

    /// Notes what is wrong beside the tests.
    pub(super) fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    /// Judges, once all tests have run.
    pub(super) fn judge(&mut self) {
        let left = self.found.unwrap_or(0).saturating_sub(self.tests.len());
        if self.tests.is_empty() {
            self.fault("no test ran".into());
        } else if left > 0 {
            self.fault(format!("{left} tests did not run"));
        }
        self.ok = self.faults.is_empty() && !self.tests.iter().any(|test| test.result.is_bad());
    }

    /// The table in Markdown, and its sums.
    pub(super) fn text(&self) -> String {
        let mut lines =
            vec!["| test | result | seconds | why |".to_owned(), "|---|---|---:|---|".to_owned()];
        lines.extend(self.tests.iter().map(row));
        lines.push(String::new());
        lines.push(self.sums());
        lines.extend(self.faults.iter().map(|fault| format!("fault: {fault}")));
        lines.join("\n")
    }

    fn sums(&self) -> String {
        let count = |wanted| self.tests.iter().filter(|test| test.result == wanted).count();
        let sums: Vec<String> = Outcome::ALL
            .into_iter()
            .filter(|&outcome| !outcome.is_bad() || count(outcome) > 0)
            .map(|outcome| format!("{} {}", count(outcome), outcome.name()))
            .collect();
        let boots = match self.boots {
            1 => "1 boot".to_owned(),
            boots => format!("{boots} boots ({})", self.reboots.join("; ")),
        };
        let kernel = self.kernel.as_deref().unwrap_or("unknown");
        format!("{} tests: {}; kernel {kernel}, {boots}", self.tests.len(), sums.join(", "))
    }
}

fn row(test: &Test) -> String {
    let seconds = test.seconds.map_or_else(String::new, |seconds| format!("{seconds:.1}"));
    let safe = |text: &str| text.replace('|', "\\|");
    let (command, why) = (safe(&test.command), safe(&test.why()));
    format!("| {command} | {} | {seconds} | {why} |", test.result.name())
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{LOG, read};
    use super::*;

    fn report(log: &str) -> Report {
        let mut report = Report::default();
        report.add(read(log), &Verdict::default());
        report.judge();
        report
    }

    #[test]
    fn the_table_has_a_line_a_test_and_the_sums() {
        let report = report(LOG);
        let text = report.text();
        for line in [
            "| /opt/good --fast | pass | 0.2 | kernel: i915 0000:00:02.0: [drm] GPU HANG",
            "| /opt/skips | skip | 0.1 | no LLC |",
            "| /opt/fails | FAIL | 0.1 | exit status 98; a != b |",
            "| /opt/crashes | CRASH | 0.1 | signal 11 |",
            "| /opt/endless | TIMEOUT | 2.0 | ended at its time limit; x |",
            "| /opt/warns | KERNEL | 0.1 | ok; kernel: WARNING: CPU: 0",
            "| /opt/wedges | FAIL | 0.1 | exit status 0; ok; it left a GPU",
            "| /opt/dies | LOST |  | the guest died or hung; kernel: BUG: ",
            "8 tests: 1 pass, 1 skip, 2 FAIL, 1 CRASH, 1 TIMEOUT, 1 KERNEL, 1 LOST; kernel unknown",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(!report.ok);
        assert_eq!(report.reboots, ["the guest died or hung"]);
    }

    #[test]
    fn tests_that_did_not_run_are_a_fault_and_so_is_another_number_of_them() {
        let good = LOG.lines().take(7).collect::<Vec<_>>().join("\n");
        let two = good.replace("suite 9 tests", "suite 2 tests");
        assert!(report(&two).ok, "{}", report(&two).text());
        assert!(report(&good).text().ends_with("fault: 7 tests did not run"));
        let mut other = Report::default();
        other.add(read(&two), &Verdict::default());
        other.add(read("[ 6.0] gen8emu: suite 3 tests\n"), &Verdict::default());
        other.judge();
        assert!(!other.ok, "{}", other.text());
    }

    #[test]
    fn passes_and_skips_are_well_and_nothing_at_all_is_not() {
        let good = LOG.replace("suite 9 tests", "suite 2 tests");
        let good: String = good.lines().take(7).flat_map(|line| [line, "\n"]).collect();
        assert!(report(&good).ok, "{}", report(&good).text());
        assert!(!report("[ 6.0] gen8emu: suite 0 tests\n").ok);
        let broken = "[ 5.0] WARNING: CPU: 0 PID: 1 at early.c:1\n";
        assert!(!report(&format!("{broken}{good}")).ok);
    }
}
