//! Differences between the two views, in words.

use ppgtt::VaRange;

use crate::finding::{Finding, Severity};
use crate::spaces::SpaceContent;

/// A kind of difference; its name is the finding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The kernel's address space is gone, the device's is not: an engine works in it.
    ReleasedButLoaded,
    /// The kernel's address space is gone, and its tables still map memory.
    ReleasedButMapped,
    /// No VMA is bound there, and there is a PTE.
    UnboundButMapped,
    /// The same, and the object is destroyed: its pages may be anybody's.
    FreedWhileMapped,
    /// A VMA is bound, and there is no PTE.
    BoundButUnmapped,
    /// The kernel has something bound in an address space that no engine ever loaded.
    BoundButNeverLoaded,
    /// An object's PTEs name other pages in one address space than in another.
    OtherPages,
    /// PTEs of two objects name the same page.
    SharedPage,
    /// An address space that lives has tables that lead nowhere.
    BrokenTables,
    /// Something was lost on the way, so nothing is proven.
    Incomplete,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::ReleasedButLoaded => "ReleasedButLoaded",
            Kind::ReleasedButMapped => "ReleasedButMapped",
            Kind::UnboundButMapped => "UnboundButMapped",
            Kind::FreedWhileMapped => "FreedWhileMapped",
            Kind::BoundButUnmapped => "BoundButUnmapped",
            Kind::BoundButNeverLoaded => "BoundButNeverLoaded",
            Kind::OtherPages => "OtherPages",
            Kind::SharedPage => "SharedPage",
            Kind::BrokenTables => "BrokenTables",
            Kind::Incomplete => "IncompleteView",
        }
    }

    /// The finding of this kind.
    pub(super) fn finding(self, at_ns: u64, what: String) -> Finding {
        Finding::new(self.name(), Severity::Error, at_ns, what)
    }
}

/// `address space 7 at 0x3eb8000`
pub(super) fn device_name(space: &SpaceContent) -> String {
    let root = space.root.first().copied().unwrap_or_default();
    format!("address space {} at {root:#x}", space.number)
}

/// `0x100000 to 0x101000`
pub(super) fn range(range: VaRange) -> String {
    format!("{:#x} to {:#x}", range.va, range.va + range.len)
}
