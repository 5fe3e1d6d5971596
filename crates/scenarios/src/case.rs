//! One case: a scenario under one policy, page-table depth and submission mode.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use driver::{Policy, PtLevels, Submission};
use serde::{Deserialize, Serialize};

use crate::id::ScenarioId;

/// Depth of the PPGTT page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Levels {
    /// 4 GiB; four page-directory pointers in registers.
    Three,
    /// 256 TiB; a PML4.
    Four,
}

impl Levels {
    /// Both.
    pub const ALL: [Levels; 2] = [Levels::Three, Levels::Four];

    /// 3 or 4.
    pub const fn count(self) -> u32 {
        match self {
            Levels::Three => 3,
            Levels::Four => 4,
        }
    }

    /// The driver's word for it.
    pub const fn driver(self) -> PtLevels {
        match self {
            Levels::Three => PtLevels::Three,
            Levels::Four => PtLevels::Four,
        }
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if *self == Levels::Three { "3" } else { "4" })
    }
}

impl FromStr for Levels {
    type Err = ParseCaseError;

    fn from_str(text: &str) -> Result<Self, ParseCaseError> {
        match text {
            "3" => Ok(Levels::Three),
            "4" => Ok(Levels::Four),
            _ => Err(ParseCaseError(alloc::format!(
                "unknown page-table levels '{text}': expected 3 or 4"
            ))),
        }
    }
}

/// How requests reach the engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubmissionMode {
    /// Execution lists, in the form that the policy's kernel had: with a reference that the engine
    /// holds on its last context (about 4.5 and later) or without.
    Execlists,
    /// One ring per engine, contexts switched by MI_SET_CONTEXT.
    Legacy,
}

impl SubmissionMode {
    /// Both.
    pub const ALL: [SubmissionMode; 2] = [SubmissionMode::Execlists, SubmissionMode::Legacy];

    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            SubmissionMode::Execlists => "execlists",
            SubmissionMode::Legacy => "legacy",
        }
    }

    /// The driver's knob, for the kernel in which `policy` lived.
    pub fn driver(self, policy: Policy) -> Submission {
        match self {
            SubmissionMode::Legacy => Submission::LegacyRing,
            SubmissionMode::Execlists if engine_holds_last_context(policy) => {
                Submission::ExeclistsLastCtx
            }
            SubmissionMode::Execlists => Submission::Execlists,
        }
    }
}

/// Whether the policy's kernel (about 4.5 and later) keeps, in execlists mode too, a reference from
/// each engine to the context that it ran last (spec vma-cleanup §2, IGT 174a06b12).
pub(crate) fn engine_holds_last_context(policy: Policy) -> bool {
    match policy {
        Policy::None
        | Policy::VendorVmaList
        | Policy::V1RetireHook
        | Policy::V2WaitUnbind
        | Policy::V3NoWait
        | Policy::V4NoWait => false,
        Policy::V4Relaxed
        | Policy::CloseTracking49
        | Policy::LutOpenCount414
        | Policy::LazyClose418
        | Policy::VmWeak61 => true,
    }
}

impl fmt::Display for SubmissionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SubmissionMode {
    type Err = ParseCaseError;

    fn from_str(text: &str) -> Result<Self, ParseCaseError> {
        SubmissionMode::ALL.into_iter().find(|mode| mode.name() == text).ok_or_else(|| {
            ParseCaseError(alloc::format!(
                "unknown submission mode '{text}': expected execlists or legacy"
            ))
        })
    }
}

/// One case. As text: `flink-and-exit v4 4 execlists` (the firmware's command line).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Case {
    /// What is done.
    pub scenario: ScenarioId,
    /// The driver's cleanup policy.
    pub policy: Policy,
    /// Depth of the page tables.
    pub levels: Levels,
    /// Submission mode.
    pub submission: SubmissionMode,
}

impl Case {
    /// Every case of these scenarios and policies, with both depths and both submission modes.
    pub fn all<'a>(
        scenarios: &'a [ScenarioId],
        policies: &'a [Policy],
    ) -> impl Iterator<Item = Case> + 'a {
        scenarios.iter().flat_map(move |&scenario| {
            policies.iter().flat_map(move |&policy| {
                Levels::ALL.into_iter().flat_map(move |levels| {
                    SubmissionMode::ALL.into_iter().map(move |submission| Case {
                        scenario,
                        policy,
                        levels,
                        submission,
                    })
                })
            })
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.scenario, self.policy.name(), self.levels, self.submission)
    }
}

/// The text is no case, or no part of one; the message says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseCaseError(String);

impl FromStr for Case {
    type Err = ParseCaseError;

    fn from_str(text: &str) -> Result<Self, ParseCaseError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let &[scenario, policy, levels, submission] = words.as_slice() else {
            return Err(ParseCaseError(alloc::format!(
                "'{text}' is no case: expected 'SCENARIO POLICY LEVELS SUBMISSION'"
            )));
        };
        Ok(Case {
            scenario: match scenario.parse() {
                Ok(bug) => ScenarioId::Planted(bug),
                Err(driver::UnknownBug) => scenario
                    .parse()
                    .map_err(|e: crate::id::UnknownScenario| ParseCaseError(e.to_string()))?,
            },
            policy: parse_policy(policy)?,
            levels: levels.parse()?,
            submission: submission.parse()?,
        })
    }
}

/// The policy of this name; the error lists the valid ones.
pub fn parse_policy(name: &str) -> Result<Policy, ParseCaseError> {
    name.parse().map_err(|_| {
        let names: Vec<&str> = Policy::ALL.iter().map(|policy| policy.name()).collect();
        ParseCaseError(alloc::format!(
            "unknown policy '{name}': expected one of {}",
            names.join(", ")
        ))
    })
}

impl From<Case> for String {
    fn from(case: Case) -> String {
        case.to_string()
    }
}

impl TryFrom<String> for Case {
    type Error = ParseCaseError;

    fn try_from(text: String) -> Result<Self, ParseCaseError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_reads_back_from_its_text_and_its_json() {
        let cases: Vec<Case> = Case::all(&ScenarioId::ALL, &Policy::ALL).collect();
        assert_eq!(cases.len(), 23 * 11 * 4);
        let planted = driver::Bug::ALL.into_iter().map(crate::planted_case);
        for case in cases.into_iter().chain(planted) {
            assert_eq!(case.to_string().parse(), Ok(case));
            let json = serde_json::to_string(&case).unwrap();
            assert_eq!(serde_json::from_str::<Case>(&json).unwrap(), case);
        }
    }

    #[test]
    fn a_wrong_word_is_named_with_the_valid_ones() {
        for (text, expected) in [
            ("flink-and-exit v4 5 execlists", "expected 3 or 4"),
            ("flink-and-exit v4 4 rings", "expected execlists or legacy"),
            ("flink-and-exit v4", "SCENARIO POLICY LEVELS SUBMISSION"),
            ("flink v4 4 legacy", "xserver-restart"),
            ("flink-and-exit v9 4 legacy", "v4-relaxed"),
        ] {
            let message = text.parse::<Case>().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
