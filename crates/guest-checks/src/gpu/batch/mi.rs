//! MI commands with their fields, and PIPE_CONTROL: Intel PRM for Broadwell, volume 2a. Headers stand
//! without their length, as [`Batch::command`] wants them.

use super::Batch;

/// The header of an MI command: the opcode is in bits 28:23.
const fn header(opcode: u32) -> u32 {
    opcode << 23
}

/// Low half of an address.
pub(crate) const fn low(address: u64) -> u32 {
    address as u32
}

/// High half of an address.
pub(crate) const fn high(address: u64) -> u32 {
    (address >> 32) as u32
}

/// MI_SET_PREDICATE: the condition is in bits 3:0.
pub(crate) const SET_PREDICATE: u32 = header(0x01);
/// MI_USER_INTERRUPT
pub(crate) const USER_INTERRUPT: u32 = header(0x02);
/// MI_REPORT_HEAD
pub(crate) const REPORT_HEAD: u32 = header(0x07);
/// MI_PREDICATE: load in bits 7:6, combine in 4:3, compare in 1:0.
pub(crate) const PREDICATE: u32 = header(0x0c);
/// MI_MATH
pub(crate) const MATH: u32 = header(0x1a);
/// MI_SEMAPHORE_SIGNAL: the target engine is in bits 17:15.
pub(crate) const SEMAPHORE_SIGNAL: u32 = header(0x1b);
/// MI_SEMAPHORE_WAIT: [`POLL`], the comparison in bits 14:12.
pub(crate) const SEMAPHORE_WAIT: u32 = header(0x1c);
/// MI_STORE_DATA_IMM
pub(crate) const STORE_DATA_IMM: u32 = header(0x20);
/// MI_STORE_DATA_INDEX
pub(crate) const STORE_DATA_INDEX: u32 = header(0x21);
/// MI_LOAD_REGISTER_IMM: bytes not to write in bits 11:8.
pub(crate) const LOAD_REGISTER_IMM: u32 = header(0x22);
/// MI_UPDATE_GTT
pub(crate) const UPDATE_GTT: u32 = header(0x23);
/// MI_STORE_REGISTER_MEM
pub(crate) const STORE_REGISTER_MEM: u32 = header(0x24);
/// MI_FLUSH_DW
pub(crate) const FLUSH_DW: u32 = header(0x26);
/// MI_LOAD_REGISTER_MEM
pub(crate) const LOAD_REGISTER_MEM: u32 = header(0x29);
/// MI_LOAD_REGISTER_REG
pub(crate) const LOAD_REGISTER_REG: u32 = header(0x2a);
/// MI_COPY_MEM_MEM
pub(crate) const COPY_MEM_MEM: u32 = header(0x2e);
/// MI_ATOMIC: operation in bits 15:8, size in 20:19.
pub(crate) const ATOMIC: u32 = header(0x2f);
/// MI_BATCH_BUFFER_START
pub(crate) const BATCH_BUFFER_START: u32 = header(0x31);
/// MI_CONDITIONAL_BATCH_BUFFER_END
pub(crate) const CONDITIONAL_BATCH_BUFFER_END: u32 = header(0x36);
/// PIPE_CONTROL: 3D, subtype 3, opcode 2.
pub(crate) const PIPE_CONTROL: u32 = 0x7a00_0000;

/// The address is one of the GGTT: of most MI commands, and of COPY_MEM_MEM's source.
pub(crate) const GGTT: u32 = 1 << 22;
/// MI_STORE_DATA_IMM, MI_ATOMIC's size aside: the data are qwords. MI_COPY_MEM_MEM: the destination
/// is in the GGTT. MI_CONDITIONAL_BATCH_BUFFER_END: compare. MI_STORE_REGISTER_MEM: only if the
/// predicate is set. MI_STORE_DATA_INDEX: to the context's own page. MI_FLUSH_DW: to a status page.
pub(crate) const BIT_21: u32 = 1 << 21;
/// MI_SEMAPHORE_WAIT: looks again and again, in place of waiting for a signal.
pub(crate) const POLL: u32 = 1 << 15;
/// MI_BATCH_BUFFER_START: an address of the context; else one of the GGTT, with privilege.
pub(crate) const PPGTT: u32 = 1 << 8;
/// MI_BATCH_BUFFER_START: comes back.
pub(crate) const SECOND_LEVEL: u32 = 1 << 22;
/// MI_BATCH_BUFFER_START: only if the predicate is set.
pub(crate) const PREDICATED: u32 = 1 << 15;
/// MI_FLUSH_DW's post-sync operation: write of the data, or of the time.
pub(crate) const FLUSH_WRITE: u32 = 1 << 14;
/// As [`FLUSH_WRITE`], for the time.
pub(crate) const FLUSH_TIMESTAMP: u32 = 3 << 14;
/// MI_FLUSH_DW, in the address: it is one of the GGTT.
pub(crate) const FLUSH_GGTT: u32 = 1 << 2;

