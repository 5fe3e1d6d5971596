//! A guest of a few pages that builds real page tables and gives hints, or does not.
// Each test file is a program of its own and uses a part of this.
#![allow(dead_code, unreachable_pub)]

pub mod story;

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use gen8_spec::pte::CacheLevel;
use gpu_model::{Event, GuestRam, Observer};
use observe::{Census, CensusLog, CensusSnapshot};
use ppgtt::{AddressSpace, Levels, PageAllocator};

const PAGE: u64 = 0x1000;

/// Gives each page once; collects the hints on its pages.
pub struct Pages {
    next: u64,
    owner: u32,
    hints: Vec<Hint>,
}

impl PageAllocator for Pages {
    fn alloc(&mut self, kind: PageKind) -> Option<u64> {
        self.next += PAGE;
        self.hints.push(Hint::PageOwned { page: self.next, kind, owner: self.owner });
        Some(self.next)
    }
    fn free(&mut self, page: u64, _kind: PageKind) {
        self.hints.push(Hint::PageFreed { page });
    }
}

/// The guest and its observer.
pub struct Guest {
    pub ram: GuestRam,
    pub census: Census<GuestRam>,
    log: CensusLog,
    pages: Pages,
    /// Whether hints reach the observer.
    pub hints: bool,
}

impl Guest {
    pub fn new() -> Self {
        let ram = GuestRam::anonymous(4 << 20).expect("4 MiB of memory");
        let log = CensusLog::new();
        let census = Census::new(ram.clone(), log.clone());
        let pages = Pages { next: 0, owner: 0, hints: Vec::new() };
        let mut guest = Guest { ram, census, log, pages, hints: true };
        guest.hint(Hint::DriverStart);
        guest
    }

    pub fn event(&mut self, event: Event) {
        self.census.event(0, &event);
    }

    pub fn hint(&mut self, hint: Hint) {
        if self.hints {
            self.event(Event::Hint(hint));
        }
    }

    fn flush_hints(&mut self) {
        for hint in std::mem::take(&mut self.pages.hints) {
            self.hint(hint);
        }
    }

    /// A page of its own, owned as told.
    pub fn page(&mut self, kind: PageKind, owner: u32) -> u64 {
        self.pages.owner = owner;
        let page = self.pages.alloc(kind).expect("pages never run out");
        self.flush_hints();
        page
    }

    /// A VM with one context of the same id.
    pub fn vm(&mut self, vm: u32, levels: Levels) -> AddressSpace {
        self.pages.owner = vm;
        let space = AddressSpace::new(&self.ram, &mut self.pages, levels).expect("RAM suffices");
        self.flush_hints();
        let root = match levels {
            Levels::Three => 0,
            Levels::Four => space.root().pdps()[0],
        };
        self.hint(Hint::VmCreated { root, vm, levels: levels.number() });
        self.hint(Hint::ContextCreated { context: vm, vm });
        space
    }

    /// Makes a VMA and binds `page` at `va`.
    pub fn bind(&mut self, vm: u32, space: &mut AddressSpace, object: u32, va: u64, page: u64) {
        self.hint(Hint::VmaCreated { vm, object });
        self.map(vm, space, va, page);
    }

    /// Binds `page` at `va` without a VMA.
    pub fn map(&mut self, vm: u32, space: &mut AddressSpace, va: u64, page: u64) {
        self.pages.owner = vm;
        space.allocate_range(&self.ram, &mut self.pages, va, PAGE).expect("RAM suffices");
        self.flush_hints();
        space.insert(&self.ram, va, [page], CacheLevel::Llc, false).expect("allocated");
    }

    pub fn load(&mut self, engine: EngineId, space: &AddressSpace) {
        let (levels, pdps) = (space.levels().number(), space.root().pdps());
        self.event(Event::PdpLoaded { engine, levels, pdps, context: 1 });
    }

    pub fn release(&mut self, vm: u32, space: AddressSpace) {
        self.hint(Hint::VmReleased { vm });
        space.release(&mut self.pages);
        self.flush_hints();
    }

    pub fn release_except_one(&mut self, vm: u32, space: AddressSpace) -> u64 {
        self.hint(Hint::VmReleased { vm });
        let forgotten = space.release_except_one(&mut self.pages);
        self.flush_hints();
        forgotten
    }

    pub fn reclaim(&mut self, space: &mut AddressSpace) {
        space.reclaim_empty(&self.ram, &mut self.pages).expect("tables in RAM");
        self.flush_hints();
    }

    /// A checkpoint, through the event as the device gives it.
    pub fn checkpoint(&mut self, label: u32) -> CensusSnapshot {
        self.event(Event::Hint(Hint::Checkpoint { label }));
        self.log.snapshots().pop().expect("the checkpoint was logged")
    }
}
