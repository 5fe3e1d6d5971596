//! Lifetime bugs of the real driver, each as a switch: what the kernel did wrong is done wrong here.
//!
//! A bug is independent of the cleanup policy; [`Config::bug`](crate::Config::bug) plants one. Each
//! bites where the kernel's did, and nothing in the driver tells that it is planted: what catches it
//! is what the device and its observers see (docs/bugs.md).

use core::fmt;
use core::str::FromStr;

/// A bug that i915 had once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bug {
    /// Pages of an object go back to the system while engines have translations to them in their
    /// TLBs (CVE-2022-0330).
    NoTlbFlushAtPageRelease,
    /// Two calls that destroy one context both find it, and both drop the reference that its id held
    /// (CVE-2020-7053).
    ContextDestroyRaces,
    /// Unbinding an object everywhere misses VMAs that are closed and still active.
    UnbindMissesClosedActive,
    /// Closed VMAs wait for the GT to go idle, and hold their address spaces meanwhile.
    LazyClosePinsVm,
    /// Unbinding frees empty page tables; the shrinker, run by an allocation, frees one that is about
    /// to be filled.
    ShrinkerFreesTablesInAllocation,
    /// A page directory is added without telling the engines to load the pointers again.
    PdpChangeNotMarkedDirty,
    /// A context is given up when its last request has written its seqno; the hardware saves the image
    /// later.
    ContextUnpinnedAtBreadcrumb,
}

/// A name of no bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown bug")]
pub struct UnknownBug;

impl Bug {
    /// All bugs, in the order of the rows of the specification (vma-cleanup §8).
    pub const ALL: [Bug; 7] = [
        Bug::NoTlbFlushAtPageRelease,
        Bug::ContextDestroyRaces,
        Bug::UnbindMissesClosedActive,
        Bug::LazyClosePinsVm,
        Bug::ShrinkerFreesTablesInAllocation,
        Bug::PdpChangeNotMarkedDirty,
        Bug::ContextUnpinnedAtBreadcrumb,
    ];

    /// The name on command lines and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Bug::NoTlbFlushAtPageRelease => "no-tlb-flush-at-page-release",
            Bug::ContextDestroyRaces => "context-destroy-races",
            Bug::UnbindMissesClosedActive => "unbind-misses-closed-active",
            Bug::LazyClosePinsVm => "lazy-close-pins-vm",
            Bug::ShrinkerFreesTablesInAllocation => "shrinker-frees-tables-in-allocation",
            Bug::PdpChangeNotMarkedDirty => "pdp-change-not-marked-dirty",
            Bug::ContextUnpinnedAtBreadcrumb => "context-unpinned-at-breadcrumb",
        }
    }

    /// Row of the specification's table of lifetime bugs (vma-cleanup §8).
    pub const fn row(self) -> u32 {
        match self {
            Bug::NoTlbFlushAtPageRelease => 1,
            Bug::ContextDestroyRaces => 4,
            Bug::UnbindMissesClosedActive => 6,
            Bug::LazyClosePinsVm => 8,
            Bug::ShrinkerFreesTablesInAllocation => 11,
            Bug::PdpChangeNotMarkedDirty => 13,
            Bug::ContextUnpinnedAtBreadcrumb => 15,
        }
    }

    /// The kernel commits that ended it, abbreviated.
    pub const fn fixed_by(self) -> &'static str {
        match self {
            Bug::NoTlbFlushAtPageRelease => "7938d61591d3",
            Bug::ContextDestroyRaces => "f72bc8905",
            Bug::UnbindMissesClosedActive => "02bef8f98d26",
            Bug::LazyClosePinsVm => "736d1ee57",
            Bug::ShrinkerFreesTablesInAllocation => "f069ab034, 8745e92ba",
            Bug::PdpChangeNotMarkedDirty => "d8c6bda62",
            Bug::ContextUnpinnedAtBreadcrumb => "6d65ba943a2d, a16a405259b3",
        }
    }

    /// One line: what went wrong.
    pub const fn story(self) -> &'static str {
        match self {
            Bug::NoTlbFlushAtPageRelease => {
                "an object's pages are given back while an engine still has their translation cached"
            }
            Bug::ContextDestroyRaces => {
                "calls that destroy one context at the same time all find it, and each drops a \
                 reference"
            }
            Bug::UnbindMissesClosedActive => {
                "a program's memory goes while a closed VMA that the GPU uses still maps it"
            }
            Bug::LazyClosePinsVm => {
                "closed VMAs keep the address spaces of ended programs until the GPU is idle"
            }
            Bug::ShrinkerFreesTablesInAllocation => {
                "low memory during a bind frees the page table that the bind is about to fill"
            }
            Bug::PdpChangeNotMarkedDirty => {
                "an address space gets another page directory, and the engine goes on with the old ones"
            }
            Bug::ContextUnpinnedAtBreadcrumb => {
                "a context's image is freed before the hardware has saved the context into it"
            }
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Bug {
    type Err = UnknownBug;

    fn from_str(name: &str) -> Result<Self, UnknownBug> {
        Bug::ALL.into_iter().find(|bug| bug.name() == name).ok_or(UnknownBug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_is_found_by_its_name_and_rows_rise() {
        for bug in Bug::ALL {
            assert_eq!(bug.name().parse(), Ok(bug));
        }
        assert!(Bug::ALL.windows(2).all(|pair| pair[0].row() < pair[1].row()));
        assert_eq!("no-such-bug".parse::<Bug>(), Err(UnknownBug));
    }
}
