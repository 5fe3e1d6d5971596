//! Rules for what software writes to registers and to the GGTT, looked at before it takes effect and
//! only for observers of [`Interests::RULES`]. Rules for engines alone are in `engine/rules.rs`.

use gen8_spec::{PAGE_SIZE, mmio as regs, pte, sets_beyond_mask};
use ppgtt::PhysicalMemory;

use crate::engine::Tell;
use crate::event::{Event, Interests};
use crate::fuses;
use crate::gpu::Gpu;
use crate::guest_rule::{GuestRule, Origin};
use crate::reset;

/// Registers without a rule of their own that software can only read.
const READ_ONLY: [u32; 3] = [regs::FORCEWAKE_ACK_HSW, regs::GT_THREAD_STATUS, regs::TIMESTAMP_CTR];

impl Gpu {
    /// A register is to be written by a CPU.
    pub(crate) fn check_register(&mut self, offset: u32, value: u32) {
        self.look(|gpu, tell| match gpu.engine_at(offset) {
            Some((index, at)) => gpu.check_engine(index, at, value, tell),
            None => gpu.check_device(offset, value, tell),
        });
    }

    /// A GGTT entry is to be written by a CPU.
    pub(crate) fn check_pte(&mut self, index: u64, value: u64) {
        self.look(|gpu, tell| gpu.check_ggtt(index, value, tell));
    }

    /// Calls `look` with a place for what it finds, if anybody wants to know.
    #[inline]
    fn look(&mut self, look: impl FnOnce(&Gpu, Tell<'_>)) {
        if self.events.wants(Interests::RULES) {
            self.look_and_tell(look);
        }
    }

    #[cold]
    fn look_and_tell(&mut self, look: impl FnOnce(&Gpu, Tell<'_>)) {
        let mut broken = Vec::new();
        look(self, &mut |rule, detail| broken.push((rule, detail)));
        let origin = Origin::Cpu;
        for (rule, detail) in broken {
            let event = || Event::GuestError { rule, origin, detail };
            self.events.emit_for(rule.group(), event);
        }
    }

    fn check_engine(&self, index: usize, at: u32, value: u32, tell: Tell<'_>) {
        let Some(engine) = self.state.engines.get(index) else { return };
        engine.check_write(at, value, tell);
        for element in engine.submission_by(at, value).into_iter().flatten() {
            let mut others = self.state.engines.iter().filter(|other| other.id() != engine.id());
            if element.is_valid() && others.any(|other| other.has_image(element.lrca())) {
                tell(GuestRule::ContextOnTwoEngines, element.0);
            }
        }
    }

    fn check_device(&self, offset: u32, value: u32, tell: Tell<'_>) {
        let state = &self.state;
        let rule = state.registers.rule(offset);
        let masked = offset == regs::FORCEWAKE_MT || rule.is_some_and(|rule| rule.masked);
        if masked && sets_beyond_mask(value) {
            tell(GuestRule::MaskedBitBeyondMask, offset.into());
        }
        let ruled = rule.is_some_and(|rule| rule.writable == 0 && rule.w1c == 0);
        let fuse = fuses::read(&self.config, offset).is_some();
        if ruled || fuse || READ_ONLY.contains(&offset) {
            tell(GuestRule::ReadOnlyRegisterWritten, offset.into());
        }
        state.interrupts.check_write(offset, value, tell);
        state.fences.check_write(offset, value, tell);
        if offset == regs::GDRST {
            self.check_reset(value, tell);
        }
    }

    fn check_reset(&self, domains: u32, tell: Tell<'_>) {
        let mut named = self.state.engines.iter().filter(|e| reset::selects(domains, e.id()));
        // Drivers write GDRST twice; an engine that was reset has nothing to be asked for.
        if named.any(|engine| engine.has_work() && !engine.reset_ready()) {
            tell(GuestRule::ResetWithoutRequest, domains.into());
        }
    }

    fn check_ggtt(&self, index: u64, value: u64, tell: Tell<'_>) {
        let address = index * PAGE_SIZE;
        if value & pte::RESERVED != 0 {
            tell(GuestRule::GgttPteReserved, address);
        }
        let maps = |entry: u64| (entry & pte::PRESENT != 0).then_some(entry & pte::ADDRESS_MASK);
        if maps(value).is_some_and(|page| self.observed_memory.read_u32(page).is_none()) {
            tell(GuestRule::GgttPteOutsideRam, address);
        }
        let changed = maps(self.state.ggtt.read_pte(index)) != maps(value);
        if changed && self.state.engines.iter().any(|engine| engine.holds_page(index)) {
            tell(GuestRule::ContextImageRemapped, address);
        }
    }
}
