//! The kernel's view of its address spaces beside the device's, at the moments when things had settled
//! (docs/agent.md): what the server says, told and judged.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::balance::Balance;
use super::columns;
use super::control;
use super::finding::Finding;
use super::uses::Uses;

/// Rows that are told; of more settle points, only those whose views differ and the last ones.
const MOST_ROWS: usize = 24;
/// Findings of one settle point that are told.
const MOST_FINDINGS: usize = 8;

/// What the server says, or why it says nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Views {
    Compared(Compared),
    NotAsked { error: String },
}

/// The answer to `views`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Compared {
    agent: Agent,
    settled: Vec<Settled>,
    uses: Uses,
}

/// The agent's stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Agent {
    kernel: Option<String>,
    bytes: u64,
    events: u64,
    lost: u64,
    errors: u64,
}

/// Both views at a settle point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settled {
    name: String,
    at_ns: u64,
    took_ms: u64,
    equal: bool,
    orphaned: usize,
    /// In address spaces, and in the GGTT.
    vmas: [usize; 2],
    pages: usize,
    table_pages: usize,
    kernel: Kernel,
    findings: Vec<Finding>,
    more_findings: usize,
}

/// The kernel's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Kernel {
    spaces: Balance,
    vmas: Balance,
    contexts: Balance,
    objects: Balance,
    requests: Balance,
}

impl Views {
    /// Asks the server at the control socket.
    pub(super) fn ask(control: &Path) -> Views {
        match control::execute(control, "views") {
            Ok(compared) => Views::Compared(compared),
            Err(error) => Views::NotAsked { error: format!("{error:#}") },
        }
    }

    /// Whether both were told, with the same settle points. (The agent says more when they are over.)
    pub(super) fn are_as_in(&self, other: &Views) -> bool {
        match (self, other) {
            (Views::Compared(this), Views::Compared(other)) => this.settled == other.settled,
            _ => false,
        }
    }

    /// How many settle points there are, if both views are equal at all of them.
    pub(super) fn equal_at(&self) -> Option<usize> {
        match self {
            Views::Compared(compared) if self.faults().is_empty() => Some(compared.settled.len()),
            _ => None,
        }
    }

    /// Whether a difference of this name was found at a settle point, or a use of what is not bound.
    pub(super) fn found(&self, name: &str) -> bool {
        match self {
            Views::Compared(compared) => {
                let mut findings = compared.settled.iter().flat_map(|settled| &settled.findings);
                findings.any(|finding| finding.name == name) || compared.uses.found(name)
            }
            Views::NotAsked { .. } => false,
        }
    }

    /// What is not as it should be.
    pub(super) fn faults(&self) -> Vec<String> {
        let compared = match self {
            Views::Compared(compared) => compared,
            Views::NotAsked { error } => {
                return vec![format!("the views were not asked for: {error}")];
            }
        };
        if compared.settled.is_empty() {
            return vec!["the views were never compared".into()];
        }
        let unequal = compared.settled.iter().filter(|settled| !settled.equal);
        unequal.map(Settled::fault).chain(compared.uses.faults()).collect()
    }

    /// For people: one line, and a table of the settle points.
    pub(super) fn text(&self) -> Vec<String> {
        let Views::Compared(Compared { agent, settled, uses }) = self else { return Vec::new() };
        let kernel = agent.kernel.as_deref().unwrap_or("no agent came");
        let equal = settled.iter().filter(|settled| settled.equal).count();
        let orphaned = settled.last().map_or(0, |settled| settled.orphaned);
        let (events, lost, errors) = (agent.events, agent.lost, agent.errors);
        let mut lines = vec![format!(
            "views           {kernel}: {events} events, {lost} lost, {errors} not understood; equal at {equal} of {} settle points; {orphaned} orphaned",
            settled.len()
        )];
        let skipped = settled.len().saturating_sub(MOST_ROWS);
        let told = settled.iter().enumerate();
        let told: Vec<&Settled> = told
            .filter(|(index, settled)| *index >= skipped || !settled.equal)
            .map(|(_, settled)| settled)
            .collect();
        let mut rows = vec![HEADER.map(str::to_owned)];
        rows.extend(told.iter().map(|settled| settled.row()));
        lines.extend(columns::aligned(&rows));
        lines.extend(told.iter().flat_map(|settled| settled.told_findings()));
        lines.extend(uses.text());
        lines
    }
}

const HEADER: [&str; 9] = [
    "settle point",
    "at",
    "took",
    "address spaces",
    "VMAs",
    "contexts",
    "bound now: PPGTT + GGTT",
    "pages + tables",
    "views",
];

impl Settled {
    fn row(&self) -> [String; 9] {
        let Settled { vmas: [own, ggtt], pages, table_pages, kernel, .. } = self;
        let balance = |balance: Balance| format!("{} / {}", balance.began, balance.ended);
        [
            self.name.clone(),
            format!("{:.2} s", self.at_ns as f64 / 1e9),
            format!("{:.2} s", self.took_ms as f64 / 1e3),
            balance(kernel.spaces),
            balance(kernel.vmas),
            balance(kernel.contexts),
            format!("{own} + {ggtt}"),
            format!("{pages} + {table_pages}"),
            if self.equal { "equal".into() } else { format!("{} orphaned", self.orphaned) },
        ]
    }

