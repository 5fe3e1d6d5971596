//! Rules for what software writes to an engine, and for the images that it lets it load. Looked at
//! only for observers of [`Interests::RULES`].

use gen8_spec::PAGE_SIZE;
use gen8_spec::context_image::{self as layout, STATE_PAGE};
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;
use gen8_spec::hwsp::CSB_ENTRIES;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::{masked_apply, pte, sets_beyond_mask};
use ppgtt::{Levels, PhysicalMemory};

use super::Engine;
use super::context_image::{ContextState, StatePage};
use super::inspect::Elements;
use super::ring::Ring;
use crate::bus::Bus;
use crate::event::{Event, Interests};
use crate::guest_rule::{GuestRule, Origin};

/// Takes a broken rule with its detail.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(GuestRule, u64);

/// Registers without a rule of their own that software can only read.
const READ_ONLY: [u32; 13] = [
    reg::ACTHD,
    reg::ACTHD_UDW,
    reg::DMA_FADD,
    reg::DMA_FADD_UDW,
    reg::IPEHR,
    reg::INSTDONE,
    reg::ESR,
    reg::EXECLIST_STATUS_LO,
    reg::EXECLIST_STATUS_HI,
    reg::TIMESTAMP_UDW,
    reg::CTX_TIMESTAMP,
    reg::CSB_LO,
    reg::CSB_HI,
];
/// Bits of RING_CTL that mean something.
const CTL_BITS: u32 = reg::CTL_VALID
    | reg::CTL_REPORT_MASK
    | reg::CTL_REGISTERS_OFF
    | reg::CTL_WAIT_SEMAPHORE
    | reg::CTL_WAIT
    | reg::CTL_SIZE_MASK;
/// Bytes of a cache line, in which TAIL must not be behind HEAD.
const CACHE_LINE: u32 = 64;
/// MI_LOAD_REGISTER_IMM: force posted. Of an image's headers, both kinds are seen.
const FORCE_POSTED: u32 = 1 << 12;
/// Write pointer after a reset, when no entry was written yet.
const NO_ENTRY: u32 = gen8_spec::execlists::csb::WRITE_POINTER_RESET;
const PAGE_OFFSET: u64 = PAGE_SIZE - 1;

impl Engine {
    /// Looks at a register write by software before it takes effect; `at` counts from the engine's base.
    pub(crate) fn check_write(&self, at: u32, value: u32, tell: Tell<'_>) {
        let register = u64::from(self.id.mmio_base() + at);
        let rule = self.registers.rule(at);
        let masked = at == reg::CSB_PTR || rule.is_some_and(|rule| rule.masked);
        if masked && sets_beyond_mask(value) {
            tell(GuestRule::MaskedBitBeyondMask, register);
        }
        let ruled = rule.is_some_and(|rule| rule.writable == 0 && rule.w1c == 0);
        if ruled || READ_ONLY.contains(&at) {
            tell(GuestRule::ReadOnlyRegisterWritten, register);
        }
        match at {
            reg::TAIL => self.check_tail(value, tell),
            reg::START => check_start(value, tell),
            reg::CTL => check_ctl(value, tell),
            reg::CSB_PTR => self.check_pointers(value, tell),
            _ => {}
        }
        if let Some(elements) = self.submission_by(at, value) {
            check_elements(elements, tell);
        }
    }

    /// The list that a write would submit.
    pub(crate) fn submission_by(&self, at: u32, value: u32) -> Option<Elements> {
        if at != reg::ELSP || !self.execlists_mode {
            return None;
        }
        self.execlists.submission_by(value).filter(|[first, _]| first.is_valid())
    }

    /// Whether the engine runs this context, or is to run it.
    pub(crate) fn has_image(&self, lrca: u32) -> bool {
        self.held().any(|context| context.lrca() == lrca)
    }

    /// Whether a GGTT page belongs to the image of a context that the engine runs, or is to run.
    pub(crate) fn holds_page(&self, index: u64) -> bool {
        self.held().any(|context| {
            let first = u64::from(context.lrca()) / PAGE_SIZE;
            (first..first + self.id.context_image_pages()).contains(&index)
        })
    }

    /// Contexts that the engine has not done with: those of a list behind the running one count.
    fn held(&self) -> impl Iterator<Item = ContextDescriptor> {
        let running = self.execlists.running().into_iter();
        let running = running.flat_map(|(elements, current)| elements.into_iter().skip(current));
        let pending = self.execlists.pending().into_iter().flatten();
        running.chain(pending).filter(|context| context.is_valid())
    }

    fn check_tail(&self, tail: u32, tell: Tell<'_>) {
        if tail & !reg::TAIL_ADDR != 0 {
            tell(GuestRule::RingTailMisaligned, tail.into());
        }
        if self.ring.is_valid() && !self.execlists_mode {
            check_room(self.ring.head_offset(), tail, tell);
        }
    }

    fn check_pointers(&self, value: u32, tell: Tell<'_>) {
        let old = self.execlists.status_buffer.pointers();
        let new = masked_apply(old, value);
        let write = |pointers: u32| pointers & reg::CSB_PTR_WRITE_MASK;
        let read = |pointers: u32| write(pointers >> reg::CSB_PTR_READ_SHIFT);
        let names = |pointer: u32| pointer < CSB_ENTRIES || pointer == NO_ENTRY;
        if !names(write(new)) || !names(read(new)) {
            tell(GuestRule::CsbPointerInvalid, value.into());
        } else if write(new) != write(old) {
            // A reset of both pointers, which is for engines that do nothing.
            if self.execlists_mode && !self.execlists.is_idle() {
                tell(GuestRule::CsbWritePointerMoved, value.into());
            }
        } else if !is_between(read(old), read(new), write(old)) {
            tell(GuestRule::CsbReadPointerBeyond, value.into());
        }
    }

