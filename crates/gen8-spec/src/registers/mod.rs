//! Registers as tables of rules: what each holds after reset and what a write does to it.
//!
//! The tables name every register that drivers of this hardware touch and that is not described
//! elsewhere in this crate ([`crate::mmio`], [`crate::interrupts`]).

pub mod context;
pub mod display;
pub mod gpio;
pub mod gt;
pub mod names;
pub mod outputs;
pub mod planes;
pub mod power;
pub mod ring;

use crate::masked_apply;

/// How one register, or an array of equal ones, behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Hardware name.
    pub name: &'static str,
    /// Offset of the (first) register: in BAR0, or in the block of an engine.
    pub offset: u32,
    /// Value after reset.
    pub reset: u32,
    /// Bits that software can write.
    pub writable: u32,
    /// Bits that software clears by writing one.
    pub w1c: u32,
    /// Masked write: the upper half of the written dword enables the lower half; `writable` then
    /// counts in the lower half.
    pub masked: bool,
    /// Number of equal registers.
    pub count: u32,
    /// Bytes from one to the next.
    pub stride: u32,
}

impl Rule {
    /// Plain storage: reads what was written last, 0 after reset.
    pub const fn storage(name: &'static str, offset: u32) -> Self {
        Self {
            name,
            offset,
            reset: 0,
            writable: u32::MAX,
            w1c: 0,
            masked: false,
            count: 1,
            stride: 4,
        }
    }

    /// Reads `value`, ignores writes.
    pub const fn read_only(name: &'static str, offset: u32, value: u32) -> Self {
        Self { reset: value, writable: 0, ..Self::storage(name, offset) }
    }

    /// A masked register: 16 bits of state, changed through the mask in the upper half.
    pub const fn masked(name: &'static str, offset: u32) -> Self {
        Self { writable: 0xffff, masked: true, ..Self::storage(name, offset) }
    }

    /// Event bits, cleared by writing one; hardware sets them.
    pub const fn event_bits(name: &'static str, offset: u32) -> Self {
        Self { writable: 0, w1c: u32::MAX, ..Self::storage(name, offset) }
    }

    /// The same rule with another reset value.
    pub const fn with_reset(self, reset: u32) -> Self {
        Self { reset, ..self }
    }

    /// The same rule with other writable bits.
    pub const fn with_writable(self, writable: u32) -> Self {
        Self { writable, ..self }
    }

    /// The same rule with event bits among the others: hardware sets them, software clears them by
    /// writing one.
    pub const fn clearing(self, w1c: u32) -> Self {
        Self { w1c, writable: self.writable & !w1c, ..self }
    }

    /// `count` registers under this rule, `stride` bytes apart.
    pub const fn array(self, count: u32, stride: u32) -> Self {
        Self { count, stride, ..self }
    }

    /// The value after software wrote `written` to a register that holds `old`.
    pub const fn apply(&self, old: u32, written: u32) -> u32 {
        let new = if self.masked { masked_apply(old, written) } else { written };
        let stored = (old & !self.writable) | (new & self.writable);
        stored & !(written & self.w1c)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[test]
    fn no_two_rules_claim_one_register() {
        let mut all: Vec<u32> = [gt::RULES, power::RULES, display::RULES, outputs::RULES]
            .into_iter()
            .flatten()
            .flat_map(|rule| (0..rule.count).map(move |n| rule.offset + n * rule.stride))
            .collect();
        let named = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), named);
        assert!(all.iter().all(|offset| offset % 4 == 0));
    }
}
