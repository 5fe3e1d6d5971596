//! The global GTT: an array of PTEs in the device, one GGTT page each.
//!
//! On hardware the array lies in stolen memory and is reached through the upper half of BAR0. The
//! model keeps it in the device and translates on every use, so the flush register (0x101008) has
//! nothing to flush.

use core::hash::{Hash, Hasher};

use gen8_spec::{PAGE_SHIFT, PAGE_SIZE, pci, pte};
use thiserror::Error;

use crate::digest::mix;

/// A GGTT translation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GgttFault {
    /// The PTE's present bit is clear.
    #[error("GGTT address {address:#x}: PTE {entry:#x} is not present")]
    NotPresent {
        /// GGTT address.
        address: u64,
        /// The PTE.
        entry: u64,
    },
    /// The address lies beyond the GGTT that GMCH_CTRL provides.
    #[error("GGTT address {address:#x} is beyond the GGTT")]
    OutOfRange {
        /// GGTT address.
        address: u64,
    },
}

impl GgttFault {
    /// The address that failed.
    pub const fn address(self) -> u64 {
        match self {
            GgttFault::NotPresent { address, .. } | GgttFault::OutOfRange { address } => address,
        }
    }

    /// The entry as read, 0 if there is none.
    pub const fn entry(self) -> u64 {
        match self {
            GgttFault::NotPresent { entry, .. } => entry,
            GgttFault::OutOfRange { .. } => 0,
        }
    }
}

/// The GGTT. PTE index `n` maps GGTT page `n`.
#[derive(Clone, Default)]
pub struct Ggtt {
    entries: Vec<u64>,
    /// All entries as one number, 0 for none: kept, for to make it takes as long as to read 8 MiB.
    digest: u64,
}

/// By what is kept of the entries.
impl Hash for Ggtt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.entries.len(), self.digest).hash(state);
    }
}

/// What an entry adds to the number of all.
fn part(index: u64, value: u64) -> u64 {
    if value == 0 { 0 } else { mix(mix(index + 1) ^ value) }
}

impl Ggtt {
    /// A GGTT of the size that `gmch_ctrl` provides, with no PTE present.
    pub fn new(gmch_ctrl: u16) -> Self {
        let count = pci::ggtt_pte_bytes(gmch_ctrl) / size_of::<u64>() as u64;
        Self { entries: vec![0; count as usize], digest: 0 }
    }

    /// Bytes of address space.
    pub fn size(&self) -> u64 {
        self.entries.len() as u64 * PAGE_SIZE
    }

    /// All PTEs, that of page 0 first.
    pub fn entries(&self) -> &[u64] {
        &self.entries
    }

    /// Physical address behind the GGTT address `address`.
    #[inline]
    pub fn translate(&self, address: u64) -> Result<u64, GgttFault> {
        let index = usize::try_from(address >> PAGE_SHIFT).unwrap_or(usize::MAX);
        let entry = *self.entries.get(index).ok_or(GgttFault::OutOfRange { address })?;
        if entry & pte::PRESENT == 0 {
            return Err(GgttFault::NotPresent { address, entry });
        }
        Ok(entry & pte::ADDRESS_MASK | address & (PAGE_SIZE - 1))
    }

    /// PTE `index`; 0 beyond the end, as the unused part of the window reads.
    pub fn read_pte(&self, index: u64) -> u64 {
        usize::try_from(index).ok().and_then(|i| self.entries.get(i)).copied().unwrap_or(0)
    }

    /// Stores PTE `index`; dropped beyond the end.
    pub fn write_pte(&mut self, index: u64, value: u64) {
        if let Some(entry) = usize::try_from(index).ok().and_then(|i| self.entries.get_mut(i)) {
            self.digest ^= part(index, *entry) ^ part(index, value);
            *entry = value;
        }
    }
}

impl core::fmt::Debug for Ggtt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let present = self.entries.iter().filter(|&&e| e & pte::PRESENT != 0).count();
        f.debug_struct("Ggtt")
            .field("entries", &self.entries.len())
            .field("present", &present)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translate_takes_page_from_pte_and_offset_from_address() {
        let mut ggtt = Ggtt::new(1 << 6);
        ggtt.write_pte(3, pte::encode_ggtt_pte(0x12_3456_7000));
        assert_eq!(ggtt.translate(0x3abc), Ok(0x12_3456_7abc));
    }

    #[test]
    fn absent_pte_and_address_beyond_ggms_are_different_faults() {
        let mut ggtt = Ggtt::new(1 << 6);
        assert_eq!(ggtt.size(), 1 << 30);
        ggtt.write_pte(2, 0x5000);
        assert_eq!(
            ggtt.translate(0x2008),
            Err(GgttFault::NotPresent { address: 0x2008, entry: 0x5000 })
        );
        assert_eq!(ggtt.translate(1 << 30), Err(GgttFault::OutOfRange { address: 1 << 30 }));
        assert!(ggtt.translate(u64::MAX).is_err());
    }

    #[test]
    fn ptes_beyond_ggms_read_zero_and_ignore_writes() {
        let mut ggtt = Ggtt::new(1 << 6);
        let beyond = (1 << 30) / PAGE_SIZE;
        ggtt.write_pte(beyond, 1);
        assert_eq!(ggtt.read_pte(beyond), 0);
        assert_eq!(Ggtt::new(0).read_pte(0), 0);
    }
}
