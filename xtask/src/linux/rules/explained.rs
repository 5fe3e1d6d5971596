//! Breaches of rules that stock kernels are known for, each with its reason. docs/rules.md shows them.

use std::ops::Range;

use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;
use gen8_spec::mmio::ring;
use gen8_spec::registers::{Rule, outputs};

use super::{Hit, Ran};

/// Why some breaches of a rule are no reason to worry.
pub(super) struct Explanation {
    rule: &'static str,
    /// Begins of the releases that do so; none: all.
    kernels: &'static [&'static str],
    /// The check that breaks it on purpose, if one does.
    check: Option<&'static str>,
    /// Whether this place is meant.
    meant: fn(&Hit) -> bool,
    pub(super) why: &'static str,
}

/// All that is known.
pub(super) const KNOWN: &[Explanation] = &[
    Explanation {
        rule: "elsp-descriptor-reserved",
        kernels: &["6.1.", "6.12.", "7."],
        check: None,
        meant: |hit| {
            const PRIORITY: u64 = 3 << 9;
            hit.detail & ContextDescriptor::RESERVED & !PRIORITY == 0
        },
        why: "i915 gives contexts of every render engine a priority, in bits that mean one from Gen12 on \
              (gt/intel_engine_cs.c: I915_ENGINE_HAS_EU_PRIORITY); harmless",
    },
    Explanation {
        rule: "access-without-forcewake",
        kernels: &[],
        check: None,
        meant: |hit| {
            let offset = u32::try_from(hit.detail).unwrap_or(u32::MAX);
            let of_engine =
                EngineId::ALL.iter().filter_map(|id| offset.checked_sub(id.mmio_base()));
            let mut submission = of_engine.filter(|at| SUBMISSION.contains(at));
            submission.next().is_some() || POWER.contains(&offset)
        },
        why: "i915 writes the submit port and the registers of RPS and RC6 raw, without forcewake, reads CSB_PTR \
              to let time pass and EXECLIST_STATUS_HI in its interrupt handler \
              (gt/intel_execlists_submission.c: write_desc, process_csb, execlists_irq_handler; \
              gt/intel_rps.c and gt/intel_rc6.c: set); Broadwells are driven so, so they take it",
    },
    Explanation {
        rule: "access-without-forcewake",
        kernels: &[],
        check: Some("busyness"),
        meant: |hit| {
            EngineId::ALL.iter().any(|id| hit.detail == u64::from(id.mmio_base() + ring::CTL))
        },
        why: "the check busyness samples the engines by i915's PMU, whose timer reads RING_CTL raw and takes 0 for \
              a well that sleeps (i915_pmu.c: engine_sample)",
    },
    Explanation {
        rule: "unknown-register",
        kernels: &[],
        check: None,
        meant: |hit| {
            let offset = u32::try_from(hit.detail).unwrap_or(u32::MAX);
            let mut of_outputs = outputs::RULES.iter().map(registers_of);
            PLANES.contains(&offset) || of_outputs.any(|mut offsets| offsets.any(|at| at == offset))
        },
        why: "registers of pipes, planes and frame buffer compression that the model has only where the \
              server was given outputs: 5.10 reads them for an error state (display/intel_display.c: \
              intel_display_capture_error_state), 6.12 and later turn compression off at resets",
    },
    Explanation {
        rule: "elsp-without-execlists",
        kernels: &[],
        check: Some("resets"),
        meant: |_| true,
        why: "the check resets gives the GPU up: i915 then resets the engines without starting them again \
              (gt/intel_reset.c: __intel_gt_set_wedged, __intel_gt_unset_wedged), and one list was \
              submitted meanwhile, which is lost",
    },
    Explanation {
        rule: "ppgtt-fault",
        kernels: &[],
        check: Some("page-faults"),
        meant: |_| true,
        why: "the check page-faults takes the page tables of a running batch away, past i915",
    },
];

/// The registers of a rule.
fn registers_of(rule: &Rule) -> impl Iterator<Item = u32> + use<> {
    let Rule { offset, count, stride, .. } = *rule;
    (0..count).map(move |n| offset + n * stride)
}

/// Registers of transcoders, pipes and planes (i915 `i915_reg.h`, HTOTAL to _PLANE_CTL_4).
const PLANES: Range<u32> = 0x6_0000..0x8_0000;

/// Registers of each engine that i915 touches raw to submit.
const SUBMISSION: [u32; 3] = [ring::ELSP, ring::CSB_PTR, ring::EXECLIST_STATUS_HI];

/// Registers of RPS and RC6 (i915 `gt/intel_gt_regs.h`, GEN6_RPNSWREQ to GEN6_RC6_THRESHOLD).
const POWER: Range<u32> = 0xa000..0xa100;

/// The explanation of a breach of `rule` at this place.
pub(super) fn explanation(rule: &str, hit: &Hit, ran: &Ran<'_>) -> Option<&'static Explanation> {
    KNOWN.iter().find(|known| {
        let kernels = known.kernels;
        known.rule == rule
            && (kernels.is_empty() || kernels.iter().any(|begin| ran.kernel.starts_with(begin)))
            && known.check.is_none_or(|check| ran.checks.contains(&check))
            && (known.meant)(hit)
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
