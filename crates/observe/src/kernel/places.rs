//! Where objects are and were bound, so that the end of one is noted without a look at every VMA: a guest can have many
//! of both.

use std::collections::BTreeSet;

use super::line::Pointer;
use super::model::KernelSpace;

/// What of an object is to be looked at: address spaces and addresses where it is bound, and address spaces that
/// remember that it was.
pub(super) type Found = (Vec<(u64, u64)>, Vec<u64>);

/// Objects with the numbers of address spaces.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// With the address.
    bound: BTreeSet<(Pointer, u64, u64)>,
    unbound: BTreeSet<(Pointer, u64)>,
}

impl Places {
    pub(super) fn bound(&mut self, object: Pointer, space: u64, offset: u64) {
        self.bound.insert((object, space, offset));
    }

    pub(super) fn not_bound(&mut self, object: Pointer, space: u64, offset: u64) {
        self.bound.remove(&(object, space, offset));
    }

    /// An address space remembers that it was bound there.
    pub(super) fn remembered(&mut self, object: Pointer, space: u64) {
        self.unbound.insert((object, space));
    }

    /// An address space does not any more.
    pub(super) fn not_remembered(&mut self, object: Pointer, space: u64) {
        self.unbound.remove(&(object, space));
    }

    /// The address space is not known any more.
    pub(super) fn forget(&mut self, space: &KernelSpace) {
        for vma in space.vmas.values() {
            self.not_bound(vma.object, space.number, vma.offset);
        }
        for vma in &space.unbound {
            self.not_remembered(vma.object, space.number);
        }
    }

    /// The places of an object that ends: they are not found again.
    pub(super) fn take(&mut self, object: Pointer) -> Found {
        let places = self.bound.range((object, 0, 0)..=(object, u64::MAX, u64::MAX));
        let bound: Vec<_> = places.map(|&(_, space, offset)| (space, offset)).collect();
        let spaces = self.unbound.range((object, 0)..=(object, u64::MAX));
        let unbound: Vec<_> = spaces.map(|&(_, space)| space).collect();
        for &(space, offset) in &bound {
            self.not_bound(object, space, offset);
        }
        for &space in &unbound {
            self.not_remembered(object, space);
        }
        (bound, unbound)
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bound.len() + self.unbound.len()
    }
}
