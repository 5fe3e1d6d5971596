//! What the guest's checks answered.

use serde::{Deserialize, Serialize};

/// One answer: a check says one line for everything that it looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::linux) struct CheckResult {
    /// The check's name.
    pub(in crate::linux) check: String,
    /// What was looked at, such as an engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::linux) subject: Option<String>,
    /// Whether it is as it should be; none when it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::linux) ok: Option<bool>,
    /// Why it could not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::linux) skipped: Option<String>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::linux) detail: Option<String>,
    /// Whatever else it says, such as figures.
    #[serde(flatten)]
    pub(in crate::linux) more: serde_json::Map<String, serde_json::Value>,
}

/// How a check ended, over all that it looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::linux) enum Outcome {
    Passed,
    Failed,
    /// Nothing could be looked at.
    Skipped,
    /// There is no answer.
    Missing,
}

/// How the check `name` ended.
pub(in crate::linux) fn outcome(results: &[CheckResult], name: &str) -> Outcome {
    let of_check = || results.iter().filter(|result| result.check == name);
    if of_check().next().is_none() {
        Outcome::Missing
    } else if of_check().any(|result| result.ok == Some(false)) {
        Outcome::Failed
    } else if of_check().any(|result| result.ok == Some(true)) {
        Outcome::Passed
    } else {
        Outcome::Skipped
    }
}

impl CheckResult {
    /// What it was about: `engines rcs0`.
    pub(in crate::linux) fn about(&self) -> String {
        match &self.subject {
            Some(subject) => format!("{} {subject}", self.check),
            None => self.check.clone(),
        }
    }

    /// How it went, in words.
    pub(in crate::linux) fn word(&self) -> String {
        match (self.ok, &self.skipped) {
            (Some(true), _) => "ok".into(),
            (Some(false), _) => "FAILED".into(),
            (None, Some(why)) => format!("skipped: {why}"),
            (None, None) => "skipped".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(line: &str) -> CheckResult {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn one_failure_fails_a_check_and_one_success_is_needed() {
        let passed = result(r#"{"check":"a","subject":"rcs0","ok":true,"detail":"x"}"#);
        let failed = result(r#"{"check":"a","subject":"bcs0","ok":false}"#);
        let skipped = result(r#"{"check":"a","subject":"vcs1","skipped":"no such engine"}"#);
        let cases = [
            (vec![passed.clone(), skipped.clone()], Outcome::Passed),
            (vec![passed, failed], Outcome::Failed),
            (vec![skipped], Outcome::Skipped),
            (vec![], Outcome::Missing),
        ];
        for (results, expected) in cases {
            assert_eq!(outcome(&results, "a"), expected, "{results:?}");
            assert_eq!(outcome(&results, "b"), Outcome::Missing);
        }
    }

    #[test]
    fn figures_are_kept() {
        let line = r#"{"check":"a","ok":true,"figure":1.5}"#;
        assert_eq!(serde_json::to_string(&result(line)).unwrap(), line);
    }
}
