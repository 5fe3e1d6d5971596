//! The palette of ten bits of a pipe, behind an index and a data register.

use gen8_spec::registers::planes as regs;

/// PREC_PAL_INDEX, and what PREC_PAL_DATA reaches by it.
#[derive(Clone, Debug, Hash)]
pub(super) struct Palette {
    /// Bytes from pipe A's registers to this one's.
    offset: u32,
    index: u32,
    entries: Box<[u32; regs::PREC_PAL_ENTRIES]>,
}

impl Palette {
    /// The palette of a pipe, all black.
    pub(super) fn new(pipe: u32) -> Palette {
        let entries = Box::new([0; regs::PREC_PAL_ENTRIES]);
        Palette { offset: pipe * regs::PALETTE_STRIDE, index: 0, entries }
    }

    /// The entries: ten bits a color, red highest.
    pub(super) fn entries(&self) -> &[u32; regs::PREC_PAL_ENTRIES] {
        &self.entries
    }

    /// Reads the register at `offset`; `None` for others. A read of data may move the index.
    pub(super) fn read(&mut self, offset: u32) -> Option<u32> {
        match offset.wrapping_sub(self.offset) {
            regs::PREC_PAL_INDEX => Some(self.index),
            regs::PREC_PAL_DATA => {
                let entry = self.entry().copied();
                self.step();
                entry
            }
            _ => None,
        }
    }

    /// The register at `offset` was written.
    pub(super) fn written(&mut self, offset: u32, value: u32) {
        match offset.wrapping_sub(self.offset) {
            regs::PREC_PAL_INDEX => self.index = value,
            regs::PREC_PAL_DATA => {
                if let Some(entry) = self.entry() {
                    *entry = value;
                }
                self.step();
            }
            _ => {}
        }
    }

    fn entry(&mut self) -> Option<&mut u32> {
        self.entries.get_mut((self.index & regs::PREC_PAL_INDEX_MASK) as usize)
    }

    fn step(&mut self) {
        if self.index & regs::PREC_PAL_AUTO_INCREMENT != 0 {
            let next = (self.index + 1) & regs::PREC_PAL_INDEX_MASK;
            self.index = self.index & !regs::PREC_PAL_INDEX_MASK | next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_moves_the_index_only_where_it_is_told_to_and_only_for_its_pipe() {
        let mut palette = Palette::new(1);
        let on_b = |register: u32| register + regs::PALETTE_STRIDE;
        palette.written(on_b(regs::PREC_PAL_INDEX), 1023 | regs::PREC_PAL_AUTO_INCREMENT);
        palette.written(on_b(regs::PREC_PAL_DATA), 11);
        palette.written(on_b(regs::PREC_PAL_DATA), 22);
        palette.written(regs::PREC_PAL_DATA, 33);
        assert_eq!((palette.entries()[1023], palette.entries()[0]), (11, 22));
        let index = Some(1 | regs::PREC_PAL_AUTO_INCREMENT);
        assert_eq!(palette.read(on_b(regs::PREC_PAL_INDEX)), index);
        palette.written(on_b(regs::PREC_PAL_INDEX), 0);
        assert_eq!(palette.read(on_b(regs::PREC_PAL_DATA)), Some(22));
        assert_eq!(palette.read(on_b(regs::PREC_PAL_DATA)), Some(22));
        assert_eq!(palette.read(regs::PREC_PAL_DATA), None);
    }
}
