//! What was where, and when it went.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gen8_spec::PAGE_SIZE;
use gen8_spec::debug_page::{Hint, PageKind};

use crate::pages::PageUse;

/// Freed pages, sizes of objects and bindings that are kept; a guest can invent any number. What is
/// beyond is not known, and then not reported.
const KEPT: usize = 1 << 20;
/// Bindings that are gone and are kept, of all address spaces.
const GONE_KEPT: usize = 1 << 12;

/// A page that was freed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freed {
    pub(super) at_ns: u64,
    pub(super) kind: PageKind,
    pub(super) owner: u32,
}

/// An object in an address space, at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) vm: u32,
    pub(super) object: u32,
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) bound_ns: u64,
    /// `None` while it lasts.
    pub(super) unbound_ns: Option<u64>,
}

impl Binding {
    /// Whether the address lies in it.
    pub(super) fn holds(&self, address: u64) -> bool {
        address.checked_sub(self.start).is_some_and(|offset| offset < self.len)
    }

    /// Bytes from the end of the object to an address behind it, or from an address before it to its
    /// begin.
    pub(super) fn distance(&self, address: u64) -> u64 {
        let behind = address.saturating_sub(self.start + self.len);
        self.start.saturating_sub(address).max(behind)
    }
}

/// All of it, from hints.
#[derive(Debug, Default)]
pub(super) struct History {
    freed: BTreeMap<u64, Freed>,
    sizes: BTreeMap<u32, u64>,
    /// What is bound, by address space and object.
    bound: BTreeMap<(u32, u32), Binding>,
    /// Address spaces in which an object is bound.
    spaces_of: BTreeMap<u32, BTreeSet<u32>>,
    /// A page of each context image that was loaded, by the image's GGTT address.
    images: BTreeMap<u64, u64>,
    /// What was bound, the newest last.
    gone: VecDeque<Binding>,
}

impl History {
    pub(super) fn freed(&mut self, at_ns: u64, page: u64, use_: PageUse) {
        if self.freed.len() < KEPT {
            self.freed.insert(page, Freed { at_ns, kind: use_.kind, owner: use_.owner });
        }
    }

    pub(super) fn hint(&mut self, now_ns: u64, hint: Hint) {
        match hint {
            Hint::DriverStart => *self = History::default(),
            Hint::PageOwned { page, .. } => {
                self.freed.remove(&page);
            }
            Hint::ObjectCreated { size, object } if self.sizes.len() < KEPT => {
                self.sizes.insert(object, size);
            }
            Hint::ObjectDestroyed { object } => {
                self.sizes.remove(&object);
            }
            Hint::VmaBound { address, vm, object } => self.bind(now_ns, vm, object, address),
            Hint::VmaUnbound { vm, object } => self.unbind(now_ns, vm, object),
            Hint::VmReleased { vm } => {
                let range = (vm, 0)..=(vm, u32::MAX);
                let left: Vec<u32> =
                    self.bound.range(range).map(|(&(_, object), _)| object).collect();
                left.into_iter().for_each(|object| self.unbind(now_ns, vm, object));
            }
            _ => {}
        }
    }

    /// Bytes of an object.
    pub(super) fn size(&self, object: u32) -> u64 {
        self.sizes.get(&object).copied().unwrap_or(PAGE_SIZE)
    }

    /// Where an object is bound in an address space.
    pub(super) fn binding(&self, vm: u32, object: u32) -> Option<&Binding> {
        self.bound.get(&(vm, object))
    }

    fn bind(&mut self, now_ns: u64, vm: u32, object: u32, start: u64) {
        let len = self.size(object);
        if self.bound.len() < KEPT && start.checked_add(len).is_some() {
            let binding = Binding { vm, object, start, len, bound_ns: now_ns, unbound_ns: None };
            self.bound.insert((vm, object), binding);
            self.spaces_of.entry(object).or_default().insert(vm);
        }
    }

    fn unbind(&mut self, now_ns: u64, vm: u32, object: u32) {
        let Some(binding) = self.bound.remove(&(vm, object)) else { return };
        if let Some(spaces) = self.spaces_of.get_mut(&object) {
            spaces.remove(&vm);
            if spaces.is_empty() {
                self.spaces_of.remove(&object);
            }
        }
        if self.gone.len() == GONE_KEPT {
            self.gone.pop_front();
        }
        self.gone.push_back(Binding { unbound_ns: Some(now_ns), ..binding });
    }

    /// A context was loaded from its image, of which this is a page.
    pub(super) fn image(&mut self, image: u64, page: u64) {
        if self.images.len() < KEPT {
            self.images.insert(image, page);
        }
    }

    /// When the image that an engine loaded from this GGTT address was freed, and whose it was.
    pub(super) fn image_freed(&self, image: u64) -> Option<(u64, u32)> {
        let freed = self.freed.get(self.images.get(&image)?)?;
        (freed.kind == PageKind::ContextImage).then_some((freed.at_ns, freed.owner))
    }

    /// The page's end, if it is free.
    pub(super) fn freed_page(&self, page: u64) -> Option<Freed> {
        self.freed.get(&page).copied()
    }

    /// Where an object is bound now.
    pub(super) fn bindings_of(&self, object: u32) -> impl Iterator<Item = Binding> + '_ {
        let spaces = self.spaces_of.get(&object).into_iter().flatten();
        spaces.filter_map(move |&vm| self.bound.get(&(vm, object)).copied())
    }

    /// What an address space has bound now.
    pub(super) fn bound_in(&self, vm: u32) -> impl Iterator<Item = &Binding> {
        self.bound.range((vm, 0)..=(vm, u32::MAX)).map(|(_, binding)| binding)
    }

    /// What was bound last at an address.
    pub(super) fn gone_at(&self, vm: u32, address: u64) -> Option<&Binding> {
        self.gone.iter().rev().find(|binding| binding.vm == vm && binding.holds(address))
    }
}
