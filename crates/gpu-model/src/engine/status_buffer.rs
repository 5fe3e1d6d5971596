//! The context status buffer: what an engine reports of its contexts, as MMIO shows it.

use gen8_spec::execlists::{csb, status};
use gen8_spec::hwsp::CSB_ENTRIES;
use gen8_spec::masked_apply;
use gen8_spec::mmio::ring::{CSB_PTR_READ_SHIFT, CSB_PTR_WRITE_MASK};

/// Entries and pointers of one engine.
#[derive(Clone, Debug, Hash)]
pub(crate) struct StatusBuffer {
    /// (status, context id).
    entries: [(u32, u32); CSB_ENTRIES as usize],
    pointers: u32,
    last_reason: u32,
}

impl StatusBuffer {
    /// The state after reset: no entries, write pointer 7.
    pub(crate) fn new() -> StatusBuffer {
        StatusBuffer {
            entries: [(0, 0); CSB_ENTRIES as usize],
            pointers: csb::WRITE_POINTER_RESET,
            last_reason: 0,
        }
    }

    /// Stores a CSB entry in the next slot and returns the slot.
    pub(crate) fn push(&mut self, status: u32, context: u32) -> u32 {
        let last = self.pointers & CSB_PTR_WRITE_MASK;
        let slot = if last + 1 < CSB_ENTRIES { last + 1 } else { 0 };
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            *entry = (status, context);
        }
        self.pointers = (self.pointers & !CSB_PTR_WRITE_MASK) | slot;
        self.last_reason = status & status::SWITCH_REASON_MASK;
        slot
    }

    /// CSB entry `n` (status, context id), as MMIO shows it.
    pub(crate) fn entry(&self, n: u32) -> (u32, u32) {
        self.entries.get(n as usize).copied().unwrap_or_default()
    }

    /// CSB pointer register.
    pub(crate) fn pointers(&self) -> u32 {
        self.pointers
    }

    /// Software writes the CSB pointer register: a masked write of both pointers.
    pub(crate) fn write_pointers(&mut self, value: u32) {
        let fields = CSB_PTR_WRITE_MASK | CSB_PTR_WRITE_MASK << CSB_PTR_READ_SHIFT;
        self.pointers = masked_apply(self.pointers, value) & fields;
    }

    /// Why the last switch was, as EXECLIST_STATUS says it.
    pub(crate) fn last_reason(&self) -> u32 {
        self.last_reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_entry_lands_in_slot_0_after_reset_and_after_software_wrote_5() {
        let mut buffer = StatusBuffer::new();
        assert_eq!(buffer.pointers() & 7, 7);
        assert_eq!(buffer.push(1, 0), 0);
        buffer.write_pointers(0xffff_0505);
        assert_eq!(buffer.pointers(), 0x505);
        assert_eq!(buffer.push(1, 0), 0);
        assert_eq!(buffer.pointers(), 0x500);
    }

    #[test]
    fn slots_wrap_from_5_to_0_and_keep_their_entries() {
        let mut buffer = StatusBuffer::new();
        let slots: Vec<u32> = (0..8).map(|n| buffer.push(n, n)).collect();
        assert_eq!(slots, [0, 1, 2, 3, 4, 5, 0, 1]);
        assert_eq!((buffer.entry(1), buffer.entry(2)), ((7, 7), (2, 2)));
    }

    #[test]
    fn pointer_write_touches_only_masked_bits() {
        let mut buffer = StatusBuffer::new();
        buffer.write_pointers(0x0700_0300);
        assert_eq!(buffer.pointers(), 0x307);
    }
}
