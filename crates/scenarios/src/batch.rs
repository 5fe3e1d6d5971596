//! Small batch buffers: store a dword, wait for a dword, end.

use alloc::vec::Vec;

use gen8_spec::commands::mi;

/// Value of a semaphore dword that lets [`Batch::wait_for`] pass.
pub(crate) const RELEASED: u32 = 1;
/// Value of a semaphore dword that holds the engine.
pub(crate) const HELD: u32 = 0;

/// An address in a batch that the driver must fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patch<H> {
    /// Byte offset of the address (64 bits) in the batch.
    pub at: u64,
    /// Object that the address is in.
    pub target: H,
    /// Byte offset in that object.
    pub delta: u64,
}

/// A batch under construction. `H` is the driver's handle type.
#[derive(Clone, Debug)]
pub(crate) struct Batch<H> {
    dwords: Vec<u32>,
    patches: Vec<Patch<H>>,
}

impl<H: Copy> Batch<H> {
    /// An empty batch.
    pub(crate) fn new() -> Self {
        Batch { dwords: Vec::new(), patches: Vec::new() }
    }

    /// MI_STORE_DATA_IMM: one dword into `target`.
    pub(crate) fn store(mut self, target: H, delta: u64, value: u32) -> Self {
        // Header, address (2 dwords), data; the length field counts from the third dword.
        self.dwords.push(mi::header(mi::STORE_DATA_IMM, 2));
        self.address(target, delta);
        self.dwords.push(value);
        self
    }

    /// MI_STORE_DATA_IMM to a virtual address, whatever lies there.
    pub(crate) fn store_at(mut self, address: u64, value: u32) -> Self {
        self.dwords.push(mi::header(mi::STORE_DATA_IMM, 2));
        self.dwords.extend([address as u32, (address >> 32) as u32, value]);
        self
    }

    /// MI_SEMAPHORE_WAIT, polling until the dword in `target` is [`RELEASED`] or more.
    pub(crate) fn wait_for(mut self, target: H, delta: u64) -> Self {
        let compare = mi::semaphore::SAD_GTE_SDD << mi::semaphore::COMPARE_SHIFT;
        self.dwords.push(mi::header(mi::SEMAPHORE_WAIT, mi::semaphore::POLL | compare | 2));
        self.dwords.push(RELEASED);
        self.address(target, delta);
        self
    }

    /// Ends the batch; its dwords and the addresses to fill in.
    pub(crate) fn end(mut self) -> (Vec<u32>, Vec<Patch<H>>) {
        self.dwords.push(mi::header(mi::BATCH_BUFFER_END, 0));
        // A batch is a whole number of qwords.
        if self.dwords.len() % 2 == 1 {
            self.dwords.push(mi::header(mi::NOOP, 0));
        }
        (self.dwords, self.patches)
    }

    fn address(&mut self, target: H, delta: u64) {
        self.patches.push(Patch { at: 4 * self.dwords.len() as u64, target, delta });
        self.dwords.extend([0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen8_spec::commands::length;
    use gen8_spec::engine::EngineId;

    #[test]
    fn commands_have_the_length_that_the_hardware_reads() {
        let (dwords, patches) = Batch::new().wait_for('s', 0).store('r', 8, 7).end();
        assert_eq!(dwords.len(), 10);
        let length = |i: usize| length::command_dwords(EngineId::Rcs, dwords[i]);
        assert_eq!((length(0), length(4), length(8)), (Some(4), Some(4), Some(1)));
        assert_eq!(mi::opcode(dwords[0]), mi::SEMAPHORE_WAIT);
        assert_eq!(mi::opcode(dwords[4]), mi::STORE_DATA_IMM);
        assert_eq!(mi::opcode(dwords[8]), mi::BATCH_BUFFER_END);
        assert_eq!(patches[0], Patch { at: 8, target: 's', delta: 0 });
        assert_eq!(patches[1], Patch { at: 20, target: 'r', delta: 8 });
    }
}
