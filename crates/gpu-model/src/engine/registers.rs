//! The register block of an engine: live state by code, storage by rules.

use gen8_spec::execlists::ContextDescriptor;
use gen8_spec::hwsp::{CSB_ENTRIES, HEAD_REPORT};
use gen8_spec::mmio::ring as reg;
use gen8_spec::registers::context as saved;
use ppgtt::{Levels, PhysicalMemory};

use super::execlists::PortWrite;
use super::parser::Batch;
use super::tell::Piece;
use super::translate::Space;
use super::{Engine, GPR_DWORDS};
use crate::bus::Bus;
use crate::event::{Actor, Event, Interests, Invalidation, Submission, WriteKind};
use crate::guest_rule::{GuestRule, Origin};

/// INSTDONE of an engine that works: some unit is not done.
const INSTDONE_BUSY: u32 = !1;
/// Offset just past the PDP registers.
const PDP_END: u32 = reg::PDP0_LDW + 32;
/// Offset just past the CSB entries.
const CSB_END: u32 = reg::CSB_LO + 8 * CSB_ENTRIES;
/// Offset just past the general-purpose registers.
const GPR_END: u32 = reg::GPR0 + 4 * GPR_DWORDS as u32;

impl Engine {
    /// Reads the register at `offset` from the engine's base; `None` if there is none.
    pub fn read(&mut self, offset: u32, bus: &mut Bus<'_>) -> Option<u32> {
        self.live_register(offset, bus).or_else(|| self.registers.read(offset))
    }

    /// Registers whose value is state of the engine.
    fn live_register(&self, offset: u32, bus: &Bus<'_>) -> Option<u32> {
        let timestamp = Self::timestamp(bus);
        Some(match offset {
            reg::TAIL => self.ring.tail(),
            reg::HEAD => self.ring.head(),
            reg::START => self.ring.start(),
            reg::CTL if self.parser.waiting => self.ring.ctl() | reg::CTL_WAIT_SEMAPHORE,
            reg::CTL => self.ring.ctl(),
            reg::ACTHD | reg::DMA_FADD => self.active_head() as u32,
            reg::ACTHD_UDW | reg::DMA_FADD_UDW => (self.active_head() >> 32) as u32,
            reg::BBADDR => self.parser.batch.address_register() as u32,
            reg::BBADDR_UDW => (self.parser.batch.address_register() >> 32) as u32,
            reg::BBSTATE => self.parser.batch.state_register(),
            reg::SBBADDR => self.parser.second.address_register() as u32,
            reg::SBBADDR_UDW => (self.parser.second.address_register() >> 32) as u32,
            reg::SBBSTATE => self.parser.second.state_register(),
            reg::IPEHR => self.parser.header,
            reg::INSTDONE if self.is_idle() => u32::MAX,
            reg::INSTDONE => INSTDONE_BUSY,
            reg::MI_MODE if self.is_idle() => self.registers.get(offset) | reg::MI_MODE_IDLE,
            reg::ESR => self.error_status(),
            reg::ELSP => 0,
            reg::RESET_CTL if self.reset_ready() => reg::RESET_CTL_REQUEST | reg::RESET_CTL_READY,
            reg::EXECLIST_STATUS_LO => self.execlists.status(self.parser.arbitration),
            reg::EXECLIST_STATUS_HI => {
                self.execlists.current().map_or(0, ContextDescriptor::context_id)
            }
            reg::CSB_PTR => self.execlists.status_buffer.pointers(),
            reg::TIMESTAMP => timestamp as u32,
            reg::TIMESTAMP_UDW => (timestamp >> 32) as u32,
            reg::CTX_TIMESTAMP => self.context_timestamp(bus),
            reg::PDP0_LDW..PDP_END => half(*self.space.pdps.get(index_of(offset))?, offset),
            reg::CSB_LO..CSB_END => {
                let entry = (offset - reg::CSB_LO) / 8;
                let (status, context) = self.execlists.status_buffer.entry(entry);
                if is_upper(offset) { context } else { status }
            }
            reg::GPR0..GPR_END => *self.gprs.get((offset - reg::GPR0) as usize / 4)?,
            _ => return None,
        })
    }

