//! What happens to the VMAs of a dying context: one file per policy, the wrong ones beside the
//! right one.

use core::fmt;
use core::str::FromStr;

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
