//! What is known of a device and its driver, put together from events and from what owners say.

use std::collections::BTreeMap;

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use ppgtt::{PageTableRoot, PhysicalMemory};

use super::contexts::Contexts;
use super::ggtt::Ggtt;
use super::holders::Holders;
use super::leaks;
use super::mappings::Run;
use super::model::Moment;
use super::owner::OwnerEvent;
use super::requests::Requests;
use super::spaces::{self, Key, Spaces};
use super::spans::Track;
use super::words::who;
use crate::finding::Finding;
use crate::ownership::Ownership;
use crate::provenance::{Place, Provenance};
use crate::roots::vm_root;
use crate::spaces::AddressSpaces;
use crate::survey;

/// Moments that are kept, the oldest.
const MOMENTS: usize = 4096;
/// Roots that are kept.
const ROOTS: usize = 1 << 16;
/// Tables that a look at all address spaces reads.
const TABLES_AT_ONCE: usize = 1 << 17;
/// Drivers let go of an address space somewhat later than of its last context, by workers.
const PATIENCE_NS: u64 = 1_000_000_000;
/// Leaks that are told.
const FINDINGS: usize = 256;

/// The state from which a story is built. It knows no title and no memory.
#[derive(Debug, Default)]
pub(super) struct Teller {
    pub(super) begin_ns: u64,
    pub(super) now_ns: u64,
    pub(super) ownership: Ownership,
    /// Numbers for the address spaces that no owner names.
    pub(super) loaded: AddressSpaces,
    /// Address spaces by the first table of their roots: those that owners told, and those that were
    /// loaded and that nobody told of.
    pub(super) roots: BTreeMap<u64, Key>,
    pub(super) holders: Holders,
    pub(super) contexts: Contexts,
    pub(super) spaces: Spaces,
    pub(super) requests: Requests,
    pub(super) engines: [Track; ENGINE_COUNT],
    pub(super) ggtt: Ggtt,
    pub(super) moments: Vec<Moment>,
    pub(super) moments_dropped: u64,
    /// What the last comparison with a kernel's view found.
    pub(super) compared: Vec<Finding>,
}

/// A look at all address spaces, some at a time.
#[derive(Debug)]
pub(super) struct Looks {
    /// Those that are left, the newest last.
    serials: Vec<u64>,
    /// Tables that may be named yet.
    budget: usize,
}

impl Teller {
    /// A story that begins now.
    pub(super) fn beginning_at(now_ns: u64) -> Teller {
        Teller { begin_ns: now_ns, now_ns, ..Teller::default() }
    }

    /// A driver starts on the same device: what the device has in its registers stays.
    pub(super) fn next(&mut self, now_ns: u64) -> Teller {
        let ggtt = std::mem::take(&mut self.ggtt);
        let legacy = std::array::from_fn(|index| self.engines[index].legacy);
        let mut next = Teller { ggtt, ..Teller::beginning_at(now_ns) };
        for (track, legacy) in next.engines.iter_mut().zip::<[bool; ENGINE_COUNT]>(legacy) {
            track.legacy = legacy;
        }
        next
    }

    /// The kind and the owner of a page, by hints.
    pub(super) fn page(&self, page: u64) -> Option<(PageKind, u32)> {
        let use_ = self.ownership.pages.get(page).filter(|use_| !use_.freed)?;
        Some((use_.kind, use_.owner))
    }

    /// The guest says whose a page is, and where tables begin.
    pub(super) fn hint(&mut self, hint: Hint) {
        // Contradictions are the census's to report.
        let _ = self.ownership.apply(hint);
    }

    /// Somebody who knows the driver says something. What begins and ends whole stories is not for a
    /// teller.
    pub(super) fn owner<M: PhysicalMemory>(&mut self, memory: &M, event: OwnerEvent) {
        let now = self.now_ns;
        match event {
            OwnerEvent::DriverStarts | OwnerEvent::Settled { .. } => {}
            OwnerEvent::ClientBegins { client } => {
                let what = format!("client {client} opens the device");
                self.moment(format!("client {client}"), what);
            }
            OwnerEvent::ClientEnds { client } => {
                self.holders.client_ends(client);
                let what = format!("client {client} is gone");
                self.moment(format!("client {client} ends"), what);
            }
            OwnerEvent::SpaceBegins { space } => {
                self.spaces.of(Key::Owned(space), now);
            }
            OwnerEvent::SpaceRoot { space, root } => self.root(space, root),
            OwnerEvent::SpaceEnds { space } => self.space_ends(space),
            OwnerEvent::ContextBegins { context, hardware, space } => {
                let space = space.map(|space| self.spaces.of(Key::Owned(space), now));
                self.contexts.begin(context, hardware, space, now);
                if let Some(serial) = space
                    && let Some(space) = self.spaces.get_mut(serial)
                {
                    space.end_orphaned();
                    self.look(memory, serial);
                }
            }
            OwnerEvent::ContextOwned { context, client } => {
                if let Some((_, context)) = self.contexts.owned(context) {
                    context.client = Some(client);
                }
            }
            OwnerEvent::ContextEnds { context } => self.context_ends(memory, context),
            OwnerEvent::ObjectBegins { object, size } => self.holders.object_begins(object, size),
            OwnerEvent::ObjectEnds { object } => self.holders.object_ends(object),
            OwnerEvent::HandleBegins { client, handle, object } => {
                self.holders.handle_begins(client, handle, object);
            }
            OwnerEvent::HandleEnds { client, handle } => self.holders.handle_ends(client, handle),
            OwnerEvent::VmaBegins { space, object } => self.holders.vma_begins(space, object),
            OwnerEvent::VmaEnds { space, object } => self.holders.vma_ends(space, object),
            OwnerEvent::Bound { space, object, va, len } => {
                self.bound(memory, space, object, va, len);
            }
            OwnerEvent::Unbound { space, object } => {
                if let Some(space) = self.owned_space(space) {
                    space.mappings.unbind(now, object);
                }
            }
            OwnerEvent::Submitted { context, engine, seqno } => {
                self.request(memory, context, engine, seqno);
            }
        }
    }

