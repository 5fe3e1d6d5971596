//! How an engine reaches memory: PPGTT through its TLB, GGTT on every use.

use gen8_spec::PAGE_SIZE;
use gen8_spec::mmio::ring as reg;
use ppgtt::{Access, Levels, PageTableRoot, PhysicalMemory, Translation, VA_BITS, WalkFault, walk};

use super::rules::check_entry;
use super::tell::Piece;
use super::{Engine, Stop};
use crate::bus::Bus;
use crate::event::{Event, Interests, Invalidation, WriteKind};
use crate::fault::GpuFault;
use crate::tlb::TlbEntry;

/// Address bits that count; hardware ignores 63:48.
const VA_MASK: u64 = (1 << VA_BITS) - 1;
/// Offset in a page.
const OFFSET_MASK: u64 = PAGE_SIZE - 1;
/// Dwords and qwords are accessed aligned: the low bits of an address field mean something else.
const DWORD: u64 = !3;
const QWORD: u64 = !7;

/// Which address space an access goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// The global GTT.
    Ggtt,
    /// The address space of the running context.
    Ppgtt,
}

/// What [`Engine::update`] reads and writes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Word {
    /// Four bytes.
    Dword,
    /// Eight bytes.
    Qword,
}

/// The page tables that the engine has loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct AddressSpace {
    /// PDP0..3 registers.
    pub(crate) pdps: [u64; 4],
    /// Three or four levels; `None`: no PPGTT, everything goes to the GGTT.
    pub(crate) levels: Option<Levels>,
}

/// The page that commands were fetched from last, translated. Emptied with the TLB, at context
/// switches and at the start of every slice, so that GGTT changes are seen.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct FetchPage {
    /// Page address; bit 0 set for the PPGTT.
    key: u64,
    /// Physical page.
    frame: u64,
}

impl FetchPage {
    /// Matches no address.
    pub(crate) const NONE: FetchPage = FetchPage { key: u64::MAX, frame: 0 };
}

impl Engine {
    /// Fetches a command dword. Unlike data, commands that cannot be read stop the engine in
    /// either space.
    #[inline]
    pub(crate) fn fetch(
        &mut self,
        space: Space,
        address: u64,
        bus: &mut Bus<'_>,
    ) -> Result<u32, Stop> {
        let address = address & VA_MASK & DWORD;
        let key = (address & !OFFSET_MASK) | u64::from(space == Space::Ppgtt);
        if key != self.fetch_page.key {
            self.change_fetch_page(space, address, key, bus)?;
        }
        let physical = self.fetch_page.frame | (address & OFFSET_MASK);
        match bus.memory.read_u32(physical) {
            Some(value) => Ok(value),
            None => Err(self.outside_ram(space, address, physical, false, bus)),
        }
    }

    /// Commands come from another page than the last ones. Out of line, so that [`Engine::fetch`] stays
    /// short enough to stand in its callers.
    #[inline(never)]
    fn change_fetch_page(
        &mut self,
        space: Space,
        address: u64,
        key: u64,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let frame = self.translate_fetch(space, address, bus)? & !OFFSET_MASK;
        self.tell_fetch(space, address, frame | address & OFFSET_MASK, bus);
        self.fetch_page = FetchPage { key, frame };
        Ok(())
    }

    fn translate_fetch(
        &mut self,
        space: Space,
        address: u64,
        bus: &mut Bus<'_>,
    ) -> Result<u64, Stop> {
        match space {
            Space::Ppgtt => self.translate(address, Access::Read, bus).map(|entry| entry.page),
            Space::Ggtt => bus.ggtt.translate(address).map_err(|fault| {
                bus.fault(GpuFault {
                    engine: Some(self.id),
                    ggtt: true,
                    address,
                    write: false,
                    level: 0,
                    entry: fault.entry(),
                });
                Stop::PageFault
            }),
        }
    }

    /// Reads a dword of data. A GGTT fault is latched and reads 0; a PPGTT fault stops the engine.
    pub(crate) fn load(
        &mut self,
        space: Space,
        address: u64,
        bus: &mut Bus<'_>,
    ) -> Result<u32, Stop> {
        let address = address & VA_MASK & DWORD;
        let Some(physical) = self.locate(space, address, Access::Read, bus)? else {
            return Ok(0);
        };
        match (bus.memory.read_u32(physical), space) {
            (Some(value), _) => Ok(value),
            (None, Space::Ggtt) => {
                self.outside_ram(space, address, physical, false, bus);
                Ok(0)
            }
            (None, Space::Ppgtt) => Err(self.outside_ram(space, address, physical, false, bus)),
        }
    }

