//! What happens to the VMAs of a dying context: one file per policy, the wrong ones beside the
//! right one.

mod close_tracking49;
mod lazy_close418;
mod lut_open_count414;
mod none;
mod v1_retire_hook;
mod v2_wait_unbind;
mod v3_no_wait;
mod v4_no_wait;
mod v4_relaxed;
mod vendor_vma_list;
mod vm_weak61;
mod walk;

use core::fmt;
use core::str::FromStr;

use crate::address_space::Vm;
use crate::context::Context;
use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::object::Object;
use crate::slab::Id;

/// Where a cleanup policy can act. Every hook runs with struct_mutex held and does nothing unless
/// the policy says otherwise. What a handle close and parking do are knobs of their own
/// ([`CloseHook`](crate::CloseHook), [`CloseTiming`](crate::CloseTiming)).
pub(crate) trait CleanupPolicy<H: Hardware> {
    /// The user destroys a context or closes its file; work may still be in flight.
    fn context_close(&self, _gem: &mut Gem<H>, _context: Id<Context>) {}

    /// The last reference of a context is gone, and it is about to drop its reference on `vm`.
    /// Runs inside ioctls, workers and retirement.
    fn context_free(&self, _gem: &mut Gem<H>, _vm: Option<Id<Vm>>) {}

    /// The last engine retired its last read of an object, whose VMAs are all inactive now.
    fn object_idle(&self, _gem: &mut Gem<H>, _object: Id<Object>) {}
}

/// The behaviour of a policy.
pub(crate) fn policy_of<'a, H: Hardware + 'a>(policy: Policy) -> &'a dyn CleanupPolicy<H> {
    match policy {
        Policy::None => &none::None,
        Policy::VendorVmaList => &vendor_vma_list::VendorVmaList,
        Policy::V1RetireHook => &v1_retire_hook::V1RetireHook,
        Policy::V2WaitUnbind => &v2_wait_unbind::V2WaitUnbind,
        Policy::V3NoWait => &v3_no_wait::V3NoWait,
        Policy::V4NoWait => &v4_no_wait::V4NoWait,
        Policy::V4Relaxed => &v4_relaxed::V4Relaxed,
        Policy::CloseTracking49 => &close_tracking49::CloseTracking49,
        Policy::LutOpenCount414 => &lut_open_count414::LutOpenCount414,
        Policy::LazyClose418 => &lazy_close418::LazyClose418,
        Policy::VmWeak61 => &vm_weak61::VmWeak61,
    }
}

/// A cleanup policy, in the order of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Policy {
    /// Until 4.3: nothing.
    None,
    /// A shipped Android-lineage tree: every VM lists all its VMAs; waiting unbind of each.
    VendorVmaList,
    /// v1 of the patch: v2 and a hook at object retirement; recurses.
    V1RetireHook,
    /// v2: waiting unbind of the inactive list; deadlocks.
    V2WaitUnbind,
    /// v3: unbind without waiting; the idea of the merged fix.
    V3NoWait,
    /// v4: the merged fix (4.4).
    V4NoWait,
    /// 4.5–4.8: v4 without its warnings.
    V4Relaxed,
    /// 4.9: VMAs are closed with their handle or context.
    CloseTracking49,
    /// 4.14: closing by look-up table and open count.
    LutOpenCount414,
    /// 4.18: closed VMAs wait for the GT to park.
    LazyClose418,
    /// 4.19 to 6.1: a VMA no longer holds its address space.
    VmWeak61,
}

/// A policy name that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown policy")]
pub struct UnknownPolicy;

impl Policy {
    /// All policies in the order of history.
    pub const ALL: [Policy; 11] = [
        Policy::None,
        Policy::VendorVmaList,
        Policy::V1RetireHook,
        Policy::V2WaitUnbind,
        Policy::V3NoWait,
        Policy::V4NoWait,
        Policy::V4Relaxed,
        Policy::CloseTracking49,
        Policy::LutOpenCount414,
        Policy::LazyClose418,
        Policy::VmWeak61,
    ];

    /// The name on command lines and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::VendorVmaList => "vendor-vma-list",
            Policy::V1RetireHook => "v1",
            Policy::V2WaitUnbind => "v2",
            Policy::V3NoWait => "v3",
            Policy::V4NoWait => "v4",
            Policy::V4Relaxed => "v4-relaxed",
            Policy::CloseTracking49 => "close-tracking49",
            Policy::LutOpenCount414 => "lut-open-count414",
            Policy::LazyClose418 => "lazy-close418",
            Policy::VmWeak61 => "vm-weak61",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Policy::ALL.into_iter().find(|p| p.name() == name).ok_or(UnknownPolicy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_name_parses_back() {
        for policy in Policy::ALL {
            assert_eq!(policy.name().parse(), Ok(policy));
        }
        assert_eq!("v5".parse::<Policy>(), Err(UnknownPolicy));
    }
}
