//! What each scenario must have observed.

use alloc::collections::BTreeMap;

use driver::Policy;

use crate::case::Case;
use crate::id::ScenarioId;

/// The facts of `case`, by the names that the programs use.
pub(super) fn facts(case: &Case) -> BTreeMap<&'static str, bool> {
    let policy = case.policy;
    let leaks = policy == Policy::None;
    let waits = waits_in_destructor(policy);
    let facts: &[(&'static str, bool)] = match case.scenario {
        ScenarioId::FlinkAndExit | ScenarioId::FlinkAndExitNoClose => {
            &[("listed_before", false), ("listed_during", true), ("listed_after", leaks)]
        }
        // Also where ten address spaces wait for it: the pinned GGTT VMA is in its way.
        ScenarioId::XserverRestart => &[("shrinker_frees_vms", false)],
        ScenarioId::FlinkAndClose => &[
            ("address_is_free_after_retire", closes_at_once(policy)),
            ("address_is_free_after_idle", has_close_hook(policy)),
        ],
        ScenarioId::TwoHandlesOneFile => &[
            ("handles_differ", true),
            ("bound_after_the_used_handle_closed", !closes_at_once(policy)),
            ("same_address", true),
            // 4.9 closes by file: any handle will do. Later kernels count.
            ("bound_while_the_other_used_handle_is_open", policy != Policy::CloseTracking49),
        ],
        ScenarioId::BusyElsewhere => &[
            ("destroy_returned_at_once", !waits),
            ("other_context_did_its_work", true),
            ("other_contexts_vma_untouched", true),
        ],
        ScenarioId::BusyElsewhereV2 => &[
            ("destructor_stalls", waits),
            ("destructor_stalls_again", waits),
            ("deadlock_on_unlocked_release", false),
            ("deadlock_on_locked_release", waits),
        ],
        ScenarioId::ResetDuringCleanup => &[
            ("gpu_idle_after_reset", true),
            ("hung_batch_was_skipped", true),
            ("gpu_works_after_reset", true),
        ],
        // v1 and v2 wait only for VMAs that they find on the inactive list: none here.
        ScenarioId::RetireVmaNotInactive => {
            &[("destroy_returned_at_once", policy != Policy::VendorVmaList)]
        }
        ScenarioId::Recursion => {
            &[("object_is_still_busy", true), ("shrinker_unbound_the_object", true)]
        }
        ScenarioId::UnboundVma => &[("execbuffer_failed", true), ("object_is_bound", false)],
        ScenarioId::NoVmContext => &[("context_has_a_vm", false)],
        ScenarioId::ExporterFrees => &[("name_is_gone", true)],
        ScenarioId::SharedInNVms => &[("survivors_vma_untouched", true)],
        ScenarioId::VaReuseAfterClean => &[
            ("exporter_sees_the_importers_write", true),
            ("next_client_gets_the_same_address", true),
            ("write_lands_in_the_new_object", true),
            ("same_address_in_the_same_space", true),
            ("write_lands_in_the_newest_object", true),
            ("old_object_untouched", true),
        ],
        ScenarioId::DeadVmEviction => &[("eviction_ran", true)],
        ScenarioId::Prime => &[("import_is_the_same_object", true)],
        ScenarioId::CtxDestroyOwnObject
        | ScenarioId::LastRefInRetire
        | ScenarioId::ShrinkerRescue
        | ScenarioId::EngineHoldsLastCtx
        | ScenarioId::LiveRootFree
        | ScenarioId::AndroidChurn
        | ScenarioId::Planted(_) => &[],
    };
    facts.iter().copied().collect()
}

/// Whether a dying context waits for its idle VMAs' objects.
fn waits_in_destructor(policy: Policy) -> bool {
    matches!(policy, Policy::VendorVmaList | Policy::V1RetireHook | Policy::V2WaitUnbind)
}

/// 4.9 and later: the driver hears of a handle close.
fn has_close_hook(policy: Policy) -> bool {
    policy >= Policy::CloseTracking49
}

/// 4.9 and 4.14: a closed, idle VMA is destroyed at once; later, when the GT parks.
fn closes_at_once(policy: Policy) -> bool {
    matches!(policy, Policy::CloseTracking49 | Policy::LutOpenCount414)
}
