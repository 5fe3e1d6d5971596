//! The fence registers. They act on CPU accesses through the aperture and on nothing else: engines
//! are told about tiles by their commands.

use core::hash::{Hash, Hasher};

use gen8_spec::fence::{self, Fence};
use gen8_spec::mmio::{FENCE_COUNT, FENCE_LO};

use crate::engine::Tell;
use crate::guest_rule::GuestRule;

/// The registers, and the fences in use.
#[derive(Clone, Debug)]
pub struct Fences {
    values: [u64; FENCE_COUNT as usize],
    /// In the order of the registers: of fences that overlap, the first one counts.
    used: Vec<Fence>,
}

/// By the registers, of which the fences are made.
impl Hash for Fences {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.values.hash(state);
    }
}

impl Fences {
    /// No fence in use.
    pub fn new() -> Fences {
        Fences { values: [0; FENCE_COUNT as usize], used: Vec::new() }
    }

    /// Register read; `None` when `offset` is not one of this block's.
    pub fn read(&self, offset: u32) -> Option<u32> {
        let (index, shift) = place(offset)?;
        Some((self.values.get(index)? >> shift) as u32)
    }

    /// Register write; false when `offset` is not one of this block's. It holds from the next
    /// access on.
    pub fn write(&mut self, offset: u32, value: u32) -> bool {
        let Some((index, shift)) = place(offset) else {
            return false;
        };
        let Some(register) = self.values.get_mut(index) else {
            return false;
        };
        *register = *register & !(u64::from(u32::MAX) << shift) | u64::from(value) << shift;
        self.used = self.values.iter().filter_map(|&value| Fence::decode(value)).collect();
        true
    }

    /// Looks at a register write before it takes effect.
    pub(crate) fn check_write(&self, offset: u32, value: u32, tell: Tell<'_>) {
        let Some((index, shift)) = place(offset) else { return };
        let old = self.values.get(index).copied().unwrap_or_default();
        let new = old & !(u64::from(u32::MAX) << shift) | u64::from(value) << shift;
        let both_valid = old & new & fence::VALID != 0;
        if both_valid && old != new {
            tell(GuestRule::FenceChangedWhileValid, offset.into());
        }
        if Fence::decode(new).is_some_and(|fence| fence.end <= fence.start) {
            tell(GuestRule::FenceEmpty, offset.into());
        }
    }

    /// The GGTT address of what the CPU sees at aperture offset `address`, and for how many bytes
    /// both go on side by side.
    #[inline]
    pub fn detile(&self, address: u64) -> (u64, u64) {
        match self.used.iter().find(|fence| fence.contains(address)) {
            Some(fence) => fence.detile(address),
            // Up to the end of the page at least: fences begin at pages.
            None => (address, u64::MAX),
        }
    }
}

impl Default for Fences {
    fn default() -> Self {
        Fences::new()
    }
}

/// Index and bit position of the register half at `offset`.
fn place(offset: u32) -> Option<(usize, u32)> {
    let at = offset.checked_sub(FENCE_LO)?;
    let half = at.is_multiple_of(4) && at < 8 * FENCE_COUNT;
    half.then_some((at as usize / 8, at % 8 * 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_every_register_are_kept_and_nothing_else_is() {
        let mut fences = Fences::new();
        for offset in (FENCE_LO..FENCE_LO + 8 * FENCE_COUNT).step_by(4) {
            assert!(fences.write(offset, !offset));
        }
        for offset in (FENCE_LO..FENCE_LO + 8 * FENCE_COUNT).step_by(4) {
            assert_eq!(fences.read(offset), Some(!offset));
        }
        for offset in [FENCE_LO - 4, FENCE_LO + 8 * FENCE_COUNT, FENCE_LO + 1] {
            assert_eq!(fences.read(offset), None);
            assert!(!fences.write(offset, 1));
        }
    }
}
