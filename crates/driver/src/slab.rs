//! Generational arenas: a key of a freed record never finds its successor.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::marker::PhantomData;

use crate::error::Error;

/// Key of a `T` in its [`Slab`].
pub(crate) struct Id<T> {
    index: u32,
    generation: u32,
    marker: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The key as one number, for the hardware half, which passes it back.
    pub(crate) fn token(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The key of a token; it finds nothing if the token was not one.
    pub(crate) fn from_token(token: u64) -> Self {
        Id { index: token as u32, generation: (token >> 32) as u32, marker: PhantomData }
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.token() == other.token()
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.token().cmp(&other.token())
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Owns records of one kind.
pub(crate) struct Slab<T> {
    kind: &'static str,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// An empty arena; `kind` names its records in [`Error::Stale`].
    pub(crate) const fn new(kind: &'static str) -> Self {
        Slab { kind, slots: Vec::new(), free: Vec::new() }
    }

    /// Adds a record.
    pub(crate) fn insert(&mut self, value: T) -> Id<T> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot { generation: 0, value: None });
                self.slots.len() as u32 - 1
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.value = Some(value);
        Id { index, generation: slot.generation, marker: PhantomData }
    }

    /// The record, unless it is gone.
    pub(crate) fn get(&self, id: Id<T>) -> Result<&T, Error> {
        self.slots
            .get(id.index as usize)
            .filter(|slot| slot.generation == id.generation)
            .and_then(|slot| slot.value.as_ref())
            .ok_or(Error::Stale(self.kind))
    }

    /// The record, unless it is gone.
    pub(crate) fn get_mut(&mut self, id: Id<T>) -> Result<&mut T, Error> {
        self.slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation)
            .and_then(|slot| slot.value.as_mut())
            .ok_or(Error::Stale(self.kind))
    }

    /// Whether the record lives.
    pub(crate) fn contains(&self, id: Id<T>) -> bool {
        self.get(id).is_ok()
    }

    /// Frees the record.
    pub(crate) fn remove(&mut self, id: Id<T>) -> Result<T, Error> {
        let kind = self.kind;
        let slot = self
            .slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation)
            .ok_or(Error::Stale(kind))?;
        let value = slot.value.take().ok_or(Error::Stale(kind))?;
        self.free.push(id.index);
        Ok(value)
    }

    /// All living records.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let id = Id { index: index as u32, generation: slot.generation, marker: PhantomData };
            slot.value.as_ref().map(|value| (id, value))
        })
    }

    /// Number of living records.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_key_never_finds_its_successor() {
        let mut slab = Slab::new("number");
        let first = slab.insert(1);
        assert_eq!(slab.remove(first), Ok(1));
        let second = slab.insert(2);
        assert_eq!(slab.get(first), Err(Error::Stale("number")));
        assert_eq!(slab.remove(first), Err(Error::Stale("number")));
        assert_eq!(slab.get(second), Ok(&2));
        assert_eq!(slab.len(), 1);
        assert_eq!(Id::from_token(second.token()), second);
    }
}
