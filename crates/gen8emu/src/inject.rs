//! `serve --inject`: a device with a defect, by which those who watch a driver prove that they see
//! what goes wrong (docs/agent.md).

use std::fmt;
use std::str::FromStr;

use gen8_spec::PAGE_SIZE;
use gpu_model::Mutations;

use crate::inspect::arguments::address;

/// Every name, as an error tells them.
const NAMES: &str = "tlb-never-invalidates, first-root-not-loaded-again, context-saved-to-old-page, \
                     pte-lost=ADDRESS, pte-restored=ADDRESS or ggtt-write-lost=ADDRESS";

/// A defect of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// TLB entries stay whatever the guest does.
    TlbNeverInvalidates,
    /// An engine does not load the address space again that it loaded first.
    FirstRootNotLoadedAgain,
    /// A context is saved to the page where its image was as well.
    ContextSavedToOldPage,
    /// The PTE of this PPGTT address is cleared once an engine has used it.
    PteLost(u64),
    /// The PTE of this PPGTT address comes back after software changed it.
    PteRestored(u64),
    /// Writes of the PTE of this GGTT address are dropped.
    GgttWriteLost(u64),
}

impl Defect {
    /// Switches it on.
    pub(crate) fn apply(self, mutations: &mut Mutations) {
        match self {
            Defect::TlbNeverInvalidates => mutations.tlb_never_invalidates = true,
            Defect::FirstRootNotLoadedAgain => mutations.first_root_not_loaded_again = true,
            Defect::ContextSavedToOldPage => mutations.context_saved_to_old_page = true,
            Defect::PteLost(address) => mutations.pte_lost = Some(address),
            Defect::PteRestored(address) => mutations.pte_restored = Some(address),
            Defect::GgttWriteLost(address) => mutations.ggtt_write_lost = Some(address),
        }
    }
}

impl FromStr for Defect {
    type Err = String;

    fn from_str(text: &str) -> Result<Defect, String> {
        let (name, place) = match text.split_once('=') {
            Some((name, place)) => (name, Some(address(place)? & !(PAGE_SIZE - 1))),
            None => (text, None),
        };
        match (name, place) {
            ("tlb-never-invalidates", None) => Ok(Defect::TlbNeverInvalidates),
            ("first-root-not-loaded-again", None) => Ok(Defect::FirstRootNotLoadedAgain),
            ("context-saved-to-old-page", None) => Ok(Defect::ContextSavedToOldPage),
            ("pte-lost", Some(address)) => Ok(Defect::PteLost(address)),
            ("pte-restored", Some(address)) => Ok(Defect::PteRestored(address)),
            ("ggtt-write-lost", Some(address)) => Ok(Defect::GgttWriteLost(address)),
            _ => Err(format!("there is no defect '{text}': expected {NAMES}")),
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::TlbNeverInvalidates => write!(f, "its TLBs are never invalidated"),
            Defect::FirstRootNotLoadedAgain => {
                write!(f, "its engines do not load again what they loaded first")
            }
            Defect::ContextSavedToOldPage => {
                write!(f, "contexts are saved to where their images were as well")
            }
            Defect::PteLost(address) => write!(f, "the PTE of {address:#x} gets lost"),
            Defect::PteRestored(address) => write!(f, "the PTE of {address:#x} comes back"),
            Defect::GgttWriteLost(address) => {
                write!(f, "the GGTT entry of {address:#x} cannot be written")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_is_a_name_and_the_page_where_it_is() {
        assert_eq!("pte-lost=0x80000010".parse(), Ok(Defect::PteLost(0x8000_0000)));
        assert_eq!("tlb-never-invalidates".parse(), Ok(Defect::TlbNeverInvalidates));
        let mut mutations = Mutations::default();
        Defect::GgttWriteLost(0x1000).apply(&mut mutations);
        assert_eq!(mutations.ggtt_write_lost, Some(0x1000));
    }

    #[test]
    fn what_is_no_defect_is_told_with_those_that_are() {
        for wrong in ["pte-lost", "pte-stolen=0x1000", "tlb-never-invalidates=1", ""] {
            let told = wrong.parse::<Defect>().unwrap_err();
            assert!(told.contains(wrong) && told.contains("pte-restored=ADDRESS"), "{told}");
        }
        assert!("pte-lost=x".parse::<Defect>().unwrap_err().contains("'x'"));
    }
}
