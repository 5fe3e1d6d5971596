//! What an engine tells the observer of its work. Nothing here is done unless somebody asked for it.

use core::cell::RefCell;

use gen8_spec::PAGE_SIZE;
use gen8_spec::context_image::STATE_PAGE;
use ppgtt::{Access, Levels, PhysicalMemory, Translation};

use super::context_image::StatePage;
use super::parser::Level;
use super::translate::Space;
use super::{Batch, Engine};
use crate::bus::Bus;
use crate::event::{Actor, Event, Interests, Invalidation, MemoryWrite, Site, WriteKind};
use crate::memory::GuestRam;

/// A piece of memory that an engine wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) space: Space,
    pub(crate) address: u64,
    pub(crate) physical: u64,
    pub(crate) len: u64,
    /// What was written, if that is known and short.
    pub(crate) value: Option<u64>,
}

/// Memory that notes which dwords are written, for images of contexts.
pub(super) struct WriteNotes<'m> {
    memory: &'m GuestRam,
    /// Physical address and value of each.
    written: RefCell<Vec<(u64, u32)>>,
}

impl<'m> WriteNotes<'m> {
    pub(super) fn new(memory: &'m GuestRam) -> WriteNotes<'m> {
        WriteNotes { memory, written: RefCell::default() }
    }
}

impl PhysicalMemory for WriteNotes<'_> {
    fn read_u64(&self, address: u64) -> Option<u64> {
        self.memory.read_u64(address)
    }

    fn write_u64(&self, address: u64, value: u64) -> bool {
        self.write_u32(address, value as u32) && self.write_u32(address + 4, (value >> 32) as u32)
    }

    fn read_u32(&self, address: u64) -> Option<u32> {
        self.memory.read_u32(address)
    }

    fn write_u32(&self, address: u64, value: u32) -> bool {
        let written = self.memory.write_u32(address, value);
        if written {
            self.written.borrow_mut().push((address, value));
        }
        written
    }
}

impl Engine {
    /// Dwords of a page of a context image were written; the page is at `place` of the GGTT.
    pub(super) fn tell_image_writes(&self, place: u64, notes: WriteNotes<'_>, bus: &mut Bus<'_>) {
        for (physical, value) in notes.written.into_inner() {
            let address = place | physical & (PAGE_SIZE - 1);
            let value = Some(value.into());
            let piece = Piece { space: Space::Ggtt, address, physical, len: 4, value };
            self.tell_write(WriteKind::ContextSave, piece, bus);
        }
    }

    /// What the engine runs; only if somebody hears of batches.
    #[inline]
    pub(crate) fn batch_site(&self, bus: &Bus<'_>) -> Option<Site> {
        let wanted = Interests::REQUESTS.and(Interests::STALE_TLB);
        if bus.events.wants(wanted) { Some(self.site()) } else { None }
    }

    /// What the engine runs.
    pub(crate) fn site(&self) -> Site {
        Site {
            engine: self.id,
            context: self.context_id(),
            address: self.active_head(),
            in_batch: self.parser.level != Level::Ring,
        }
    }

    /// Memory was written.
    #[inline]
    pub(crate) fn tell_write(&self, kind: WriteKind, piece: Piece, bus: &mut Bus<'_>) {
        bus.events.emit_for(kind.group(), move || {
            let Piece { space, address, physical, len, value } = piece;
            let by = Actor::Engine(self.site());
            Event::MemoryWritten(MemoryWrite { by, kind, space, address, physical, len, value })
        });
    }

    /// Memory is about to be read or written for data.
    #[inline]
    pub(crate) fn tell_access(
        &self,
        space: Space,
        address: u64,
        physical: u64,
        access: Access,
        bus: &mut Bus<'_>,
    ) {
        bus.events.emit_for(Interests::ACCESSES, move || Event::Accessed {
            site: self.site(),
            space,
            address,
            physical,
            write: access == Access::Write,
            fetch: false,
        });
    }

    /// Commands come from another page than before.
    #[inline]
    pub(crate) fn tell_fetch(&self, space: Space, address: u64, physical: u64, bus: &mut Bus<'_>) {
        bus.events.emit_for(Interests::ACCESSES, move || Event::Accessed {
            site: self.site(),
            space,
            address,
            physical,
            write: false,
            fetch: true,
        });
    }

    /// A translation was put in the TLB.
    #[inline]
    pub(super) fn tell_fill(
        &self,
        address: u64,
        found: &Translation,
        access: Access,
        bus: &mut Bus<'_>,
    ) {
        bus.events.emit_for(Interests::TLB, || Event::TlbFilled {
            site: self.site(),
            address: address & !(PAGE_SIZE - 1),
            page: found.physical & !(PAGE_SIZE - 1),
            writable: found.writable,
            write: access == Access::Write,
            root: self.space.root(),
            pte_address: found.pte_address,
        });
    }

    /// Forgets every translation, and says why.
    pub(crate) fn invalidate_tlb(&mut self, by: Invalidation, bus: &mut Bus<'_>) {
        self.flush_tlb();
        bus.events.emit_for(Interests::TLB, || Event::TlbInvalidated { site: self.site(), by });
    }

    /// A batch begins, started by the command at `site`. From the ring, the page directories are
    /// compared with those of the context's image as well.
    #[cold]
    pub(crate) fn tell_batch_start(&self, site: Site, batch: &Batch, bus: &mut Bus<'_>) {
        let level = depth(self.parser.level);
        let space = if batch.user && self.has_ppgtt() { Space::Ppgtt } else { Space::Ggtt };
        let (address, head) = (batch.address, self.ring.head_offset());
        bus.events.emit_for(Interests::REQUESTS, || Event::BatchStarted {
            site,
            space,
            address,
            level,
            head,
        });
        if !site.in_batch && space == Space::Ppgtt && bus.events.wants(Interests::STALE_TLB) {
            self.report_stale_pdps(site, bus);
        }
    }

    /// A batch ended by the command at `site`.
    #[cold]
    pub(crate) fn tell_batch_end(&self, site: Site, level: Level, bus: &mut Bus<'_>) {
        let level = depth(level);
        bus.events.emit_for(Interests::REQUESTS, || Event::BatchEnded { site, level });
    }

    /// Compares the page directories of the running context with those of its image, which software
    /// may have changed since they were loaded.
    #[cold]
    fn report_stale_pdps(&self, site: Site, bus: &mut Bus<'_>) {
        let Some(context) = self.execlists.current().filter(|_| self.execlists_mode) else {
            return;
        };
        let place = u64::from(context.lrca()) + STATE_PAGE * PAGE_SIZE;
        let Ok(page) = bus.ggtt.translate(place) else { return };
        let Some(image) = StatePage::new(bus.observed_memory, page, self.id).pdps() else { return };
        let loaded = self.space.pdps;
        let count = if self.space.levels == Some(Levels::Four) { 1 } else { loaded.len() };
        if loaded.iter().zip(&image).take(count).any(|(loaded, image)| loaded != image) {
            let event = || Event::StalePdps { site, loaded, image };
            bus.events.emit_for(Interests::STALE_TLB, event);
        }
    }
}

/// How deep in batches: 0 for those of a restore.
fn depth(level: Level) -> u32 {
    match level {
        Level::Ring | Level::Restore => 0,
        Level::Batch => 1,
        Level::Second => 2,
    }
}
