//! Display and PCH registers: storage, since no pipe scans out. The side-band interface to the PCH
//! answers at once.

use gen8_spec::registers::display as regs;

use crate::registers::RegisterFile;

/// The display block.
#[derive(Clone, Debug)]
pub struct Display {
    file: RegisterFile,
}

impl Display {
    /// The block after power-on.
    pub fn new() -> Self {
        Self { file: RegisterFile::new(regs::RULES) }
    }

    /// Register read; `None` when `offset` is not one of this block's.
    pub fn read(&self, offset: u32) -> Option<u32> {
        self.file.read(offset)
    }

    /// Register write; false when `offset` is not one of this block's.
    pub fn write(&mut self, offset: u32, value: u32) -> bool {
        let Some(stored) = self.file.write(offset, value) else {
            return false;
        };
        if offset == regs::SBI_CTL_STAT {
            self.side_band_transaction(stored);
        }
        true
    }

    /// A side-band transaction is over as soon as it starts. There is no PCH behind it: its
    /// registers read 0 and swallow writes.
    fn side_band_transaction(&mut self, control: u32) {
        if control & regs::SBI_BUSY != 0 && control & regs::SBI_OPCODE_MASK == regs::SBI_OPCODE_READ
        {
            self.file.set(regs::SBI_DATA, 0);
        }
        self.file.set(regs::SBI_CTL_STAT, control & !regs::SBI_BUSY);
    }
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_band_is_never_busy_and_reads_zero() {
        let mut display = Display::new();
        display.write(regs::SBI_DATA, 8);
        display.write(regs::SBI_CTL_STAT, 0x701);
        assert_eq!(display.read(regs::SBI_CTL_STAT), Some(0x700));
        assert_eq!(display.read(regs::SBI_DATA), Some(8));
        display.write(regs::SBI_CTL_STAT, 0x601);
        assert_eq!(display.read(regs::SBI_CTL_STAT), Some(0x600));
        assert_eq!(display.read(regs::SBI_DATA), Some(0));
    }
}
