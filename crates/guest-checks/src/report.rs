//! Results: a line of JSON in the kernel's log for the host, a readable line for people.

use std::fs::OpenOptions;
use std::io::Write;

use serde::Serialize;

use crate::error::{Error, Result};

/// Longest detail, in bytes: the kernel cuts its lines at about 900, quotes and names need room.
const DETAIL: usize = 500;

/// A number worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: &'static str,
    /// The measured value.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
}

impl Figure {
    /// To a tenth of its unit; more digits are noise.
    fn rounded(self) -> Figure {
        Figure { value: (self.value * 10.0).round() / 10.0, ..self }
    }
}

/// One line about one subject.
#[derive(Debug, PartialEq, Serialize)]
struct Finding<'a> {
    check: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    figure: Option<Figure>,
}

/// Takes the results of one check.
pub(crate) struct Reporter {
    check: &'static str,
    findings: u32,
    failures: u32,
}

impl Reporter {
    /// For the check `check`.
    pub(crate) fn new(check: &'static str) -> Reporter {
        Reporter { check, findings: 0, failures: 0 }
    }

    /// All is right with `subject` (or with the whole check).
    pub(crate) fn passed(&mut self, subject: Option<&str>, detail: &str) {
        self.say(subject, Some(true), None, detail, None);
    }

    /// As [`Reporter::passed`], with a number that was measured.
    pub(crate) fn measured(&mut self, subject: Option<&str>, detail: &str, figure: Figure) {
        self.say(subject, Some(true), None, detail, Some(figure));
    }

    /// Something is wrong.
    pub(crate) fn failed(&mut self, subject: Option<&str>, detail: &str) {
        self.say(subject, Some(false), None, detail, None);
    }

    /// This cannot be checked here.
    pub(crate) fn skipped(&mut self, subject: Option<&str>, why: &str) {
        self.say(subject, None, Some(why), "", None);
    }

    /// Passed, skipped or failed, as `result` says.
    pub(crate) fn result(&mut self, subject: Option<&str>, result: Result<String>) {
        match result {
            Ok(detail) => self.passed(subject, &detail),
            Err(Error::NotHere(why)) => self.skipped(subject, &why),
            Err(error) => self.failed(subject, &error.to_string()),
        }
    }

    /// The number of failures. A check that said nothing has failed.
    pub(crate) fn conclude(mut self) -> u32 {
        if self.findings == 0 {
            self.failed(None, "the check ended without a result");
        }
        self.failures
    }

    fn say(
        &mut self,
        subject: Option<&str>,
        ok: Option<bool>,
        skipped: Option<&str>,
        detail: &str,
        figure: Option<Figure>,
    ) {
        self.findings += 1;
        self.failures += u32::from(ok == Some(false));
        let detail = shortened(detail);
        let figure = figure.map(Figure::rounded);
        let skipped = skipped.map(shortened);
        let check = self.check;
        tell("check", &Finding { check, subject, ok, skipped, detail, figure });
        let word = match ok {
            Some(true) => "ok",
            Some(false) => "FAILED",
            None => "skipped",
        };
        let subject = subject.unwrap_or("-");
        println!("{check:14} {subject:10} {word:8} {}", skipped.unwrap_or(detail));
    }
}

/// Writes `gen8emu: WORD {json}` into the kernel's log, for whoever watches it.
pub(crate) fn tell(word: &str, value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(json) => log(&format!("{word} {json}")),
        Err(error) => eprintln!("gen8-checks: a result has no JSON form: {error}"),
    }
}

/// Asks the host for what no guest can do: a command for the control socket of the GPU's server
/// (docs/control.md). Nothing comes back; what comes of it must be seen as any guest sees it.
pub(crate) fn ask_host(command: &impl Serialize) {
    tell("host", command);
}

/// Tells the host whether i915's reports of hung and reset engines are meant to be, from here on.
pub(crate) fn expect_resets(expected: bool) {
    log(if expected { "expect reset" } else { "expect none" });
}

/// One line for the kernel's log. Without one (an ordinary host) standard output has to do.
fn log(line: &str) {
    let written = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut log| log.write_all(format!("<6>gen8emu: {line}\n").as_bytes()));
    if let Err(error) = written {
        eprintln!("gen8-checks: cannot write to /dev/kmsg ({error}): {line}");
    }
}

/// At most [`DETAIL`] bytes of `text`, cut between characters.
fn shortened(text: &str) -> &str {
    let mut end = text.len().min(DETAIL);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(ok: Option<bool>) -> Finding<'static> {
        Finding { check: "x", subject: None, ok, skipped: None, detail: "", figure: None }
    }

    fn json(finding: &Finding<'_>) -> String {
        serde_json::to_string(finding).unwrap()
    }

    #[test]
    fn a_line_holds_only_what_is_known() {
        assert_eq!(json(&finding(Some(true))), r#"{"check":"x","ok":true}"#);
        let skipped = Finding { skipped: Some("why"), ..finding(None) };
        assert_eq!(json(&skipped), r#"{"check":"x","skipped":"why"}"#);
        let figure = Some(Figure { name: "n", value: 1.5, unit: "us" });
        let full =
            Finding { subject: Some("rcs0"), detail: "a \"b\"\n", figure, ..finding(Some(false)) };
        assert_eq!(
            json(&full),
            r#"{"check":"x","subject":"rcs0","ok":false,"detail":"a \"b\"\n","figure":{"name":"n","value":1.5,"unit":"us"}}"#
        );
    }

    #[test]
    fn long_details_are_cut_between_characters() {
        let text = "ä".repeat(DETAIL);
        assert_eq!(shortened(&text).len(), DETAIL);
        let odd = format!("x{text}");
        assert_eq!(shortened(&odd).len(), DETAIL - 1);
        assert_eq!(shortened("short"), "short");
    }

    #[test]
    fn a_check_that_says_nothing_has_failed() {
        assert_eq!(Reporter::new("x").conclude(), 1);
        let mut good = Reporter::new("x");
        good.passed(None, "");
        good.skipped(Some("y"), "why");
        assert_eq!(good.conclude(), 0);
        let mut bad = Reporter::new("x");
        bad.failed(None, "");
        bad.passed(None, "");
        assert_eq!(bad.conclude(), 1);
    }
}
