//! Translation lookaside buffer of one engine: PPGTT translations that stay until something
//! invalidates them.
//!
//! Direct mapped and untagged by address space, as on the hardware: what a driver forgets to
//! invalidate is used. Invalidation is a step of the generation number, so it costs nothing.

use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};

/// Number of entries; a power of two.
pub const ENTRIES: usize = 256;
/// Bits of a virtual page number: 48 address bits less the page offset.
const PAGE_BITS: u32 = 48 - PAGE_SHIFT;
/// Generations that fit above the page number in a tag.
const GENERATIONS: u64 = 1 << (64 - PAGE_BITS);
/// Address bits that take part in translation: 63:48 are ignored (PRM Vol 5).
const ADDRESS_MASK: u64 = (1 << 48) - 1;

/// A cached translation of one 4 KiB page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TlbEntry {
    /// Physical address of the page.
    pub page: u64,
    /// Whether writes go through; if not, they are dropped.
    pub writable: bool,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Slot {
    /// Generation above the virtual page number.
    tag: u64,
    /// Physical page; bit 0: writable.
    frame: u64,
}

/// No generation reaches this tag's generation 0.
const EMPTY: Slot = Slot { tag: 0, frame: 0 };

/// The TLB of one engine.
#[derive(Clone, Debug, Hash)]
pub struct Tlb {
    slots: Box<[Slot; ENTRIES]>,
    /// `1..GENERATIONS`, shifted into place; 0 marks an empty slot.
    generation: u64,
    /// Mutation switch: invalidations do nothing.
    never_invalidates: bool,
}

impl Tlb {
    /// An empty TLB. With `never_invalidates` it keeps its entries for ever: a broken device, by
    /// which the test suite proves that it would notice.
    pub fn new(never_invalidates: bool) -> Tlb {
        Tlb { slots: Box::new([EMPTY; ENTRIES]), generation: 1, never_invalidates }
    }

    /// The cached translation of the page that holds `address`.
    #[inline]
    pub fn lookup(&self, address: u64) -> Option<TlbEntry> {
        let slot = &self.slots[Self::slot(address)];
        if slot.tag == self.tag(address) {
            Some(TlbEntry { page: slot.frame & !(PAGE_SIZE - 1), writable: slot.frame & 1 != 0 })
        } else {
            None
        }
    }

    /// Caches a translation; what was in its place is forgotten.
    pub fn insert(&mut self, address: u64, entry: TlbEntry) {
        let tag = self.tag(address);
        self.slots[Self::slot(address)] =
            Slot { tag, frame: (entry.page & !(PAGE_SIZE - 1)) | u64::from(entry.writable) };
    }

    /// Forgets every translation.
    pub fn invalidate(&mut self) {
        if self.never_invalidates {
            return;
        }
        self.generation += 1;
        if self.generation == GENERATIONS {
            self.slots.fill(EMPTY);
            self.generation = 1;
        }
    }

    /// The cached translations with the page address of each, in no order of addresses.
    pub fn entries(&self) -> impl Iterator<Item = (u64, TlbEntry)> {
        self.slots.iter().filter_map(|slot| {
            let address = (slot.tag << PAGE_SHIFT) & ADDRESS_MASK;
            Some((address, self.lookup(address)?))
        })
    }

    /// The place of an address in the TLB: filling it forgets whatever page was there before.
    #[inline]
    pub const fn slot(address: u64) -> usize {
        (address >> PAGE_SHIFT) as usize % ENTRIES
    }

    #[inline]
    fn tag(&self, address: u64) -> u64 {
        (self.generation << PAGE_BITS) | ((address & ADDRESS_MASK) >> PAGE_SHIFT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: TlbEntry = TlbEntry { page: 0x1234_5000, writable: true };

    #[test]
    fn keeps_an_entry_until_invalidated() {
        let mut tlb = Tlb::new(false);
        assert_eq!(tlb.lookup(0x8000), None);
        tlb.insert(0x8abc, ENTRY);
        assert_eq!(tlb.lookup(0x8000), Some(ENTRY));
        tlb.invalidate();
        assert_eq!(tlb.lookup(0x8000), None);
    }

    #[test]
    fn lists_what_it_would_answer_and_nothing_of_before_an_invalidation() {
        let mut tlb = Tlb::new(false);
        tlb.insert(0x8000, ENTRY);
        tlb.invalidate();
        assert_eq!(tlb.entries().count(), 0);
        tlb.insert(0xffff_8000_0000_0fff, ENTRY);
        assert!(tlb.entries().eq([(0x8000_0000_0000, ENTRY)]));
    }

    #[test]
    fn page_zero_is_not_there_by_accident() {
        assert_eq!(Tlb::new(false).lookup(0), None);
    }

    #[test]
    fn ignores_address_bits_above_47() {
        let mut tlb = Tlb::new(false);
        tlb.insert(0xffff_8000_0000_0000, ENTRY);
        assert_eq!(tlb.lookup(0x0000_8000_0000_0000), Some(ENTRY));
    }

    #[test]
    fn pages_that_share_a_slot_do_not_answer_for_each_other() {
        let mut tlb = Tlb::new(false);
        let other = 0x8000 + ENTRIES as u64 * PAGE_SIZE;
        tlb.insert(0x8000, ENTRY);
        assert_eq!(tlb.lookup(other), None);
        tlb.insert(other, TlbEntry { page: 0x9000, writable: false });
        assert_eq!(tlb.lookup(0x8000), None);
    }

    #[test]
    fn generation_wrap_revives_nothing() {
        let mut tlb = Tlb::new(false);
        tlb.insert(0x8000, ENTRY);
        tlb.generation = GENERATIONS - 1;
        tlb.invalidate();
        assert_eq!(tlb.generation, 1);
        assert_eq!(tlb.lookup(0x8000), None);
    }

    #[test]
    fn mutation_switch_keeps_entries_for_ever() {
        let mut tlb = Tlb::new(true);
        tlb.insert(0x8000, ENTRY);
        tlb.invalidate();
        assert_eq!(tlb.lookup(0x8000), Some(ENTRY));
    }
}