    /// Reads a qword of data; faults as in [`Engine::load`].
    pub(crate) fn load_qword(
        &mut self,
        space: Space,
        address: u64,
        bus: &mut Bus<'_>,
    ) -> Result<u64, Stop> {
        let address = address & QWORD;
        let low = self.load(space, address, bus)?;
        let high = self.load(space, address + 4, bus)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Writes a dword of data. A write to a read-only page is dropped silently; a GGTT fault is
    /// latched and drops the write; a PPGTT fault stops the engine.
    pub(crate) fn store(
        &mut self,
        space: Space,
        address: u64,
        value: u32,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let (address, whole) = (address & VA_MASK & DWORD, (u64::from(value), 4));
        self.store_with(space, address, whole, bus, |bus, physical| {
            bus.memory.write_u32(physical, value)
        })
    }

    /// Writes a qword of data in one access; faults as in [`Engine::store`].
    pub(crate) fn store_qword(
        &mut self,
        space: Space,
        address: u64,
        value: u64,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let address = address & VA_MASK & QWORD;
        self.store_with(space, address, (value, 8), bus, |bus, physical| {
            bus.memory.write_u64(physical, value)
        })
    }

    /// Replaces a word of data by what `change` makes of it, in one step for the guest's CPUs, and
    /// returns the old one. Faults as in [`Engine::store`]; where writes are dropped it only reads.
    pub(crate) fn update(
        &mut self,
        space: Space,
        address: u64,
        word: Word,
        change: impl Fn(u64) -> u64,
        bus: &mut Bus<'_>,
    ) -> Result<u64, Stop> {
        let align = if word == Word::Dword { DWORD } else { QWORD };
        let address = address & VA_MASK & align;
        let Some(physical) = self.locate(space, address, Access::Write, bus)? else {
            return match (space, word) {
                (Space::Ggtt, _) => Ok(0),
                (Space::Ppgtt, Word::Dword) => self.load(space, address, bus).map(u64::from),
                (Space::Ppgtt, Word::Qword) => self.load_qword(space, address, bus),
            };
        };
        let old = match word {
            Word::Dword => {
                let change = |old: u32| change(old.into()) as u32;
                bus.memory.update_u32(physical, change).map(u64::from)
            }
            Word::Qword => bus.memory.update_u64(physical, &change),
        };
        match (old, space) {
            (Some(old), _) => {
                let (len, mask) = match word {
                    Word::Dword => (4, u32::MAX.into()),
                    Word::Qword => (8, u64::MAX),
                };
                let value = Some(change(old) & mask);
                let piece = Piece { space, address, physical, len, value };
                self.tell_write(WriteKind::Command, piece, bus);
                Ok(old)
            }
            (None, Space::Ggtt) => {
                self.outside_ram(space, address, physical, true, bus);
                Ok(0)
            }
            (None, Space::Ppgtt) => Err(self.outside_ram(space, address, physical, true, bus)),
        }
    }

    #[inline]
    fn store_with(
        &mut self,
        space: Space,
        address: u64,
        (value, len): (u64, u64),
        bus: &mut Bus<'_>,
        write: impl FnOnce(&Bus<'_>, u64) -> bool,
    ) -> Result<(), Stop> {
        let Some(physical) = self.locate(space, address, Access::Write, bus)? else {
            return Ok(());
        };
        if write(bus, physical) {
            let piece = Piece { space, address, physical, len, value: Some(value) };
            self.tell_write(WriteKind::Command, piece, bus);
            return Ok(());
        }
        let stop = self.outside_ram(space, address, physical, true, bus);
        if space == Space::Ggtt { Ok(()) } else { Err(stop) }
    }

    /// Physical address of a data access; `None` when the access is dropped.
    // In the loops of its callers: blits do little else for each piece of a row, and what is stored for a
    // call waits behind the stores of the piece before.
    #[inline(always)]
    pub(crate) fn locate(
        &mut self,
        space: Space,
        address: u64,
        access: Access,
        bus: &mut Bus<'_>,
    ) -> Result<Option<u64>, Stop> {
        if space == Space::Ggtt {
            return Ok(self.locate_data_in_ggtt(address, access, bus));
        }
        let entry = self.translate(address, access, bus)?;
        if access == Access::Write && !entry.writable {
            self.raise_error(reg::EIR_PRIVILEGE, bus);
            return Ok(None);
        }
        let physical = entry.page | (address & OFFSET_MASK);
        self.tell_access(space, address, physical, access, bus);
        Ok(Some(physical))
    }

    #[inline(never)]
    fn locate_data_in_ggtt(&self, address: u64, access: Access, bus: &mut Bus<'_>) -> Option<u64> {
        let physical = self.locate_ggtt(address, access == Access::Write, bus)?;
        self.tell_access(Space::Ggtt, address, physical, access, bus);
        Some(physical)
    }

    /// Physical address behind a GGTT address; a fault is latched, the engine goes on.
    pub(crate) fn locate_ggtt(&self, address: u64, write: bool, bus: &mut Bus<'_>) -> Option<u64> {
        match bus.ggtt.translate(address) {
            Ok(physical) => Some(physical),
            Err(fault) => {
                bus.fault(GpuFault {
                    engine: Some(self.id),
                    ggtt: true,
                    address,
                    write,
                    level: 0,
                    entry: fault.entry(),
                });
                None
            }
        }
    }

    /// Translates a PPGTT address through the TLB.
    #[inline(always)]
    fn translate(
        &mut self,
        address: u64,
        access: Access,
        bus: &mut Bus<'_>,
    ) -> Result<TlbEntry, Stop> {
        match self.tlb.lookup(address) {
            Some(entry) => {
                if bus.events.wants(Interests::STALE_TLB) {
                    self.report_if_stale(address, entry, access, bus);
                }
                Ok(entry)
            }
            None => self.miss(address, access, bus),
        }
    }

    /// Walks the page tables and keeps what is found in the TLB.
    #[inline(never)]
    fn miss(&mut self, address: u64, access: Access, bus: &mut Bus<'_>) -> Result<TlbEntry, Stop> {
        // Without PPGTT nothing asks for this space; walking empty tables faults if something does.
        let root = self.space.root();
        match walk(bus.memory, &root, address, Access::Read) {
            Ok(found) => {
                let page = found.physical & !OFFSET_MASK;
                let entry = TlbEntry { page, writable: found.writable };
                self.tlb.insert(address, entry);
                if bus.events.wants(Interests::TLB.and(Interests::RULES)) {
                    self.tell_walk(address, &found, access, bus);
                }
                if bus.config.mutations.spoils_ptes() {
                    self.spoil_pte(address, &found, bus);
                }
                Ok(entry)
            }
            Err(fault) => Err(self.page_fault(address, access, fault, bus)),
        }
    }

    /// A walk ended at a translation that is in the TLB now.
    #[cold]
    fn tell_walk(&self, address: u64, found: &Translation, access: Access, bus: &mut Bus<'_>) {
        self.tell_fill(address, found, access, bus);
        self.look(bus, |_, tell| check_entry(found.pte, tell));
    }

    /// A walk ended at nothing.
    #[cold]
    fn page_fault(
        &self,
        address: u64,
        access: Access,
        fault: WalkFault,
        bus: &mut Bus<'_>,
    ) -> Stop {
        bus.fault(GpuFault {
            engine: Some(self.id),
            ggtt: false,
            address,
            write: access == Access::Write,
            level: fault.level(),
            entry: fault.entry(),
        });
        Stop::PageFault
    }

    /// Compares a TLB hit with a fresh walk and reports a difference. The hit is used all the same,
    /// as hardware would.
    #[cold]
    fn report_if_stale(&self, address: u64, entry: TlbEntry, access: Access, bus: &mut Bus<'_>) {
        let fresh = walk(bus.observed_memory, &self.space.root(), address, Access::Read).ok();
        let current = fresh.map(|found| found.physical & !OFFSET_MASK);
        let same_rights = fresh.is_none_or(|found| found.writable == entry.writable);
        if current != Some(entry.page) || !same_rights {
            bus.events.emit_for(Interests::STALE_TLB, || Event::StaleTlb {
                engine: self.id,
                address: address & !OFFSET_MASK,
                write: access == Access::Write,
                used: entry.page,
                current,
            });
        }
    }

    /// Data lies outside RAM: latched in either space, but only a PPGTT access stops the engine.
    #[cold]
    pub(crate) fn missing(
        &self,
        space: Space,
        address: u64,
        physical: u64,
        access: Access,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let stop = self.outside_ram(space, address, physical, access == Access::Write, bus);
        if space == Space::Ggtt { Ok(()) } else { Err(stop) }
    }

    /// A translation led to memory that is not there.
    #[cold]
    pub(super) fn outside_ram(
        &self,
        space: Space,
        address: u64,
        physical: u64,
        write: bool,
        bus: &mut Bus<'_>,
    ) -> Stop {
        bus.fault(GpuFault {
            engine: Some(self.id),
            ggtt: space == Space::Ggtt,
            address,
            write,
            level: 0,
            entry: physical,
        });
        Stop::PageFault
    }

    /// Loads page-directory pointers, as a context restore does: other tables than before, or
    /// `force`, invalidate the TLB.
    pub(crate) fn load_address_space(
        &mut self,
        space: AddressSpace,
        force: bool,
        context: u32,
        bus: &mut Bus<'_>,
    ) {
        if !self.spoil_load(&space, bus) {
            return;
        }
        let changes = force || space != self.space;
        self.space = space;
        if changes {
            self.invalidate_tlb(Invalidation::ContextLoad, bus);
        }
        self.report_pdps(context, bus);
    }

    /// Tells the observer which page tables are loaded.
    pub(crate) fn report_pdps(&self, context: u32, bus: &mut Bus<'_>) {
        let Some(levels) = self.space.levels else {
            return;
        };
        bus.events.emit(|| Event::PdpLoaded {
            engine: self.id,
            levels: levels.number(),
            pdps: self.space.pdps,
            context,
        });
    }

    /// Forgets every translation.
    pub(super) fn flush_tlb(&mut self) {
        self.tlb.invalidate();
        self.fetch_page = FetchPage::NONE;
    }
}

impl AddressSpace {
    /// Where a walk begins.
    pub(super) fn root(&self) -> PageTableRoot {
        PageTableRoot::from_pdps(self.levels.unwrap_or(Levels::Three), self.pdps)
    }
}
