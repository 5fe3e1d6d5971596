//! The hardware status page (HWSP) of an engine.

use gen8_spec::debug_page::PageKind;
use gen8_spec::hwsp;

use super::error::OutOfMemory;
use super::ggtt::{Ggtt, Placement};
use super::hardware::Hardware;
use super::types::{GLOBAL_OWNER, GgttNode};
use crate::Platform;

/// One page that the engine writes and the driver polls.
pub(super) struct StatusPage {
    page: u64,
    node: GgttNode,
}

impl StatusPage {
    pub(super) fn new<P: Platform>(
        hw: &mut Hardware<P>,
        ggtt: &mut Ggtt,
    ) -> Result<Self, OutOfMemory> {
        let page = hw.alloc_page(PageKind::Global, GLOBAL_OWNER).ok_or(OutOfMemory)?;
        match ggtt.bind(hw, &[page], 0, Placement::High) {
            Ok(node) => Ok(StatusPage { page, node }),
            Err(no_space) => {
                hw.free_page(page);
                Err(no_space.into())
            }
        }
    }

    pub(super) fn free<P: Platform>(self, hw: &mut Hardware<P>, ggtt: &mut Ggtt) {
        ggtt.unbind(hw, self.node);
        hw.free_page(self.page);
    }

    /// GGTT address, for HWS_PGA.
    pub(super) fn address(&self) -> u64 {
        self.node.address()
    }

    /// GGTT address of the seqno slot.
    pub(super) fn seqno_address(&self) -> u64 {
        self.node.address() + hwsp::I915_SEQNO
    }

    pub(super) fn seqno<P: Platform>(&self, hw: &Hardware<P>) -> u32 {
        hw.read_memory(self.page + hwsp::I915_SEQNO)
    }

    pub(super) fn set_seqno<P: Platform>(&self, hw: &Hardware<P>, seqno: u32) {
        hw.write_memory(self.page + hwsp::I915_SEQNO, seqno);
    }

    /// Index of the context status entry written last.
    pub(super) fn csb_write_index<P: Platform>(&self, hw: &Hardware<P>) -> u32 {
        hw.read_memory(self.page + hwsp::CSB_WRITE_INDEX)
    }

    pub(super) fn set_csb_write_index<P: Platform>(&self, hw: &Hardware<P>, index: u32) {
        hw.write_memory(self.page + hwsp::CSB_WRITE_INDEX, index);
    }

    /// Context status entry `index`: status and context id.
    pub(super) fn csb_entry<P: Platform>(&self, hw: &Hardware<P>, index: u32) -> (u32, u32) {
        let entry = self.page + hwsp::CSB + 8 * u64::from(index);
        (hw.read_memory(entry), hw.read_memory(entry + 4))
    }
}