    fn owned_space(&mut self, space: u64) -> Option<&mut spaces::Space> {
        let serial = self.spaces.find(Key::Owned(space))?;
        self.spaces.get_mut(serial)
    }

    /// Where the first PTE of what is bound at `va` lies.
    pub(super) fn pte_address(&self, space: u64, va: u64) -> Option<u64> {
        let serial = self.spaces.find(Key::Owned(space))?;
        self.spaces.get(serial)?.mappings.pte_address(va)
    }

    fn root(&mut self, space: u64, root: PageTableRoot) {
        let now = self.now_ns;
        let serial = self.spaces.of(Key::Owned(space), now);
        if let Some(record) = self.spaces.get_mut(serial) {
            record.root = Some(root);
        }
        if let Some(first) = root.tables().next() {
            self.note_root(first, Key::Owned(space));
        }
    }

    fn bound<M: PhysicalMemory>(
        &mut self,
        memory: &M,
        space: u64,
        object: u64,
        va: u64,
        len: Option<u64>,
    ) {
        let now = self.now_ns;
        let len = len.or_else(|| self.holders.size(object)).unwrap_or(gen8_spec::PAGE_SIZE);
        let serial = self.spaces.of(Key::Owned(space), now);
        self.find_root(serial);
        self.spaces.map(serial, |space| {
            let tables = space.tables(memory);
            space.mappings.bind(&tables, now, Run { va, len, object: Some(object) });
        });
    }

    fn request<M: PhysicalMemory>(
        &mut self,
        memory: &M,
        context: u64,
        engine: EngineId,
        seqno: u32,
    ) {
        let now = self.now_ns;
        let context = self.contexts.owned(context).map(|(serial, context)| (serial, context.space));
        let number = self.requests.submit(engine, context.map(|(serial, _)| serial), seqno, now);
        let space = context.and_then(|(_, space)| space);
        if let Some(serial) = space
            && let Some(space) = self.spaces.get_mut(serial)
        {
            space.mappings.requested(number);
            if space.pays() {
                self.look(memory, serial);
            }
        }
    }

    fn context_ends<M: PhysicalMemory>(&mut self, memory: &M, context: u64) {
        let now = self.now_ns;
        let Some((serial, Some(space))) = self.contexts.end(context, now) else { return };
        if self.contexts.users(space).next().is_some() {
            return;
        }
        self.look(memory, space);
        let name = self.contexts.get(serial).map(super::contexts::Context::name);
        let Some(record) = self.spaces.get_mut(space) else { return };
        if record.is_drivers() || record.released_ns.is_some() {
            return;
        }
        record.orphaned_ns = Some(now);
        let (name, of) = (name.unwrap_or_default(), record.name());
        self.moment(
            format!("{of} alone"),
            format!("{name} is freed, the last that could use {of}"),
        );
    }

    fn space_ends(&mut self, space: u64) {
        let (now, key) = (self.now_ns, Key::Owned(space));
        let released = self.spaces.find(key).and_then(|serial| self.spaces.get(serial));
        let Some((name, root)) = released.map(|space| (space.name(), space.root)) else { return };
        self.spaces.end(key, now);
        let first = root.and_then(|root| root.tables().next());
        if let Some(first) = first.filter(|first| self.roots.get(first) == Some(&key)) {
            self.roots.remove(&first);
        }
        self.moment(format!("{name} released"), format!("{name} is released"));
    }

    /// Everything has settled: what is left over now stays.
    pub(super) fn settled<M: PhysicalMemory>(&mut self, memory: &M, label: &str) {
        self.moment(label.to_owned(), format!("checkpoint {label}: the driver has settled"));
        self.look_at_all(memory);
        self.find_leaks(0);
    }

