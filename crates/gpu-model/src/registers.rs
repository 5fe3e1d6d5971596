//! Storage that obeys register rules.
//!
//! A block takes its registers' [`Rule`]s from a table and keeps their values in a [`RegisterFile`]. What is
//! more than storage (a forcewake acknowledge, a submit port) is code in the block that owns it.

use core::hash::{Hash, Hasher};

pub use gen8_spec::registers::Rule;

/// Values of the registers that a list of rules describes.
///
/// Registers are found by binary search: tables have some hundred entries, and the hot path of the
/// device (the command streamer) does not come here.
#[derive(Clone)]
pub struct RegisterFile {
    rules: Vec<&'static Rule>,
    /// Sorted offsets; the same index in `owner` and `values`.
    offsets: Vec<u32>,
    /// Index into `rules`.
    owner: Vec<u16>,
    values: Vec<u32>,
}

/// By the values: the rest never changes.
impl Hash for RegisterFile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.values.hash(state);
    }
}

impl RegisterFile {
    /// A file with every register at its reset value.
    pub fn new(rules: &'static [Rule]) -> Self {
        Self::of(&[rules])
    }

    /// A file of the registers of all these tables, each at its reset value.
    pub fn of(tables: &[&'static [Rule]]) -> Self {
        let rules: Vec<&Rule> = tables.iter().copied().flatten().collect();
        let mut all: Vec<(u32, u16)> = rules
            .iter()
            .enumerate()
            .flat_map(|(i, rule)| {
                (0..rule.count).map(move |n| (rule.offset + n * rule.stride, i as u16))
            })
            .collect();
        all.sort_unstable();
        let offsets = all.iter().map(|&(offset, _)| offset).collect();
        let owner: Vec<u16> = all.iter().map(|&(_, rule)| rule).collect();
        let values = vec![0; owner.len()];
        let mut file = Self { rules, offsets, owner, values };
        file.reset();
        file
    }

    /// Sets every register to its reset value.
    pub fn reset(&mut self) {
        for (value, &owner) in self.values.iter_mut().zip(&self.owner) {
            *value = self.rules.get(usize::from(owner)).map_or(0, |rule| rule.reset);
        }
    }

    fn index(&self, offset: u32) -> Option<usize> {
        self.offsets.binary_search(&offset).ok()
    }

    /// Place of a register in every file of the same rules, for who comes often.
    pub(crate) fn slot(&self, offset: u32) -> Option<usize> {
        self.index(offset)
    }

    /// The value at `slot`.
    pub(crate) fn value_at(&self, slot: usize) -> u32 {
        self.values.get(slot).copied().unwrap_or(0)
    }

    /// Hardware sets the register at `slot`, past its rule.
    pub(crate) fn set_at(&mut self, slot: usize, value: u32) {
        if let Some(register) = self.values.get_mut(slot) {
            *register = value;
        }
    }

    /// The rule of the register at `offset`.
    pub fn rule(&self, offset: u32) -> Option<&'static Rule> {
        self.rules.get(usize::from(*self.owner.get(self.index(offset)?)?)).copied()
    }

    /// Reads a register; `None` when no rule names it.
    pub fn read(&self, offset: u32) -> Option<u32> {
        self.values.get(self.index(offset)?).copied()
    }

    /// Software writes a register by its rule; returns the value that it holds afterwards, `None`
    /// when no rule names it.
    pub fn write(&mut self, offset: u32, written: u32) -> Option<u32> {
        let rule = self.rule(offset)?;
        let index = self.index(offset)?;
        let value = self.values.get_mut(index)?;
        *value = rule.apply(*value, written);
        Some(*value)
    }

    /// The value for the device's own use: 0 when no rule names the register.
    pub fn get(&self, offset: u32) -> u32 {
        self.read(offset).unwrap_or(0)
    }

    /// Hardware sets a register, past its rule. Nothing happens when no rule names it.
    pub fn set(&mut self, offset: u32, value: u32) {
        if let Some(slot) = self.index(offset).and_then(|index| self.values.get_mut(index)) {
            *slot = value;
        }
    }
}

/// Shows the registers that do not hold their reset value.
impl core::fmt::Debug for RegisterFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut map = f.debug_map();
        for (&offset, &value) in self.offsets.iter().zip(&self.values) {
            if let Some(rule) = self.rule(offset).filter(|rule| rule.reset != value) {
                map.entry(&format_args!("{} {offset:#x}", rule.name), &format_args!("{value:#x}"));
            }
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen8_spec::{masked_disable, masked_enable};

    static RULES: [Rule; 5] = [
        Rule::storage("ARRAY", 0x40).array(3, 8),
        Rule::masked("MODE", 0x9c).with_writable(0xfdff).with_reset(0x200),
        Rule::event_bits("EIR", 0xb0),
        Rule::read_only("FUSE", 0x10, 0x1234),
        Rule::storage("FIELD", 0x20).with_writable(0xff00).with_reset(0xab),
    ];

    #[test]
    fn reset_values_and_arrays_come_from_the_rules() {
        let file = RegisterFile::new(&RULES);
        assert_eq!(file.read(0x9c), Some(0x200));
        assert_eq!(file.read(0x50), Some(0));
        assert_eq!(file.read(0x44), None);
        assert_eq!(file.rule(0x48).map(|rule| rule.name), Some("ARRAY"));
    }

    #[test]
    fn debug_shows_what_software_changed() {
        let mut file = RegisterFile::new(&RULES);
        file.write(0x48, 0x17);
        assert_eq!(format!("{file:?}"), "{ARRAY 0x48: 0x17}");
    }

    #[test]
    fn masked_write_respects_mask_and_read_only_bits() {
        let mut file = RegisterFile::new(&RULES);
        file.write(0x9c, masked_enable(0x100));
        assert_eq!(file.get(0x9c), 0x300);
        file.write(0x9c, masked_disable(0x300));
        assert_eq!(file.get(0x9c), 0x200);
    }

    #[test]
    fn event_bits_clear_by_one_and_ignore_zero() {
        let mut file = RegisterFile::new(&RULES);
        file.set(0xb0, 0b111);
        assert_eq!(file.write(0xb0, 0b010), Some(0b101));
        assert_eq!(file.write(0xb0, 0), Some(0b101));
    }

    #[test]
    fn bits_outside_writable_keep_their_value() {
        let mut file = RegisterFile::new(&RULES);
        assert_eq!(file.write(0x10, 0), Some(0x1234));
        assert_eq!(file.write(0x20, 0xffff_ffff), Some(0xffab));
        assert_eq!(file.write(0x24, 1), None);
    }
}
