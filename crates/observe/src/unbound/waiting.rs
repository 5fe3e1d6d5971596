//! Uses of memory that wait for the kernel's account of that moment.

use std::collections::{HashMap, VecDeque};

use gen8_spec::PAGE_SIZE;
use gpu_model::{Site, Space};

/// Uses that wait at most: beyond, the oldest are given up.
const MOST: usize = 1 << 16;
/// A page that is used again and again is judged so often. Nanoseconds.
const AGAIN_NS: u64 = 50_000_000;

/// What an engine did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deed {
    Read,
    Wrote,
    Fetched,
    LoadedContext,
    SavedContext,
}

/// An engine used a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub(super) at_ns: u64,
    pub(super) site: Site,
    pub(super) deed: Deed,
    /// First address of the batch that the engine ran from the ring.
    pub(super) batch: Option<u64>,
    pub(super) space: Space,
    /// First table of the address space; 0 for the GGTT.
    pub(super) root: u64,
    /// Virtual or GGTT address.
    pub(super) address: u64,
    /// Where that led to: first address of the page.
    pub(super) page: u64,
    /// Whether that is what an address space gives where nothing is mapped.
    pub(super) is_scratch: bool,
}

impl Use {
    /// The address space, by its first table, and the page of it.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.root, self.address & !(PAGE_SIZE - 1))
    }
}

/// A page of an address space, where it leads to, and what is done there.
type Key = ((u64, u64), u64, Deed);

/// The uses, oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    uses: VecDeque<Use>,
    /// When each was taken in last.
    known: HashMap<Key, u64>,
    /// Those that were too many.
    pub(super) given_up: u64,
}

impl Waiting {
    pub(super) fn push(&mut self, access: Use) {
        let key = (access.place(), access.page, access.deed);
        let last = self.known.entry(key).or_default();
        // Time 0 is before any use.
        if *last != 0 && access.at_ns.saturating_sub(*last) < AGAIN_NS {
            return;
        }
        *last = access.at_ns;
        if self.known.len() > MOST {
            self.known.clear();
        }
        if self.uses.len() >= MOST {
            self.uses.pop_front();
            self.given_up += 1;
        }
        self.uses.push_back(access);
    }

    pub(super) fn len(&self) -> usize {
        self.uses.len()
    }

    /// Takes those out that come before the first that is not due.
    pub(super) fn take_due(&mut self, is_due: impl Fn(u64) -> bool) -> Vec<Use> {
        // Device time never goes back, so those that are due come first.
        let due = self.uses.partition_point(|access| is_due(access.at_ns));
        self.uses.drain(..due).collect()
    }

    pub(super) fn clear(&mut self) {
        self.uses.clear();
        self.known.clear();
    }
}
