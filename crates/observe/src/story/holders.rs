//! Who holds what: objects, the handles that keep them alive, and the VMAs that pin address spaces.

use std::collections::{BTreeMap, BTreeSet};

/// Entries of each kind that are kept; a guest can invent any number.
const KEPT: usize = 1 << 16;
/// Handles of one object that are told by name.
const TOLD: usize = 4;

/// What owners said and did not take back.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// Bytes of each living object.
    objects: BTreeMap<u64, u64>,
    /// Object of each (client, handle).
    handles: BTreeMap<(u64, u64), u64>,
    /// (Address space, object) of each living VMA.
    vmas: BTreeSet<(u64, u64)>,
}

impl Holders {
    pub(super) fn object_begins(&mut self, object: u64, size: u64) {
        if self.objects.len() < KEPT {
            self.objects.insert(object, size);
        }
    }

    pub(super) fn object_ends(&mut self, object: u64) {
        self.objects.remove(&object);
    }

    /// Bytes of an object, if they were told.
    pub(super) fn size(&self, object: u64) -> Option<u64> {
        self.objects.get(&object).copied()
    }

    pub(super) fn handle_begins(&mut self, client: u64, handle: u64, object: u64) {
        if self.handles.len() < KEPT {
            self.handles.insert((client, handle), object);
        }
    }

    pub(super) fn handle_ends(&mut self, client: u64, handle: u64) {
        self.handles.remove(&(client, handle));
    }

    pub(super) fn client_ends(&mut self, client: u64) {
        self.handles.retain(|&(owner, _), _| owner != client);
    }

    pub(super) fn vma_begins(&mut self, space: u64, object: u64) {
        if self.vmas.len() < KEPT {
            self.vmas.insert((space, object));
        }
    }

    pub(super) fn vma_ends(&mut self, space: u64, object: u64) {
        self.vmas.remove(&(space, object));
    }

    /// Objects with a VMA in an address space.
    pub(super) fn pins(&self, space: u64) -> impl Iterator<Item = u64> + '_ {
        self.vmas.range((space, 0)..=(space, u64::MAX)).map(|&(_, object)| object)
    }

    /// Why an object lives, in words.
    pub(super) fn why_alive(&self, object: u64) -> String {
        let mut handles = self.handles.iter().filter(|&(_, &of)| of == object);
        let told: Vec<String> = handles
            .by_ref()
            .take(TOLD)
            .map(|((client, handle), _)| format!("client {client} holds handle {handle} of it"))
            .collect();
        match (told.is_empty(), handles.count()) {
            (true, _) => {
                "nobody has a handle of it: a dma-buf, a frame buffer or the GPU holds it \
                          (or the driver lost count)"
                    .to_owned()
            }
            (false, 0) => told.join(", "),
            (false, more) => format!("{}, and {more} more handles of it exist", told.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_lives_by_the_handles_that_were_not_closed() {
        let mut holders = Holders::default();
        holders.handle_begins(1, 7, 40);
        holders.handle_begins(2, 8, 40);
        holders.handle_begins(2, 9, 41);
        assert_eq!(
            holders.why_alive(40),
            "client 1 holds handle 7 of it, client 2 holds handle 8 of it"
        );
        holders.handle_ends(1, 7);
        assert_eq!(holders.why_alive(40), "client 2 holds handle 8 of it");
        holders.client_ends(2);
        assert!(holders.why_alive(40).starts_with("nobody has a handle of it"));
    }

    #[test]
    fn many_handles_are_counted_and_not_listed() {
        let mut holders = Holders::default();
        (0..10).for_each(|client| holders.handle_begins(client, 1, 3));
        assert!(holders.why_alive(3).ends_with("and 6 more handles of it exist"));
    }

    #[test]
    fn a_guest_that_invents_handles_costs_bounded_memory() {
        let mut holders = Holders::default();
        (0..2 * KEPT as u64).for_each(|n| {
            holders.handle_begins(n, n, n);
            holders.object_begins(n, n);
            holders.vma_begins(n, n);
        });
        assert_eq!(holders.handles.len().max(holders.objects.len()), KEPT);
        assert_eq!(holders.vmas.len(), KEPT);
    }
}
