//! What an engine has at the moment, for those who look at the device from outside.

use gen8_spec::execlists::ContextDescriptor;
use ppgtt::PageTableRoot;

use super::Engine;
use crate::tlb::Tlb;

/// Two elements that were submitted together by ELSP. Element 0 is valid.
pub type Elements = [ContextDescriptor; 2];

impl Engine {
    /// The cached translations.
    pub fn tlb(&self) -> &Tlb {
        &self.tlb
    }

    /// The page tables that are loaded; `None` without a PPGTT.
    pub fn root(&self) -> Option<PageTableRoot> {
        Some(PageTableRoot::from_pdps(self.space.levels?, self.space.pdps))
    }

    /// The list that runs, and which of its elements does.
    pub fn running(&self) -> Option<(Elements, usize)> {
        self.execlists.running()
    }

    /// The list that was submitted and waits.
    pub fn pending(&self) -> Option<Elements> {
        self.execlists.pending()
    }
}
