//! The heap: power-of-two size classes with free lists over a bump pointer.
//!
//! Guest code may run at a million instructions a second (nested KVM), so allocation must be a few
//! instructions; memory is plentiful.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;

use crate::arch::single::Single;

/// The heap ends, and DMA memory starts, here.
pub(crate) const HEAP_END: u64 = 64 << 20;

/// Smallest block: it must hold the link of the free list.
const MIN_SHIFT: u32 = 4;
/// One class for each power of two up to 2^25.
const CLASSES: usize = 22;
/// Strongest alignment; larger blocks start on such a boundary.
const MAX_ALIGN: usize = 4096;

// SAFETY: the linker script defines it; only its address is taken.
unsafe extern "C" {
    /// First byte after the image (link.ld).
    #[link_name = "__image_end"]
    static IMAGE_END: u8;
}

#[global_allocator]
static HEAP: Heap = Heap(Single::new(State { next: 0, free: [0; CLASSES] }));

struct Heap(Single<State>);

/// Addresses of free memory.
struct State {
    /// Start of the never-used rest; 0 before the first allocation.
    next: usize,
    /// Heads of the free lists by class; 0 ends a list. A free block's first qword is its link.
    free: [usize; CLASSES],
}

/// Class and block size for `layout`.
fn class(layout: Layout) -> Option<(usize, usize)> {
    let size = layout.size().max(layout.align()).max(1 << MIN_SHIFT).checked_next_power_of_two()?;
    let class = (size.trailing_zeros() - MIN_SHIFT) as usize;
    (class < CLASSES && layout.align() <= MAX_ALIGN).then_some((class, size))
}

impl State {
    fn take(&mut self, layout: Layout) -> Option<usize> {
        let (class, size) = class(layout)?;
        let head = self.free.get_mut(class)?;
        if *head == 0 {
            return self.take_fresh(size);
        }
        let block = *head;
        // SAFETY: a block on a free list is unused memory of this heap with a link in it.
        *head = unsafe { (block as *const usize).read() };
        Some(block)
    }

    fn take_fresh(&mut self, size: usize) -> Option<usize> {
        if self.next == 0 {
            self.next = (&raw const IMAGE_END) as usize;
        }
        let block = self.next.checked_next_multiple_of(size.min(MAX_ALIGN))?;
        let end = block.checked_add(size)?;
        if end > HEAP_END as usize {
            return None;
        }
        self.next = end;
        Some(block)
    }

    /// # Safety
    ///
    /// `block` came from [`State::take`] with this layout, and nobody uses it any more.
    unsafe fn give_back(&mut self, block: usize, layout: Layout) {
        let head = class(layout).and_then(|(class, _)| self.free.get_mut(class));
        if let Some(head) = head {
            // SAFETY: the caller gives up the block, which is at least a qword and aligned.
            unsafe { (block as *mut usize).write(*head) };
            *head = block;
        }
    }
}

// SAFETY: blocks come from RAM between the image and HEAP_END, which nothing else uses; a block is
// handed out once until it is given back; size and alignment are rounded up.
unsafe impl GlobalAlloc for Heap {
    // SAFETY: asks nothing of the caller beyond the trait; a layout of size 0 gets a block too.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.0.get().and_then(|mut state| state.take(layout));
        block.map_or(null_mut(), |block| block as *mut u8)
    }

    // SAFETY: the trait's contract is what `give_back` asks for.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(mut state) = self.0.get() {
            // SAFETY: the caller got `block` from `alloc` with this layout, and is done with it.
            unsafe { state.give_back(block as usize, layout) };
        }
    }
}