    /// Writes the register at `offset` from the engine's base; `false` if there is none.
    pub fn write(&mut self, offset: u32, value: u32, bus: &mut Bus<'_>) -> bool {
        match offset {
            reg::TAIL => {
                self.ring.set_tail(value);
                self.check_ring(bus);
                let (engine, how) = (self.id, Submission::Tail { tail: self.ring.tail() });
                bus.events.emit_for(Interests::SUBMISSIONS, || Event::Submitted { engine, how });
            }
            reg::HEAD => self.ring.set_head(value),
            reg::START => self.ring.set_start(value),
            reg::CTL => self.write_ring_control(value),
            reg::ELSP => self.write_submit_port(value, bus),
            reg::CSB_PTR => self.execlists.status_buffer.write_pointers(value),
            reg::PDP0_LDW..PDP_END => self.write_pdp(offset, value, bus),
            reg::GPR0..GPR_END => {
                if let Some(gpr) = self.gprs.get_mut((offset - reg::GPR0) as usize / 4) {
                    *gpr = value;
                }
            }
            reg::GFX_MODE => {
                self.registers.write(offset, value);
                self.change_mode(bus);
            }
            reg::MI_MODE => {
                self.registers.write(offset, value);
                self.refresh_modes();
            }
            reg::EMR => {
                self.registers.write(offset, value);
                self.raise_error(self.error_status(), bus);
            }
            _ if self.live_register(offset, bus).is_some() => {
                // RESET_CTL is live only while a request stands; the rest is read only.
                self.registers.write(offset, value);
            }
            _ => return self.registers.write(offset, value).is_some(),
        }
        true
    }

    /// RING_CTL: writing the semaphore bit back cancels the wait, and a legacy ring that is disabled
    /// forgets the batch that it was in.
    fn write_ring_control(&mut self, value: u32) {
        if value & reg::CTL_WAIT_SEMAPHORE != 0 {
            self.cancel_wait();
        }
        self.ring.set_ctl(value & !reg::CTL_WAIT_SEMAPHORE);
        if !self.execlists_mode && !self.ring.is_valid() {
            self.parser.resume(Batch::default(), Batch::default());
        }
    }

    /// Tells the observer when a legacy ring is started that cannot run.
    fn check_ring(&self, bus: &mut Bus<'_>) {
        if let Some(rule) = self.ring.defect()
            && self.ring.is_valid()
        {
            let detail = u64::from(self.ring.tail());
            bus.events.emit(|| Event::GuestError { rule, origin: Origin::Cpu, detail });
        }
    }

    fn write_submit_port(&mut self, value: u32, bus: &mut Bus<'_>) {
        if !self.execlists_mode {
            let (rule, origin) = (GuestRule::ElspWithoutExeclists, Origin::Cpu);
            bus.events.emit(|| Event::GuestError { rule, origin, detail: value.into() });
            return;
        }
        let written = self.execlists.write_port(value);
        if matches!(written, PortWrite::Accepted | PortWrite::Overwrote) {
            self.tell_submission(written == PortWrite::Overwrote, bus);
        }
        let rule = match written {
            PortWrite::Collecting | PortWrite::Accepted => return,
            PortWrite::Overwrote => GuestRule::ElspTwoPending,
            PortWrite::Rejected => GuestRule::ElspElement0Missing,
        };
        let origin = Origin::Cpu;
        bus.events.emit(|| Event::GuestError { rule, origin, detail: value.into() });
    }

    /// A list is pending.
    fn tell_submission(&self, replaced: bool, bus: &mut Bus<'_>) {
        let Some(elements) = self.execlists.pending() else { return };
        let (engine, how) = (self.id, Submission::Elsp { elements, replaced });
        bus.events.emit_for(Interests::SUBMISSIONS, || Event::Submitted { engine, how });
    }

