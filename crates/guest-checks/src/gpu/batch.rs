//! Batches. Commands and their fields: Intel PRM for Broadwell, volume 2a (command reference).

use crate::sys::Mapping;

pub(crate) mod mi;

/// MI commands: bits 28:23 are the opcode, the low bits the length in dwords less 2.
const fn command(opcode: u32, length: u32) -> u32 {
    opcode << 23 | (length - 2)
}

const MI_NOOP: u32 = 0;
/// MI_NOOP: its number goes to the engine's NOPID register.
const MI_NOOP_IDENTIFICATION: u32 = 1 << 22;
const MI_NOOP_NUMBER: u32 = (1 << 22) - 1;
const MI_ARB_CHECK: u32 = 0x05 << 23;
/// The command that ends a batch: one dword.
pub(crate) const MI_BATCH_BUFFER_END: u32 = 0x0a << 23;
const MI_SEMAPHORE_WAIT: u32 = command(0x1c, 4);
const MI_STORE_DWORD_IMM: u32 = command(0x20, 4);
const MI_STORE_REGISTER_MEM: u32 = command(0x24, 4);
const MI_COPY_MEM_MEM: u32 = command(0x2e, 5);
const MI_BATCH_BUFFER_START: u32 = command(0x31, 3);

/// MI_SEMAPHORE_WAIT: memory is looked at, no signal is waited for.
const POLL: u32 = 1 << 15;
/// MI_SEMAPHORE_WAIT: until memory is the command's value.
const EQUAL: u32 = 4 << 12;
/// MI_BATCH_BUFFER_START: the address is one of the context's address space.
const PER_PROCESS: u32 = 1 << 8;
/// MI_BATCH_BUFFER_START: MI_BATCH_BUFFER_END comes back behind this command.
const SECOND_LEVEL: u32 = 1 << 22;

/// Commands in the making.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Batch {
    dwords: Vec<u32>,
}

impl Batch {
    /// Stores `value` at `address`.
    pub(crate) fn store(self, address: u64, value: u32) -> Batch {
        self.push(MI_STORE_DWORD_IMM).address(address).push(value)
    }

    /// Stores a register at `address`.
    pub(crate) fn store_register(self, address: u64, register: u32) -> Batch {
        self.push(MI_STORE_REGISTER_MEM).push(register).address(address)
    }

    /// Copies the dword at `from` to `to`.
    pub(crate) fn copy(self, to: u64, from: u64) -> Batch {
        self.push(MI_COPY_MEM_MEM).address(to).address(from)
    }

    /// Goes on at `address` for good.
    pub(crate) fn jump(self, address: u64) -> Batch {
        self.push(MI_BATCH_BUFFER_START | PER_PROCESS).address(address)
    }

    /// Runs the batch at `address`, then goes on here.
    pub(crate) fn call(self, address: u64) -> Batch {
        self.push(MI_BATCH_BUFFER_START | PER_PROCESS | SECOND_LEVEL).address(address)
    }

    /// Marks the address space it runs in for the device: MI_NOOP with an identification number,
    /// of which the lowest 22 bits count.
    pub(crate) fn mark(self, number: u32) -> Batch {
        self.push(MI_NOOP | MI_NOOP_IDENTIFICATION | number & MI_NOOP_NUMBER)
    }

    /// A place where another context may come in.
    pub(crate) fn arbitration(self) -> Batch {
        self.push(MI_ARB_CHECK)
    }

    /// So many commands that do nothing.
    pub(crate) fn nothing(self, times: usize) -> Batch {
        (0..times).fold(self, |batch, _| batch.push(MI_NOOP))
    }

    /// A dword that stands for whatever the caller says.
    pub(crate) fn raw(self, dword: u32) -> Batch {
        self.push(dword)
    }

    /// Looks at the dword at `address` again and again until it is `value`.
    pub(crate) fn wait_for(self, address: u64, value: u32) -> Batch {
        self.push(MI_SEMAPHORE_WAIT | POLL | EQUAL).push(value).address(address)
    }

    /// Ends it; its length is a multiple of 8 bytes, as the kernel wants it.
    pub(crate) fn end(self) -> Batch {
        let ended = self.push(MI_BATCH_BUFFER_END);
        if ended.dwords.len().is_multiple_of(2) { ended } else { ended.push(MI_NOOP) }
    }

    /// Writes it to the beginning of an object.
    pub(crate) fn write_to(&self, mapping: &Mapping) {
        self.write_at(mapping, 0);
    }

    /// Writes it to an object from its dword number `first`.
    pub(crate) fn write_at(&self, mapping: &Mapping, first: usize) {
        for (index, dword) in self.dwords.iter().enumerate() {
            mapping.write(first + index, *dword);
        }
    }

    /// Any command: its header without the length, which comes from the number of operands.
    pub(crate) fn command(self, header: u32, operands: &[u32]) -> Batch {
        // One dword alone has no length field.
        let length = operands.len().saturating_sub(1) as u32;
        operands.iter().fold(self.push(header | length), |batch, operand| batch.push(*operand))
    }

    /// Dwords so far: the place of the next command.
    pub(crate) fn len(&self) -> usize {
        self.dwords.len()
    }

    fn push(mut self, dword: u32) -> Batch {
        self.dwords.push(dword);
        self
    }

    /// The commands so far.
    #[cfg(test)]
    pub(super) fn dwords(&self) -> &[u32] {
        &self.dwords
    }

    fn address(self, address: u64) -> Batch {
        self.push(address as u32).push((address >> 32) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the dwords that the Intel GPU Tools' and i915's own headers give.
    #[test]
    fn commands_are_encoded_as_documented() {
        let batch = Batch::default().store(0x1_2345_6000, 7).end();
        assert_eq!(batch.dwords, [0x1000_0002, 0x2345_6000, 1, 7, 0x0500_0000, 0]);
        let batch = Batch::default().jump(0x1000).call(0x2000).end();
        assert_eq!(batch.dwords, [0x1880_0101, 0x1000, 0, 0x18c0_0101, 0x2000, 0, 0x0500_0000, 0]);
        let batch = Batch::default().copy(0x1000, 0x2000).store_register(0x3000, 0x2358).end();
        assert_eq!(
            batch.dwords,
            [0x1700_0003, 0x1000, 0, 0x2000, 0, 0x1200_0002, 0x2358, 0x3000, 0, 0x0500_0000]
        );
        assert_eq!(Batch::default().mark(0x12345).end().dwords, [0x0041_2345, 0x0500_0000]);
        let batch = Batch::default().nothing(2).wait_for(0x1_0000_1000, 5).end();
        assert_eq!(batch.dwords, [0, 0, 0x0e00_c002, 5, 0x1000, 1, 0x0500_0000, 0]);
        assert_eq!(Batch::default().arbitration().end().dwords, [0x0280_0000, 0x0500_0000]);
    }
}
