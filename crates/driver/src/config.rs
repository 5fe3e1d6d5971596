//! The knobs. Each is independent of the cleanup policy, because the bugs live in the combinations.

use crate::bug::Bug;
use crate::gt::{PtLevels, Submission};
use crate::policy::Policy;

/// Where activity is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activity {
    /// 2015: one bitmask and one last-read request per engine on the *object*; all VMAs of an
    /// object become inactive together. Unbinding destroys a VMA.
    PerObject,
    /// 4.9 (b0decaf75bd9): per VMA and engine. Unbinding keeps a VMA unless it was closed.
    PerVma,
}

/// What a handle counts on its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandleRef {
    /// 2015: every handle holds an object reference.
    PerHandle,
    /// Later: all handles of all files share one object reference.
    SharedOne,
}

/// Which VMAs a handle close closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseHook {
    /// 2015: the driver hears nothing of a handle close.
    None,
    /// 4.9: every VMA of the object in an address space that the file created.
    ByVmFile,
    /// 4.14: exactly the entries of the contexts' handle look-up tables.
    ByLut,
}

/// When a closed VMA is unbound and destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseTiming {
    /// At close, or when its last request retires.
    Immediate,
    /// 4.18: when the GT goes idle ("parks"); until then an execbuf may reopen it.
    LazyUntilParked,
}

/// Who owns the scratch page and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scratch {
    /// 2015: every address space has its own.
    PerVm,
    /// Later: one for all.
    Shared,
}

/// i915's `enable_ppgtt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PpgttMode {
    /// 0: batches run in the GGTT; contexts have no address space.
    None,
    /// 1: one shared PPGTT mirrors the GGTT; contexts have no address space.
    Aliasing,
    /// 2 or 3: one address space per context.
    Full,
}

/// Hang detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hangcheck {
    /// Nanoseconds between two samples (i915: 1.5 s).
    pub period_ns: u64,
    /// A context that hangs twice within this time is banned (i915: 12 s).
    pub ban_period_ns: u64,
}

impl Default for Hangcheck {
    fn default() -> Self {
        Hangcheck { period_ns: 1_500_000_000, ban_period_ns: 12_000_000_000 }
    }
}

/// Deliberate defects, for the tests that test the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Mutations {
    /// The cleanup policy is never called.
    pub skip_cleanup: bool,
    /// Unbinding leaves the PTEs as they were.
    pub skip_pte_clear: bool,
    /// Releasing an address space forgets one page-table page.
    pub leak_one_table_page: bool,
}

/// How a driver instance behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// What happens to a dying context's VMAs.
    pub policy: Policy,
    /// Where activity is tracked.
    pub activity: Activity,
    /// How requests are submitted.
    pub submission: Submission,
    /// What a handle counts on its object.
    pub handle_ref: HandleRef,
    /// Whether a PPGTT VMA counts a reference on its address space (until 4.18).
    pub vma_holds_vm_ref: bool,
    /// Which VMAs a handle close closes.
    pub close_hook: CloseHook,
    /// 3ffff0174992: a VMA is closed only when all handles that found it are closed. Without it,
    /// two handles of one file close a VMA twice, and the driver's assertion fires.
    pub open_count: bool,
    /// When a closed VMA is destroyed.
    pub close_timing: CloseTiming,
    /// Whether parking the GT switches the engines to the kernel's context (6.x), which frees the
    /// context that an engine ran last.
    pub park_switches_context: bool,
    /// Legacy rings: whether the context that an engine leaves is kept until the first request of
    /// the next one retires (4.11, when both submission modes came to share this), or given up when
    /// the switch is put on the ring, before the engine gets there (hole h5).
    pub switch_keeps_context: bool,
    /// Depth of the page tables.
    pub levels: PtLevels,
    /// Who owns scratch.
    pub scratch: Scratch,
    /// Whether contexts have address spaces of their own.
    pub ppgtt: PpgttMode,
    /// Bytes of a PPGTT, to make a small one for eviction tests; `None` = all that the levels give.
    pub vm_size: Option<u64>,
    /// Hang detection; `None` = off.
    pub hangcheck: Option<Hangcheck>,
    /// The GPU counts as quiescent when no engine moved for this long (deadlock detection).
    pub quiescence_ns: u64,
    /// Deliberate defects.
    pub mutations: Mutations,
    /// A bug of the real driver that is planted.
    pub bug: Option<Bug>,
    /// Bytes behind every VMA that is not softpinned that stay unmapped, so that an access past an
    /// object's end is seen (a multiple of 4 KiB; 0 = none, as in i915).
    pub red_zone: u64,
    /// Whether to give ownership hints to the debug page, if there is one.
    pub hints: bool,
}

impl Config {
    /// Whether this bug is planted.
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether a PPGTT VMA counts a reference on its address space.
    pub(crate) fn vma_pins_vm(&self) -> bool {
        self.vma_holds_vm_ref || self.has(Bug::LazyClosePinsVm)
    }

    /// The knobs of the kernel in which `policy` lived, execlists, 4 levels, full PPGTT.
    pub fn for_policy(policy: Policy) -> Config {
        let base = Config {
            policy,
            activity: Activity::PerObject,
            submission: Submission::Execlists,
            handle_ref: HandleRef::PerHandle,
            vma_holds_vm_ref: true,
            close_hook: CloseHook::None,
            open_count: true,
            close_timing: CloseTiming::Immediate,
            park_switches_context: false,
            switch_keeps_context: false,
            levels: PtLevels::Four,
            scratch: Scratch::PerVm,
            ppgtt: PpgttMode::Full,
            vm_size: None,
            hangcheck: None,
            quiescence_ns: 20_000_000,
            mutations: Mutations::default(),
            bug: None,
            red_zone: 0,
            hints: true,
        };
        let later = Config {
            activity: Activity::PerVma,
            submission: Submission::ExeclistsLastCtx,
            handle_ref: HandleRef::SharedOne,
            ..base
        };
        match policy {
            Policy::None
            | Policy::VendorVmaList
            | Policy::V1RetireHook
            | Policy::V2WaitUnbind
            | Policy::V3NoWait
            | Policy::V4NoWait => base,
            Policy::V4Relaxed => Config { submission: Submission::ExeclistsLastCtx, ..base },
            Policy::CloseTracking49 => Config { close_hook: CloseHook::ByVmFile, ..later },
            Policy::LutOpenCount414 => {
                Config { close_hook: CloseHook::ByLut, switch_keeps_context: true, ..later }
            }
            Policy::LazyClose418 => Config {
                close_hook: CloseHook::ByLut,
                switch_keeps_context: true,
                close_timing: CloseTiming::LazyUntilParked,
                ..later
            },
            Policy::VmWeak61 => Config {
                close_hook: CloseHook::ByLut,
                close_timing: CloseTiming::LazyUntilParked,
                vma_holds_vm_ref: false,
                park_switches_context: true,
                switch_keeps_context: true,
                ..later
            },
        }
    }
}