    /// Looks at the image of a context that is about to be restored.
    pub(super) fn check_image<M: PhysicalMemory>(
        &self,
        context: ContextDescriptor,
        levels: Option<Levels>,
        image: &ContextState,
        page: &StatePage<'_, M>,
        tell: Tell<'_>,
    ) {
        let dword = |index: usize| page.dword(index).unwrap_or_default();
        let place =
            |index: usize| u64::from(context.lrca()) + STATE_PAGE * PAGE_SIZE + 4 * index as u64;
        let render = self.id == EngineId::Rcs;
        for (index, header) in layout::headers(render) {
            if (dword(index) ^ header) & !FORCE_POSTED != 0 {
                tell(GuestRule::ContextImageHeader, place(index));
            }
        }
        for &(index, register) in layout::registers(render) {
            if dword(index) != self.id.mmio_base() + register {
                tell(GuestRule::ContextImageRegister, place(index));
            }
        }
        if sets_beyond_mask(image.control) {
            tell(GuestRule::ContextControlBeyondMask, image.control.into());
        }
        let pdps = match levels {
            None => 0,
            Some(Levels::Three) => 4,
            Some(Levels::Four) => 1,
        };
        for &pdp in image.pdps.iter().take(pdps) {
            if pdp & (pte::RESERVED | PAGE_OFFSET) != 0 {
                tell(GuestRule::ContextPdpReserved, pdp);
            }
        }
        if image.tail & !reg::TAIL_ADDR != 0 {
            tell(GuestRule::RingTailMisaligned, image.tail.into());
        }
        check_start(image.start, tell);
        check_ctl(image.ctl, tell);
        check_room(image.head & reg::HEAD_ADDR, image.tail, tell);
    }

    /// Calls `look` with a place for what it finds in an image, if anybody wants to know.
    #[inline]
    pub(super) fn look(&self, bus: &mut Bus<'_>, look: impl FnOnce(&Bus<'_>, Tell<'_>)) {
        if bus.events.wants(Interests::RULES) {
            self.look_and_tell(bus, look);
        }
    }

    #[cold]
    fn look_and_tell(&self, bus: &mut Bus<'_>, look: impl FnOnce(&Bus<'_>, Tell<'_>)) {
        let mut broken = Vec::new();
        look(bus, &mut |rule, detail| broken.push((rule, detail)));
        let origin = Origin::Engine(self.id);
        for (rule, detail) in broken {
            let event = || Event::GuestError { rule, origin, detail };
            bus.events.emit_for(rule.group(), event);
        }
    }
}

/// The PPGTT entry that a walk ended at.
pub(super) fn check_entry(entry: u64, tell: Tell<'_>) {
    if entry & pte::RESERVED != 0 {
        tell(GuestRule::PteReserved, entry);
    }
}

/// A PPGTT is used: its entries choose one of the PAT's.
pub(super) fn check_pat(bus: &Bus<'_>, tell: Tell<'_>) {
    if bus.registers.get(mmio::PRIVATE_PAT_LO) | bus.registers.get(mmio::PRIVATE_PAT_HI) == 0 {
        tell(GuestRule::PatNotProgrammed, mmio::PRIVATE_PAT_LO.into());
    }
}

/// Commands are fetched from a ring: both its ends are mapped.
pub(super) fn check_ring_mapped(ring: &Ring, bus: &Bus<'_>, tell: Tell<'_>) {
    let first = ring.address(0);
    let last = first + u64::from(ring.size()) - PAGE_SIZE;
    let unmapped = [first, last].into_iter().find(|&at| bus.ggtt.translate(at).is_err());
    if let Some(address) = unmapped {
        tell(GuestRule::RingUnmapped, address);
    }
}

fn check_start(start: u32, tell: Tell<'_>) {
    if u64::from(start) & PAGE_OFFSET != 0 {
        tell(GuestRule::RingStartMisaligned, start.into());
    }
}

fn check_ctl(ctl: u32, tell: Tell<'_>) {
    if ctl & reg::CTL_VALID != 0 && ctl & !CTL_BITS != 0 {
        tell(GuestRule::RingCtlReserved, ctl.into());
    }
}

/// "If the head and the tail are in one cache line, the head must not be greater."
fn check_room(head: u32, tail: u32, tell: Tell<'_>) {
    if head / CACHE_LINE == tail / CACHE_LINE && tail < head {
        tell(GuestRule::RingTailBehindHead, tail.into());
    }
}

fn check_elements([first, second]: Elements, tell: Tell<'_>) {
    let twice = first.lrca() == second.lrca() || first.context_id() == second.context_id();
    if second.is_valid() && twice {
        tell(GuestRule::ElspContextTwice, second.0);
    }
    for element in [first, second].into_iter().filter(|element| element.is_valid()) {
        if element.0 & ContextDescriptor::RESERVED != 0 {
            tell(GuestRule::ElspDescriptorReserved, element.0 & PAGE_OFFSET);
        }
    }
}

/// Whether a read pointer that was at `old` may go to `new`, with entries up to `last`: forward, over
/// entries that there are.
fn is_between(old: u32, new: u32, last: u32) -> bool {
    if old == new || old == NO_ENTRY {
        return true;
    }
    // No entry was written since a reset.
    if last == NO_ENTRY {
        return false;
    }
    let distance = |to: u32| (to + CSB_ENTRIES - old) % CSB_ENTRIES;
    distance(new) <= distance(last)
}