    /// A PDP register: translations of the old tables are void, and PDP0's lower half, written
    /// last, makes the set complete.
    fn write_pdp(&mut self, offset: u32, value: u32, bus: &mut Bus<'_>) {
        if let Some(pdp) = self.space.pdps.get_mut(index_of(offset)) {
            *pdp = if is_upper(offset) {
                *pdp & u64::from(u32::MAX) | u64::from(value) << 32
            } else {
                *pdp & !u64::from(u32::MAX) | u64::from(value)
            };
        }
        self.invalidate_tlb(Invalidation::PdpWrite, bus);
        if offset == reg::PDP0_LDW {
            self.report_pdps(self.context_id(), bus);
        }
    }

    /// GFX_MODE was written: submission mode, and in legacy mode whether there is a PPGTT. (With
    /// execlists the context descriptor says that.)
    fn change_mode(&mut self, bus: &mut Bus<'_>) {
        self.refresh_modes();
        if self.execlists_mode {
            return;
        }
        let mode = self.registers.get(reg::GFX_MODE);
        let levels = match (mode & reg::GFX_MODE_PPGTT, mode & reg::GFX_MODE_48BIT) {
            (0, _) => None,
            (_, 0) => Some(Levels::Three),
            _ => Some(Levels::Four),
        };
        if levels != self.space.levels {
            self.space.levels = levels;
            self.invalidate_tlb(Invalidation::ModeChange, bus);
        }
    }

    /// A register write by a command: this engine's block, or the registers that engines share.
    pub(crate) fn command_write(&mut self, register: u32, value: u32, bus: &mut Bus<'_>) {
        if !self.is_privileged() && !self.is_user_writable(register) {
            bus.events.emit(|| Event::PrivilegeViolation { engine: self.id, register });
            self.raise_error(reg::EIR_PRIVILEGE, bus);
            return;
        }
        bus.events.emit_for(Interests::REGISTER_WRITES, || {
            let by = Actor::Engine(self.site());
            Event::RegisterWritten { offset: register, value, by }
        });
        let offset = register.wrapping_sub(self.id.mmio_base());
        if self.write(offset, value, bus) || bus.registers.write(register, value).is_some() {
            return;
        }
        let (written, origin) = (Some(value), self.origin());
        bus.events.emit(|| Event::UnknownRegister { offset: register, written, origin });
    }

    /// A register read by a command; allowed to every batch.
    pub(crate) fn command_read(&mut self, register: u32, bus: &mut Bus<'_>) -> u32 {
        let offset = register.wrapping_sub(self.id.mmio_base());
        match self.read(offset, bus).or_else(|| bus.registers.read(register)) {
            Some(value) => value,
            None => {
                let (written, origin) = (None, self.origin());
                bus.events.emit(|| Event::UnknownRegister { offset: register, written, origin });
                0
            }
        }
    }

    /// Whether a batch without privilege may write this register: general-purpose registers, what
    /// belongs to the context, and what software has opened by FORCE_TO_NONPRIV.
    fn is_user_writable(&self, register: u32) -> bool {
        let offset = register.wrapping_sub(self.id.mmio_base());
        let opened = |n| {
            let value = self.registers.get(reg::FORCE_TO_NONPRIV + 4 * n);
            value != 0 && value & reg::ADDRESS_MASK == register
        };
        (reg::GPR0..GPR_END).contains(&offset)
            || saved::contains(saved::user_runs(self.id), register)
            || (0..reg::FORCE_TO_NONPRIV_COUNT).any(opened)
    }

    /// HEAD to the global status page.
    pub(crate) fn report_head(&mut self, bus: &mut Bus<'_>) {
        let address = self.status_page() + HEAD_REPORT;
        if let Some(at) = self.locate_ggtt(address, true, bus) {
            let head = self.ring.head();
            bus.memory.write_u32(at, head);
            let value = Some(head.into());
            let piece = Piece { space: Space::Ggtt, address, physical: at, len: 4, value };
            self.tell_write(WriteKind::Status, piece, bus);
        }
    }
}

/// Index of the 64-bit register that holds the PDP half at `offset`.
fn index_of(offset: u32) -> usize {
    (offset - reg::PDP0_LDW) as usize / 8
}

fn is_upper(offset: u32) -> bool {
    offset & 4 != 0
}

fn half(value: u64, offset: u32) -> u32 {
    if is_upper(offset) { (value >> 32) as u32 } else { value as u32 }
}
