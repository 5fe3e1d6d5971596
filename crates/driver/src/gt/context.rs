//! A context on one engine: its image in memory, and with execlists its ring.

use alloc::vec::Vec;

use gen8_spec::context_image::{self as image, control};
use gen8_spec::debug_page::PageKind;
use gen8_spec::engine::EngineId;
use gen8_spec::{PAGE_SIZE, masked_enable};
use ppgtt::PageTableRoot;

use super::error::OutOfMemory;
use super::ggtt::{Ggtt, Placement};
use super::hardware::Hardware;
use super::ring::Ring;
use super::types::GgttNode;
use crate::Platform;

/// The state that an engine saves and restores.
pub(super) struct ContextImage {
    pages: Vec<u64>,
    node: GgttNode,
}

impl ContextImage {
    pub(super) fn new<P: Platform>(
        hw: &mut Hardware<P>,
        ggtt: &mut Ggtt,
        engine: EngineId,
        context: u32,
    ) -> Result<Self, OutOfMemory> {
        let count = engine.context_image_pages() as usize;
        let pages = hw.alloc_pages(count, PageKind::ContextImage, context)?;
        match ggtt.bind(hw, &pages, 0, Placement::High) {
            Ok(node) => Ok(ContextImage { pages, node }),
            Err(no_space) => {
                hw.free_pages(&pages);
                Err(no_space.into())
            }
        }
    }

    pub(super) fn free<P: Platform>(self, hw: &mut Hardware<P>, ggtt: &mut Ggtt) {
        ggtt.unbind(hw, self.node);
        hw.free_pages(&self.pages);
    }

    /// GGTT address of the image (LRCA).
    pub(super) fn address(&self) -> u32 {
        self.node.address() as u32
    }

    /// Writes the value of the register whose offset is at dword `index` of the register state.
    pub(super) fn set<P: Platform>(&self, hw: &Hardware<P>, index: usize, value: u32) {
        self.write(hw, index + 1, value);
    }

    fn write<P: Platform>(&self, hw: &Hardware<P>, dword: usize, value: u32) {
        let Some(page) = self.pages.get(image::STATE_PAGE as usize) else { return };
        debug_assert!((dword as u64) < PAGE_SIZE / 4);
        hw.write_memory(page + 4 * dword as u64, value);
    }

    /// Writes the page-directory pointers that the next restore loads.
    pub(super) fn set_pdps<P: Platform>(&self, hw: &Hardware<P>, root: &PageTableRoot) {
        for (n, pdp) in root.pdps().into_iter().enumerate() {
            self.set(hw, image::pdp_udw(n), (pdp >> 32) as u32);
            self.set(hw, image::pdp_ldw(n), pdp as u32);
        }
    }

    /// Lets the context start at `head` of its ring, outside of any batch: after a reset the saved
    /// state of the context that ran is worthless.
    pub(super) fn rewind<P: Platform>(&self, hw: &Hardware<P>, head: u32) {
        self.set(hw, image::RING_HEAD, head);
        for index in [
            image::BB_ADDR_UDW,
            image::BB_ADDR,
            image::BB_STATE,
            image::SBB_ADDR_UDW,
            image::SBB_ADDR,
            image::SBB_STATE,
        ] {
            self.set(hw, index, 0);
        }
    }

    /// Writes the register state of a context that never ran (i915 4.4
    /// `populate_lr_context`). The first restore is inhibited: the rest of the image is empty, so
    /// engine state starts from reset values.
    fn populate<P: Platform>(&self, hw: &Hardware<P>, engine: EngineId, ring: &Ring) {
        let render = engine == EngineId::Rcs;
        for &(index, register) in image::registers(render) {
            self.write(hw, index, engine.mmio_base() + register);
        }
        for (index, header) in image::headers(render) {
            self.write(hw, index, header);
        }
        let context_control = control::INHIBIT_SYNC_SWITCH | control::RESTORE_INHIBIT;
        self.set(hw, image::CONTEXT_CONTROL, masked_enable(context_control));
        self.set(hw, image::RING_START, ring.address());
        self.set(hw, image::RING_CTL, ring.control());
    }
}

