//! The snapshot in words, for somebody who sees it for the first time.

use crate::snapshot::{AddressSpaceCensus, CensusSnapshot, ObjectCensus};

impl CensusSnapshot {
    /// Lines that say what exists, what nobody can reach and what holds it.
    pub fn explain(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{}, {} ({} bound), {}",
            count(self.vms, "address space"),
            count(self.vmas, "VMA"),
            self.vmas_bound,
            count(self.pages, "page-table page"),
        )];
        lines.extend(self.address_spaces.iter().map(AddressSpaceCensus::explain));
        let told = ["OrphanVm", "OrphanMapping"];
        let others = self.findings.iter().filter(|finding| !told.contains(&finding.name()));
        lines.extend(others.map(|finding| format!("{}: {finding}", finding.name())));
        lines
    }
}

impl AddressSpaceCensus {
    /// One line on this address space.
    pub fn explain(&self) -> String {
        let name = self.vm.map_or_else(
            || format!("Loaded root {:#x}", self.root.first().copied().unwrap_or_default()),
            |vm| format!("VM {vm}"),
        );
        let pages = count(self.pages, "page-table page");
        let mut line = format!("{name} ({} levels): {pages}, {}", self.levels, self.reach());
        for object in &self.objects {
            line.push_str("; ");
            line.push_str(&object.explain(self.orphan));
        }
        if self.orphan && self.objects.is_empty() {
            line.push_str("; nothing is mapped: a lost reference keeps it");
        }
        line
    }

    fn reach(&self) -> String {
        match (&self.contexts[..], self.vm) {
            ([], None) => "known only from the registers of an engine".to_owned(),
            ([], Some(0)) => "the driver's own".to_owned(),
            ([], Some(_)) => "reached by no context".to_owned(),
            ([context], _) => format!("used by context {context}"),
            (contexts, _) => format!("used by {} contexts", contexts.len()),
        }
    }
}

impl ObjectCensus {
    fn explain(&self, orphan: bool) -> String {
        let name = self.object.map_or("an unnamed object".to_owned(), |id| format!("object {id}"));
        let Some(first) = self.ranges.first() else {
            let holds = if orphan { " that holds the last reference" } else { "" };
            return format!("{name} has an unbound VMA{holds}");
        };
        let more = match self.ranges.len() {
            1 => String::new(),
            ranges => format!(" and {} more ranges", ranges - 1),
        };
        let place = format!("mapped at {:#x}{more}", first.va);
        match (orphan, self.vma) {
            (true, true) => format!("{name} still {place}: its VMA holds the last reference"),
            (true, false) | (false, false) if self.object.is_some() => {
                format!("{name} still {place} although it has no VMA there")
            }
            _ => format!("{name} {place}"),
        }
    }
}

/// "1 VMA", "2 VMAs".
fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
