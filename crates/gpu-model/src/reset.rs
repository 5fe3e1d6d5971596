//! Reset domains (GDRST): an engine each, or the whole GT.
//!
//! A domain reset clears the engine: ring, execlist queues, CSB pointer, masks, errors, TLB. What is
//! shared (GGTT, interrupt banks, forcewake, PAT, workarounds) stays, but for the fences, which a
//! reset of the whole GT clears (i915's commit b1ed35d9179b, "The fence registers are clobbered by a
//! GPU reset": it withdraws the CPU's mappings first and writes the fences anew in `gt_reset`).
//! Hardware takes microseconds and software polls; the model is done when the write returns.

use gen8_spec::engine::EngineId;
use gen8_spec::mmio;

/// Whether a GDRST write of `domains` resets `engine`.
pub(crate) const fn selects(domains: u32, engine: EngineId) -> bool {
    domains & (mmio::GDRST_FULL | engine.reset_domain()) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_reset_selects_all_and_a_domain_only_its_engine() {
        for engine in EngineId::ALL {
            assert!(selects(mmio::GDRST_FULL, engine));
            let hit = EngineId::ALL.into_iter().filter(|&e| selects(engine.reset_domain(), e));
            assert_eq!(hit.collect::<Vec<_>>(), [engine]);
            assert!(!selects(0, engine));
        }
    }
}
