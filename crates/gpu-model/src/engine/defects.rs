//! Defects of an engine that can be switched on ([`crate::Mutations`]), so that those who look for
//! mistakes of a driver can prove that they would see them.

use std::collections::BTreeMap;

use gen8_spec::PAGE_SIZE;
use gen8_spec::pte::PRESENT;
use ppgtt::{PhysicalMemory, Translation};

use super::Engine;
use super::translate::AddressSpace;
use crate::bus::Bus;

/// What the defects remember.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Defects {
    /// The address space that was loaded first.
    first: Option<AddressSpace>,
    /// A PTE that is going to be restored: where it lies, and what it was when it was used.
    used: Option<(u64, u64)>,
    /// The state page of the context that was saved last, by the image's place in the GGTT.
    images: BTreeMap<u32, u64>,
}

/// Images whose pages are remembered.
const MOST_IMAGES: usize = 256;

impl Engine {
    /// `address` was translated by a walk: the PTE may get lost, or be remembered.
    #[cold]
    pub(super) fn spoil_pte(&mut self, address: u64, found: &Translation, bus: &mut Bus<'_>) {
        let mutations = &bus.config.mutations;
        let is_it = |wanted: Option<u64>| wanted == Some(address & !(PAGE_SIZE - 1));
        if is_it(mutations.pte_lost) {
            bus.memory.write_u64(found.pte_address, 0);
        }
        if is_it(mutations.pte_restored) {
            self.defects.used = Some((found.pte_address, found.pte));
        }
    }

    /// Whether `space` is loaded at all. Before it is, a PTE that was changed since it was used may come
    /// back; not one that is cleared, as its table may be freed.
    pub(super) fn spoil_load(&mut self, space: &AddressSpace, bus: &mut Bus<'_>) -> bool {
        if let Some((address, used)) = self.defects.used
            && let Some(now) = bus.memory.read_u64(address)
            && now != used
        {
            self.defects.used = None;
            if now & PRESENT != 0 {
                bus.memory.write_u64(address, used);
            }
        }
        if !bus.config.mutations.first_root_not_loaded_again {
            return true;
        }
        match &self.defects.first {
            None => {
                self.defects.first = Some(space.clone());
                true
            }
            Some(first) => first != space,
        }
    }

    /// The context with its image at `lrca` is saved to `page`: another page to which it goes as well. That is one
    /// whose contents are all the same, as a page that is free: so the guest lives on.
    pub(super) fn spoil_save(&mut self, lrca: u32, page: u64, bus: &Bus<'_>) -> Option<u64> {
        if !bus.config.mutations.context_saved_to_old_page {
            return None;
        }
        let images = &mut self.defects.images;
        let is_known = images.len() < MOST_IMAGES || images.contains_key(&lrca);
        let old = is_known.then(|| images.insert(lrca, page)).flatten()?;
        let mut qwords = (0..PAGE_SIZE / 8).map(|index| bus.memory.read_u64(old + 8 * index));
        let first = qwords.next().flatten();
        let is_free = first.is_some() && qwords.all(|qword| qword == first);
        (old != page && is_free).then_some(old)
    }
}
