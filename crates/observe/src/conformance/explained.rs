//! Breaches of rules that stock i915 is known for, each with its reason. docs/rules.md shows them.

use std::ops::Range;

use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;
use gen8_spec::mmio::ring;
use gen8_spec::registers::{Rule, outputs};
use serde::{Deserialize, Serialize};

use super::hits::{Culprit, Hit, RuleReport};

/// A guest with a stock i915, as far as it is known: explanations depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockGuest {
    /// The kernel's release, such as `6.1.0-50-amd64`; None if nobody tells: any.
    #[serde(default)]
    pub kernel: Option<String>,
    /// Checks of `cargo xtask linux` that ran in it. Some break rules on purpose.
    #[serde(default)]
    pub checks: Vec<String>,
}

/// Breaches of a rule with a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// How many.
    pub count: u64,
    /// Why they are no reason to worry.
    pub why: String,
}

/// What a stock i915's breaches of one rule come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Those that are known, by reason.
    pub explained: Vec<Explained>,
    /// How many are not.
    pub open: u64,
    /// Where those were, as far as places were kept.
    pub places: Vec<Hit>,
}

impl RuleReport {
    /// What the breaches come to, if the driver is the stock i915 of `guest`. Places that were not kept are
    /// not explained, nor is what clients' batches do: that is no driver's doing.
    pub fn judge(&self, guest: &StockGuest) -> Judgement {
        let mut judged = Judgement { open: self.count, ..Judgement::default() };
        for (hit, count) in &self.places {
            let known = KNOWN.iter().find(|known| known.explains(self, hit, guest));
            let Some(Explanation { why, .. }) = known else {
                judged.places.push(hit.clone());
                continue;
            };
            judged.open = judged.open.saturating_sub(*count);
            match judged.explained.iter_mut().find(|known| known.why == *why) {
                Some(known) => known.count += count,
                None => judged.explained.push(Explained { count: *count, why: (*why).into() }),
            }
        }
        judged
    }
}

/// Why some breaches of a rule are no reason to worry.
struct Explanation {
    rule: &'static str,
    /// Begins of the releases that do so; none: all.
    kernels: &'static [&'static str],
    /// The check that breaks it on purpose, if one does.
    check: Option<&'static str>,
    /// Whether this place is meant.
    meant: fn(&Hit) -> bool,
    why: &'static str,
}

impl Explanation {
    fn explains(&self, report: &RuleReport, hit: &Hit, guest: &StockGuest) -> bool {
        let is_kernel = |release: &String| self.kernels.iter().any(|it| release.starts_with(it));
        report.culprit == Culprit::Driver
            && self.rule == report.id
            && (self.kernels.is_empty() || guest.kernel.as_ref().is_none_or(is_kernel))
            && self.check.is_none_or(|check| guest.checks.iter().any(|ran| ran == check))
            && (self.meant)(hit)
    }
}

/// All that is known.
const KNOWN: &[Explanation] = &[
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

#[cfg(test)]
mod tests {
    use gpu_model::{GuestRule, Origin};

    use super::super::check::ObservedRule;
    use super::super::hits::Hits;
    use super::*;
    use crate::Severity;

    fn guest(kernel: Option<&str>, checks: &[&str]) -> StockGuest {
        let checks = checks.iter().map(|&check| check.to_owned()).collect();
        StockGuest { kernel: kernel.map(str::to_owned), checks }
    }

    /// A rule that was broken at these places by this one.
    fn report(rule: impl Into<super::super::Rule>, by: Origin, details: &[u64]) -> RuleReport {
        let rule = rule.into();
        let mut hits = Hits::default();
        for &detail in details {
            hits.add(1, rule, by, detail);
        }
        hits.reports().remove(0)
    }

    /// How many are explained and how many not.
    fn counts(report: &RuleReport, guest: &StockGuest) -> (u64, u64) {
        let judged = report.judge(guest);
        (judged.explained.iter().map(|explained| explained.count).sum(), judged.open)
    }

    #[test]
    fn an_explanation_holds_for_its_places_and_kernels_only() {
        let priority = |details: &[u64], kernel| {
            let rule = GuestRule::ElspDescriptorReserved;
            counts(&report(rule, Origin::Cpu, details), &guest(kernel, &[]))
        };
        assert_eq!(priority(&[0x53d], Some("6.1.0-50-amd64")), (1, 0));
        assert_eq!(priority(&[0x53d, 0x93d], Some("6.1.0-50-amd64")), (1, 1));
        assert_eq!(priority(&[0x53d], Some("5.10.0-32-amd64")), (0, 1));
        assert_eq!(priority(&[0x53d], None), (1, 0), "where nobody tells it may be any kernel");
    }

    #[test]
    fn what_a_check_breaks_on_purpose_is_explained_where_it_ran() {
        let faults = report(ObservedRule::PpgttFault, Origin::Cpu, &[0x400]);
        assert_eq!(counts(&faults, &guest(Some("6.1.0"), &["engines", "page-faults"])), (1, 0));
        assert_eq!(counts(&faults, &guest(Some("6.1.0"), &["engines"])), (0, 1));
        assert_eq!(counts(&faults, &guest(None, &[])), (0, 1));
    }

    #[test]
    fn what_is_explained_is_a_note_and_the_rest_keeps_its_severity() {
        let faults = report(ObservedRule::PpgttFault, Origin::Cpu, &[0x400]);
        let told = |report: &RuleReport, guest: &StockGuest| -> Vec<(Severity, String)> {
            let findings = report.findings(guest).into_iter();
            findings.map(|finding| (finding.severity, finding.facts[1].text.clone())).collect()
        };
        let explained = guest(None, &["page-faults"]);
        assert_eq!(told(&faults, &explained), [(Severity::Note, "1".to_owned())]);
        assert_eq!(faults.findings(&guest(None, &[])), [faults.finding()]);
        let raw = report(GuestRule::AccessWithoutForcewake, Origin::Cpu, &[0xa008, 0x1_2000]);
        let both = [(Severity::Note, "1".to_owned()), (Severity::Warning, "1".to_owned())];
        assert_eq!(told(&raw, &guest(None, &[])), both);
    }

    #[test]
    fn what_a_client_breaks_is_not_explained() {
        let by = Origin::UserBatch(EngineId::Rcs);
        let report = report(GuestRule::ElspDescriptorReserved, by, &[0x53d]);
        assert_eq!(counts(&report, &StockGuest::default()), (0, 1));
    }

    #[test]
    fn places_that_were_not_kept_are_not_explained() {
        let mut report = report(GuestRule::ElspDescriptorReserved, Origin::Cpu, &[0x53d]);
        report.count = 5;
        let judged = report.judge(&StockGuest::default());
        assert_eq!((judged.explained[0].count, judged.open), (1, 4));
        assert!(judged.places.is_empty());
    }

    #[test]
    fn the_page_of_rules_shows_every_explanation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md");
        let page = std::fs::read_to_string(path).unwrap();
        for Explanation { rule, why, .. } in KNOWN {
            assert!(page.contains(&format!("| `{rule}` |")), "{rule}");
            assert!(page.contains(why), "{rule}: {why}");
        }
    }
}