/// PIPE_CONTROL's first operand.
pub(crate) mod pipe {
    /// Write of the data behind the flush.
    pub(crate) const WRITE: u32 = 1 << 14;
    /// Write of the time behind the flush.
    pub(crate) const TIMESTAMP: u32 = 3 << 14;
    /// Waits until all before it is done.
    pub(crate) const CS_STALL: u32 = 1 << 20;
    /// The address is an offset into the status page.
    pub(crate) const STORE_INDEX: u32 = 1 << 21;
    /// Load of a register behind the flush.
    pub(crate) const LOAD_REGISTER: u32 = 1 << 23;
    /// The address is one of the GGTT.
    pub(crate) const GGTT: u32 = 1 << 24;
}

/// A comparison of MI_SEMAPHORE_WAIT: memory against the command's data, without sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

impl Compare {
    const fn field(self) -> u32 {
        (self as u32) << 12
    }
}

impl Batch {
    /// Loads registers, each with its value.
    pub(crate) fn load_registers(self, pairs: &[(u32, u32)]) -> Batch {
        let operands: Vec<u32> = pairs.iter().flat_map(|(reg, value)| [*reg, *value]).collect();
        self.command(LOAD_REGISTER_IMM, &operands)
    }

    /// Loads a register with the dword at `address`.
    pub(crate) fn load_register_from(self, register: u32, address: u64) -> Batch {
        self.command(LOAD_REGISTER_MEM, &[register, low(address), high(address)])
    }

    /// Copies a register.
    pub(crate) fn copy_register(self, to: u32, from: u32) -> Batch {
        self.command(LOAD_REGISTER_REG, &[from, to])
    }

    /// Stores the registers from `register` on, `count` dwords, from `address` on.
    pub(crate) fn store_registers(self, address: u64, register: u32, count: u32) -> Batch {
        (0..count).fold(self, |batch, n| {
            batch.store_register(address + 4 * u64::from(n), register + 4 * n)
        })
    }

    /// Stores dwords one behind the other, with one command.
    pub(crate) fn store_array(self, address: u64, values: &[u32]) -> Batch {
        let operands: Vec<u32> =
            [low(address), high(address)].into_iter().chain(values.iter().copied()).collect();
        self.command(STORE_DATA_IMM, &operands)
    }

    /// Waits, looking again and again, until the comparison of the dword at `address` with `data`
    /// holds.
    pub(crate) fn wait_until(self, address: u64, compare: Compare, data: u32) -> Batch {
        self.wait(POLL, address, compare, data)
    }

    /// As [`Batch::wait_until`], but looks again when it is signalled only.
    pub(crate) fn wait_for_signal(self, address: u64, compare: Compare, data: u32) -> Batch {
        self.wait(0, address, compare, data)
    }

    fn wait(self, mode: u32, address: u64, compare: Compare, data: u32) -> Batch {
        let operands = [data, low(address), high(address)];
        self.command(SEMAPHORE_WAIT | mode | compare.field(), &operands)
    }

    /// Adds 1 to the dword at `address`.
    pub(crate) fn increment(self, address: u64) -> Batch {
        self.command(ATOMIC | 0x05 << 8, &[low(address), high(address)])
    }

    /// Ends the batch unless the dword at `address`, which is one of a qword, is greater than `data`.
    pub(crate) fn end_unless_greater(self, address: u64, data: u32) -> Batch {
        let operands = [data, low(address), high(address)];
        self.command(CONDITIONAL_BATCH_BUFFER_END | BIT_21, &operands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the dwords that Mesa's `gen8.xml` gives for these fields.
    #[test]
    fn fields_stand_where_the_documents_put_them() {
        let batch = Batch::default().load_registers(&[(0x2600, 7), (0x2604, 8)]);
        assert_eq!(batch.dwords, [0x1100_0003, 0x2600, 7, 0x2604, 8]);
        let batch = Batch::default().load_register_from(0x2600, 0x1_0000_0010);
        assert_eq!(batch.dwords, [0x1480_0002, 0x2600, 0x10, 1]);
        assert_eq!(Batch::default().copy_register(2, 1).dwords, [0x1500_0001, 1, 2]);
        let batch = Batch::default().wait_until(0x1000, Compare::NotEqual, 9);
        assert_eq!(batch.dwords, [0x0e00_d002, 9, 0x1000, 0]);
        let batch = Batch::default().wait_for_signal(0x1000, Compare::Greater, 9);
        assert_eq!(batch.dwords, [0x0e00_0002, 9, 0x1000, 0]);
        let batch = Batch::default().end_unless_greater(0x1000, 9);
        assert_eq!(batch.dwords, [0x1b20_0002, 9, 0x1000, 0]);
        let batch = Batch::default().store_array(0x1000, &[1, 2, 3]);
        assert_eq!(batch.dwords, [0x1000_0004, 0x1000, 0, 1, 2, 3]);
        assert_eq!(Batch::default().command(USER_INTERRUPT, &[]).dwords, [0x0100_0000]);
    }
}