    /// Finds leaks at any moment, when all was looked at: what nobody could use for so long will not be released any more.
    pub(super) fn find_late_leaks(&mut self) {
        self.find_leaks(PATIENCE_NS);
    }

    /// Address spaces that are orphaned for `patience_ns` are leaked.
    fn find_leaks(&mut self, patience_ns: u64) {
        let now = self.now_ns;
        for serial in self.spaces.living() {
            let Some(space) = self.spaces.get_mut(serial) else { continue };
            if space.orphaned_ns.is_some_and(|since| now - since.min(now) >= patience_ns) {
                space.leak(now);
            }
        }
    }

    /// Asks who wrote the PTEs of which that is not known yet.
    pub(super) fn attribute(&mut self, provenance: &Provenance) {
        for space in self.spaces.iter_mut() {
            space.mappings.attribute(|address, pte| {
                let writes = provenance.who_wrote(Place::Memory(address, 8));
                writes.iter().rev().find(|write| write.new == pte).map(who)
            });
        }
    }

    /// The findings on all leaks.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let living = self.spaces.living().into_iter();
        let leaks = living.filter_map(|serial| leaks::finding(self, serial)).take(FINDINGS);
        leaks.chain(self.compared.iter().cloned()).collect()
    }

    /// Looks at the tables of all address spaces, the newest first, as far as [`TABLES_AT_ONCE`] go.
    pub(super) fn look_at_all<M: PhysicalMemory>(&mut self, memory: &M) {
        let mut looks = self.looks();
        self.look_on(memory, &mut looks, usize::MAX);
    }

    /// A look at the tables of all address spaces, to be taken.
    pub(super) fn looks(&self) -> Looks {
        Looks { serials: self.spaces.living(), budget: TABLES_AT_ONCE }
    }

    /// Goes on with a look until some `tables` were named; whether it is over.
    pub(super) fn look_on<M: PhysicalMemory>(
        &mut self,
        memory: &M,
        looks: &mut Looks,
        mut tables: usize,
    ) -> bool {
        while looks.budget > 0 {
            if tables == 0 {
                return false;
            }
            let Some(serial) = looks.serials.pop() else { break };
            // It may be gone since the list was made.
            if self.spaces.get(serial).is_none_or(|space| space.released_ns.is_some()) {
                continue;
            }
            let named = self.look(memory, serial);
            looks.budget = looks.budget.saturating_sub(named);
            tables = tables.saturating_sub(named);
        }
        true
    }

    /// Whether there is anything to tell.
    pub(super) fn is_told(&self) -> bool {
        self.spaces.iter().next().is_some() || self.contexts.iter().next().is_some()
    }

    /// Looks at the tables of an address space; how many it found named.
    pub(super) fn look<M: PhysicalMemory>(&mut self, memory: &M, serial: u64) -> usize {
        self.find_root(serial);
        let Some(space) = self.spaces.get(serial) else { return 0 };
        let vm = match space.key {
            Key::Owned(id) => u32::try_from(id).ok(),
            Key::Loaded(_) => None,
        };
        let ownership = &self.ownership;
        let mut cursor = ownership.pages.cursor();
        let found = spaces::walk(
            memory,
            space.root.as_ref(),
            |census| survey::count_pages(ownership, vm, census).0.into(),
            |leaf| match cursor.get(leaf.page).filter(|use_| !use_.freed) {
                Some(use_) if use_.kind == PageKind::ScratchPage => None,
                Some(use_) if use_.kind == PageKind::Object => Some(Some(use_.owner.into())),
                _ => Some(None),
            },
        );
        let now = self.now_ns;
        self.spaces.map(serial, |space| space.look(memory, now, &found));
        found.named_tables.max(1)
    }

    /// Where the tables of a hinted address space begin: by hints, and by what was loaded.
    fn find_root(&mut self, serial: u64) {
        let Some(space) = self.spaces.get_mut(serial) else { return };
        let Key::Owned(id) = space.key else { return };
        let Ok(id) = u32::try_from(id) else { return };
        if let Some(vm) = self.ownership.vms.get(&id) {
            space.set_tables(vm.levels, vm_root(&self.ownership, &[], id, vm));
        }
    }

    /// A root is an address space's from now on: an other one that was loaded with it and that nobody
    /// told of is gone.
    pub(super) fn note_root(&mut self, first: u64, key: Key) {
        if self.roots.len() >= ROOTS && !self.roots.contains_key(&first) {
            self.roots.pop_first();
        }
        let before = self.roots.insert(first, key);
        if let Some(before @ Key::Loaded(_)) = before.filter(|&before| before != key) {
            self.spaces.end(before, self.now_ns);
        }
    }

    pub(super) fn moment(&mut self, name: String, what: String) {
        if self.moments.len() < MOMENTS {
            self.moments.push(Moment { at_ns: self.now_ns, name, what });
        } else {
            self.moments_dropped += 1;
        }
    }
}
