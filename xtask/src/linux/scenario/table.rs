//! Both sides for people: the stock kernel cycle by cycle, then what is left in the end of all.

use super::super::columns::aligned;
use super::ours::Case;
use super::{CHECK, Report};

/// Columns of what is left.
const HEAD: [&str; 5] = [
    "driver",
    "left over: VMAs",
    "address spaces",
    "page-table pages",
    "the device sees mapped by",
];

impl Report {
    pub(super) fn text(&self) -> String {
        let mut lines = vec![self.verdict.text()];
        lines.push(format!(
            "\nWhat is left after {} starts of X on the console's picture:",
            self.count
        ));
        let mut rows = vec![HEAD.map(str::to_owned), self.stock()];
        rows.extend(self.ours.iter().map(ours));
        lines.extend(aligned(&rows));
        lines.push(match self.ok {
            true => {
                "ok: stock i915 leaves nothing; ours leaks without the fix, and not with it".into()
            }
            false => {
                let faults = self.verdict.faults.iter().chain(&self.faults);
                format!("NOT OK: {}", faults.map(String::as_str).collect::<Vec<_>>().join("; "))
            }
        });
        lines.join("\n")
    }

    /// The stock kernel's row.
    fn stock(&self) -> [String; 5] {
        let kernel = self.verdict.kernel.as_deref().unwrap_or("unknown");
        let name = format!("stock i915, {kernel}");
        match self.verdict.restarts.end(CHECK) {
            Some((vmas, vms, device)) => {
                [name, vmas.to_string(), vms.to_string(), "-".into(), device]
            }
            None => [name, "?".into(), "?".into(), "-".into(), "not asked".into()],
        }
    }
}

fn ours(case: &Case) -> [String; 5] {
    let fix = if case.policy == "none" { "without the fix" } else { "with the merged fix" };
    let observed = case.observed;
    // The device counts both in guest memory: an address space without a VMA maps nothing.
    let mapped = match (observed.vms, observed.vmas) {
        (0, 0) => "nobody but the GGTT".to_owned(),
        (vms, vmas) => format!("{vms} more address spaces, {vmas} more VMAs"),
    };
    [
        format!("ours, policy {} ({fix})", case.policy),
        observed.vmas.to_string(),
        observed.vms.to_string(),
        observed.pages.to_string(),
        mapped,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::restarts::tests::console_and_cycle;
    use super::super::super::verdict::Verdict;
    use super::super::ours::tests::cases;
    use super::*;

    #[test]
    fn stock_and_ours_stand_side_by_side() {
        let mut verdict = Verdict::default();
        verdict.kernel = Some("6.1.0-50-amd64".into());
        verdict.restarts = console_and_cycle(CHECK);
        verdict.ok = true;
        let text = Report::new(1, verdict, cases()).text();
        let line = |start: &str| {
            let mut lines = text.lines().map(str::trim_start);
            let line = lines.find(|line| line.starts_with(start));
            line.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap()
        };
        assert_eq!(line("stock i915,"), "stock i915, 6.1.0-50-amd64 0 0 - nobody but the GGTT");
        assert_eq!(
            line("ours, policy none"),
            "ours, policy none (without the fix) 10 10 80 10 more address spaces, 10 more VMAs"
        );
        assert_eq!(
            line("ours, policy v4"),
            "ours, policy v4 (with the merged fix) 1 0 0 0 more address spaces, 1 more VMAs"
        );
        assert!(line("NOT OK").contains("policy v4: after: 1 VMA"), "{text}");
    }
}
