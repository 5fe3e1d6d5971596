//! Breaches of rules that stock kernels are known for, each with its reason. docs/rules.md shows them.

use gen8_spec::execlists::ContextDescriptor;

use super::{Hit, Report};

/// Why some breaches of a rule are no reason to worry.
pub(super) struct Explanation {
    rule: &'static str,
    /// Begins of the releases that do so; none: all.
    kernels: &'static [&'static str],
    /// Whether this place is meant.
    meant: fn(&Hit) -> bool,
    pub(super) why: &'static str,
}

/// All that is known.
pub(super) const KNOWN: &[Explanation] = &[Explanation {
    rule: "elsp-descriptor-reserved",
    kernels: &["6.1.", "6.12.", "7."],
    meant: |hit| {
        const PRIORITY: u64 = 3 << 9;
        hit.detail & ContextDescriptor::RESERVED & !PRIORITY == 0
    },
    why: "i915 gives contexts of every render engine a priority, in bits that mean one from Gen12 on \
          (gt/intel_engine_cs.c, I915_ENGINE_HAS_EU_PRIORITY); harmless",
}];

/// The explanation of all breaches of a rule.
pub(super) fn explanation(report: &Report, kernel: &str) -> Option<&'static Explanation> {
    KNOWN.iter().find(|known| {
        let kernels = known.kernels;
        known.rule == report.id
            && (kernels.is_empty() || kernels.iter().any(|begin| kernel.starts_with(begin)))
            && report.all(known.meant)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn the_page_of_rules_shows_every_explanation() {
        let page = std::fs::read_to_string(workspace::root().join("docs/rules.md")).unwrap();
        for Explanation { rule, why, .. } in KNOWN {
            assert!(page.contains(&format!("| `{rule}` |")), "{rule}");
            assert!(page.contains(why), "{rule}: {why}");
        }
    }
}
