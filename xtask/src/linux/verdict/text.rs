//! The verdict for people.

use super::{Accesses, Observed, Rules, Sought, Verdict, Views};

impl Verdict {
    /// One fact a line.
    pub(in crate::linux) fn text(&self) -> String {
        let mut text = Text::default();
        text.fact("kernel", self.kernel.as_deref().unwrap_or("unknown (its init never ran)"));
        if let Some(sku) = &self.sku {
            text.fact("GPU", &format!("8086:{}", sku.trim_start_matches("0x")));
        }
        if let Some(probe) = self.probe_ms {
            text.fact("i915 probe", &format!("{probe:.1} ms (guest time)"));
        }
        if let Some(Accesses { reads, writes }) = self.probe_accesses {
            text.fact(
                "",
                &format!("{reads} reads and {writes} writes of registers and GGTT entries"),
            );
        }
        if let Some(interrupts) = self.interrupts {
            text.fact("interrupts", interrupts);
        }
        if !self.engines_offered.is_empty() {
            text.fact("engines offered", &self.engines_offered.join(" "));
        }
        if !self.engines.is_empty() {
            text.fact("engines passed", &self.engines.join(" "));
        }
        for result in &self.checks {
            let detail = result.detail.as_deref().unwrap_or_default();
            text.fact("check", &format!("{:<18} {} {detail}", result.about(), result.word()));
        }
        text.lines.extend(self.census.text());
        text.lines.extend(self.restarts.text());
        text.lines.extend(self.views.iter().flat_map(Views::text));
        text.lines.extend(self.rules.iter().flat_map(Rules::text));
        text.lines.extend(self.observed.iter().flat_map(Observed::text));
        text.list("i915 warnings", &self.i915_warnings);
        if !self.expected_warnings.is_empty() {
            text.fact("expected resets", &format!("{} lines", self.expected_warnings.len()));
        }
        text.list("kernel errors", &self.kernel_errors);
        for function in &self.oopses {
            text.fact("oops in", function);
        }
        if let Some(tainted) = self.tainted {
            text.fact("tainted", &tainted.to_string());
        }
        if let Some(status) = self.payload_status {
            text.fact("payload", &format!("exit status {status}"));
        }
        for Sought { text: sought, place, .. } in &self.screen {
            if let Some(place) = place {
                text.fact("on the screen", &format!("`{sought}` {place}"));
            }
        }
        let verdict = match self.ok {
            true => "ok".into(),
            false => format!("NOT OK: {}", self.faults.join("; ")),
        };
        text.fact("verdict", &verdict);
        text.lines.join("\n")
    }
}

#[derive(Default)]
struct Text {
    lines: Vec<String>,
}

impl Text {
    fn fact(&mut self, name: &str, value: &str) {
        self.lines.push(format!("{name:<15} {}", value.trim_end()));
    }

    fn list(&mut self, name: &str, items: &[String]) {
        self.fact(name, &items.len().to_string());
        self.lines.extend(items.iter().map(|item| format!("  {item}")));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{GOOD, read};
    use super::super::{Asked, Verdict};

    #[test]
    fn the_verdict_is_the_last_line_and_names_every_fault() {
        let mut good = read(GOOD);
        good.conclude(&Asked { i915: true, ..Asked::default() });
        assert!(good.text().ends_with("\nverdict         ok"), "{}", good.text());
        assert!(
            good.text().contains("\ncheck           engines rcs0       ok\n"),
            "{}",
            good.text()
        );
        let mut silent = Verdict::default();
        silent.conclude(&Asked::default());
        let text = silent.text();
        let last = text.lines().last().unwrap();
        assert!(silent.faults.iter().all(|fault| last.contains(fault)), "{last}");
    }
}