/// What an engine keeps for a context.
pub(super) struct Context {
    /// Absent in legacy mode on all engines but the render engine, which alone switches contexts.
    pub(super) image: Option<ContextImage>,
    /// Absent in legacy mode.
    pub(super) ring: Option<Ring>,
    /// Whether it was submitted before: the first time nothing can be restored.
    pub(super) submitted: bool,
    /// Page tables of its last request.
    pub(super) root: Option<PageTableRoot>,
}

impl Context {
    /// A context for execlists.
    pub(super) fn with_ring<P: Platform>(
        hw: &mut Hardware<P>,
        ggtt: &mut Ggtt,
        engine: EngineId,
        context: u32,
    ) -> Result<Self, OutOfMemory> {
        let image = ContextImage::new(hw, ggtt, engine, context)?;
        let ring = match Ring::new(hw, ggtt, context) {
            Ok(ring) => ring,
            Err(error) => {
                image.free(hw, ggtt);
                return Err(error);
            }
        };
        image.populate(hw, engine, &ring);
        Ok(Context { image: Some(image), ring: Some(ring), submitted: false, root: None })
    }

    /// A context for the legacy ring.
    pub(super) fn without_ring<P: Platform>(
        hw: &mut Hardware<P>,
        ggtt: &mut Ggtt,
        engine: EngineId,
        context: u32,
    ) -> Result<Self, OutOfMemory> {
        let image = match engine {
            EngineId::Rcs => Some(ContextImage::new(hw, ggtt, engine, context)?),
            _ => None,
        };
        Ok(Context { image, ring: None, submitted: false, root: None })
    }

    pub(super) fn free<P: Platform>(self, hw: &mut Hardware<P>, ggtt: &mut Ggtt) {
        if let Some(ring) = self.ring {
            ring.free(hw, ggtt);
        }
        if let Some(image) = self.image {
            image.free(hw, ggtt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gt::testing::FakeMachine;
    use alloc::vec::Vec;

    fn state_page(engine: EngineId) -> (Vec<u32>, u32) {
        let mut hw = Hardware::new(FakeMachine::new());
        let mut ggtt = Ggtt::new(64, 0);
        let context = Context::with_ring(&mut hw, &mut ggtt, engine, 1).unwrap();
        let page = context.image.as_ref().unwrap().pages[1];
        let dwords = (0..0x60).map(|n| hw.read_memory(page + 4 * n)).collect();
        (dwords, context.ring.unwrap().address())
    }

    #[test]
    fn render_image_is_laid_out_as_i915_does() {
        let (state, ring) = state_page(EngineId::Rcs);
        assert_eq!(
            state[..0x0c],
            [
                0,
                0x1100_101b,
                0x2244,
                0x0009_0009,
                0x2034,
                0,
                0x2030,
                0,
                0x2038,
                ring,
                0x203c,
                0x3001
            ]
        );
        assert_eq!((state[0x18], state[0x1a], state[0x1c]), (0x21c0, 0x21c4, 0x21c8));
        assert_eq!(state[0x21..0x23], [0x1100_1011, 0x23a8]);
        assert_eq!(
            (state[0x24], state[0x26], state[0x30], state[0x32]),
            (0x228c, 0x2288, 0x2274, 0x2270)
        );
        assert_eq!(state[0x41..0x43], [0x1100_0001, 0x20c8]);
    }

    #[test]
    fn other_images_have_the_short_lists() {
        let (state, _) = state_page(EngineId::Vecs);
        assert_eq!(state[0x01..0x03], [0x1100_0015, 0x1_a244]);
        assert_eq!(state[0x18..0x21], [0; 9]);
        assert_eq!(state[0x41..0x46], [0x1100_0003, 0x1_a200, 0, 0x1_a028, 0]);
    }

    #[test]
    fn lri_headers_count_the_registers_that_follow() {
        // A header's low byte is 2n − 1 for n registers; they lie between it and the next header.
        for render in [true, false] {
            let bounds = [image::LRI_HEADER_0, image::LRI_HEADER_1, image::LRI_HEADER_2, 0x60];
            for (n, (_, header)) in image::headers(render).into_iter().enumerate() {
                let count = image::registers(render)
                    .iter()
                    .filter(|(index, _)| (bounds[n]..bounds[n + 1]).contains(index))
                    .count() as u32;
                assert_eq!(header & 0xff, 2 * count - 1, "render {render}, list {n}");
            }
        }
    }
}