    fn fault(&self) -> String {
        let count = self.findings.len() + self.more_findings;
        let first = self.findings.first();
        let first = first.map_or(String::new(), |one| format!(": {}", one.line()));
        let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        format!("the views differ at {}{first}{more}", self.name)
    }

    fn told_findings(&self) -> Vec<String> {
        let told = self.findings.iter().take(MOST_FINDINGS).flat_map(|finding| {
            let what = format!("  at {}: {}", self.name, finding.line());
            [what].into_iter().chain(finding.facts())
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLED: &str = r#"{"name":"end","at_ns":2500000000,"took_ms":20,"equal":true,"orphaned":0,
        "spaces":[],"more_spaces":0,"vmas":[2,16],"pages":7,"table_pages":4,
        "kernel":{"spaces":{"began":3,"ended":2},"vmas":{"began":9,"ended":7},
                  "contexts":{"began":3,"ended":2},"objects":{"began":5,"ended":4},
                  "requests":{"began":8,"ended":8},"evictions":0,"shrinks":0,"strangers":0,"dropped":0},
        "findings":[],"more_findings":0}"#;

    fn answer(settled: &[&str]) -> Views {
        let answer = format!(
            r#"{{"agent":{{"kernel":"6.1","lacking":[],"bytes":9,"events":3,"lost":0,"errors":0,
                "first_error":null}},"settled":[{}],"forgotten":0,"now":{{}},
                "uses":{{"judged":7,"waiting":0,"given_up":0,"blind":null,"findings":[]}}}}"#,
            settled.join(",")
        );
        Views::Compared(serde_json::from_str(&answer).unwrap())
    }

    /// With a difference.
    fn unequal() -> String {
        let finding = r#""findings":[{"name":"BoundButUnmapped","severity":"error","at_ns":1,
            "what":"0x1000 is bound, but there is no PTE","facts":[{"label":"object","text":"7"}]}]"#;
        SETTLED.replace(r#""equal":true"#, r#""equal":false"#).replace(r#""findings":[]"#, finding)
    }

    #[test]
    fn equal_views_are_a_row_and_no_fault() {
        let views = answer(&[SETTLED]);
        assert!(views.faults().is_empty());
        assert_eq!(views.equal_at(), Some(1));
        assert!(views.are_as_in(&answer(&[SETTLED])) && !views.are_as_in(&answer(&[])));
        let text = views.text().join("\n");
        assert!(text.contains("equal at 1 of 1 settle points; 0 orphaned"), "{text}");
        assert!(text.contains("3 / 2") && text.contains("2 + 16"), "{text}");
    }

    #[test]
    fn a_difference_is_a_fault_and_is_told_with_its_facts() {
        let views = answer(&[SETTLED, &unequal()]);
        let what =
            "the views differ at end: BoundButUnmapped: 0x1000 is bound, but there is no PTE";
        assert_eq!(views.faults(), [what]);
        assert_eq!(views.equal_at(), None);
        assert!(views.found("BoundButUnmapped") && !views.found("SharedPage"));
        let text = views.text().join("\n");
        assert!(text.contains("equal at 1 of 2") && text.contains("    object: 7"), "{text}");
    }

    #[test]
    fn a_use_of_what_is_not_bound_is_a_fault_as_well() {
        let Views::Compared(mut compared) = answer(&[SETTLED]) else { panic!("it was answered") };
        let used = r#"{"judged":7,"given_up":0,"blind":null,"findings":[{"name":"PageUsedAfterFree",
            "severity":"error","at_ns":1,"what":"x","facts":[]}]}"#;
        compared.uses = serde_json::from_str(used).unwrap();
        let views = Views::Compared(compared);
        assert_eq!(views.faults(), ["PageUsedAfterFree: x"]);
        assert!(views.found("PageUsedAfterFree"));
        assert!(views.text().iter().any(|line| line.starts_with("uses            7 pages judged")));
    }

    #[test]
    fn a_row_that_differs_is_told_however_many_there_are() {
        let unequal = unequal();
        let mut rows = vec![unequal.as_str()];
        rows.extend([SETTLED; 3 * MOST_ROWS]);
        let text = answer(&rows).text();
        assert!(text.iter().any(|line| line.contains("at end: BoundButUnmapped")));
        assert!(text.len() < 2 * MOST_ROWS, "{}", text.len());
    }

    #[test]
    fn views_that_were_never_compared_or_not_told_are_faults() {
        assert_eq!(answer(&[]).faults(), ["the views were never compared"]);
        let error = "no reason".to_owned();
        assert!(Views::NotAsked { error }.faults()[0].contains("no reason"));
    }
}
