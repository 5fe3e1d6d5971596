//! The scenarios as programs, a family a file.

pub(crate) mod busy;
pub(crate) mod churn;
pub(crate) mod contexts;
pub(crate) mod handles;
pub(crate) mod importer;
pub(crate) mod planted;
pub(crate) mod retire;
pub(crate) mod reuse;

use driver::{Config, Hangcheck, Platform, PpgttMode, Submission};

use crate::id::ScenarioId;
use crate::run::Options;
use crate::world::{Outcome, World};

/// Bytes of an address space in which the second object of half a MiB must evict the first.
const SMALL_VM: u64 = 1 << 20;
/// A hang is noticed after a few of these; far below the time after which the driver would call a
/// waiting destructor deadlocked.
const HANGCHECK_PERIOD_NS: u64 = 4_000_000;

/// The knobs that a scenario needs turned.
pub(crate) fn adjust(scenario: ScenarioId, config: &mut Config) {
    match scenario {
        // Execlists need page tables; legacy rings run without any (i915 `enable_ppgtt` 1 and 0).
        ScenarioId::NoVmContext => {
            config.ppgtt = match config.submission {
                Submission::LegacyRing => PpgttMode::None,
                _ => PpgttMode::Aliasing,
            };
        }
        ScenarioId::DeadVmEviction => config.vm_size = Some(SMALL_VM),
        ScenarioId::ResetDuringCleanup => {
            config.hangcheck =
                Some(Hangcheck { period_ns: HANGCHECK_PERIOD_NS, ..Hangcheck::default() });
        }
        _ => {}
    }
}

/// Runs the scenario's program.
pub(crate) fn program<P: Platform>(
    scenario: ScenarioId,
    options: &Options,
    world: &mut World<'_, P>,
) -> Outcome {
    match scenario {
        ScenarioId::FlinkAndExit => importer::flink_and_exit(world, true),
        ScenarioId::FlinkAndExitNoClose => importer::flink_and_exit(world, false),
        ScenarioId::XserverRestart => importer::xserver_restart(world, options.restarts),
        ScenarioId::FlinkAndClose => handles::flink_and_close(world),
        ScenarioId::CtxDestroyOwnObject => contexts::destroy_own_object(world),
        ScenarioId::BusyElsewhere => busy::busy_elsewhere(world),
        ScenarioId::BusyElsewhereV2 => busy::both_releases(world),
        ScenarioId::RetireVmaNotInactive => retire::vma_not_inactive(world),
        ScenarioId::Recursion => retire::recursion(world),
        ScenarioId::LastRefInRetire => retire::last_ref_in_retire(world),
        ScenarioId::UnboundVma => contexts::unbound_vma(world),
        ScenarioId::NoVmContext => contexts::no_vm(world),
        ScenarioId::ShrinkerRescue => importer::shrinker_rescue(world),
        ScenarioId::ExporterFrees => importer::exporter_frees(world),
        ScenarioId::EngineHoldsLastCtx => importer::engine_holds_last_ctx(world),
        ScenarioId::TwoHandlesOneFile => handles::two_handles(world),
        ScenarioId::ResetDuringCleanup => busy::reset_during_cleanup(world),
        ScenarioId::LiveRootFree => contexts::live_root_free(world),
        ScenarioId::SharedInNVms => retire::shared_in_n_vms(world),
        ScenarioId::VaReuseAfterClean => reuse::va_reuse_after_clean(world),
        ScenarioId::DeadVmEviction => importer::dead_vm_eviction(world),
        ScenarioId::Prime => importer::prime(world),
        ScenarioId::Planted(bug) => planted::program(bug, world),
        ScenarioId::AndroidChurn => churn::android_churn(world, options.seed),
    }
}
