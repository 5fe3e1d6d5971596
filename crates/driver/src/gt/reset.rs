//! Engine and full reset, and how requests survive it.

use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{FAULT_VALID, GDRST, GDRST_FULL, RING_FAULT_REG, ring as reg};
use gen8_spec::{masked_disable, masked_enable};

use super::engine::{Backend, Engine, InFlight};
use super::error::ResetError;
use super::hardware::Hardware;
use super::interrupts;
use super::seqno::seqno_passed;
use super::types::ResetReport;
use crate::Platform;

/// i915 `gen8_engine_reset_prepare`: 700 µs on hardware; a device model that runs in steps of
/// virtual time needs more.
const READY_LIMIT_NS: u64 = 10_000_000;
/// i915 `gen6_hw_domain_reset`: 2000 µs; see above.
const GDRST_LIMIT_NS: u64 = 20_000_000;
/// How long a stopped ring may take to become idle (i915 `intel_engine_stop_cs`, 1 ms).
const STOP_LIMIT_NS: u64 = 1_000_000;

/// Resets the given engines in hardware; all of them means the whole GT. Afterwards their
/// registers are at reset values.
pub(super) fn reset_hardware<P: Platform>(
    hw: &mut Hardware<P>,
    engines: &[EngineId],
    whole_gt: bool,
) -> Result<(), ResetError> {
    for &engine in engines {
        stop(hw, engine);
    }
    let mut result = Ok(());
    for &engine in engines {
        result = result.and_then(|()| request(hw, engine));
    }
    let domains = if whole_gt {
        GDRST_FULL
    } else {
        engines.iter().fold(0, |bits, engine| bits | engine.reset_domain())
    };
    // One reset is not always enough: i915 6.1 does the whole write and poll twice.
    for _ in 0..2 {
        result = result.and_then(|()| trigger(hw, domains));
    }
    for &engine in engines {
        hw.ring_write(engine, reg::RESET_CTL, masked_disable(reg::RESET_CTL_REQUEST));
    }
    clear_fault(hw);
    result
}

/// Asks the ring to stop between commands. An engine that hangs inside one does not; it is reset
/// all the same.
fn stop<P: Platform>(hw: &mut Hardware<P>, engine: EngineId) {
    hw.ring_write(engine, reg::MI_MODE, masked_enable(reg::MI_MODE_STOP_RING));
    let mode = engine.mmio_base() + reg::MI_MODE;
    if !hw.wait_register(mode, reg::MI_MODE_IDLE, reg::MI_MODE_IDLE, STOP_LIMIT_NS) {
        log::debug!("{}: does not stop before its reset", engine.name());
    }
}

/// The handshake before a reset (i915 `gen8_engine_reset_prepare`).
fn request<P: Platform>(hw: &mut Hardware<P>, engine: EngineId) -> Result<(), ResetError> {
    let register = engine.mmio_base() + reg::RESET_CTL;
    let control = hw.read(register);
    let (value, mask, expected) = if control & reg::RESET_CTL_CAT_ERROR != 0 {
        // After a catastrophic error the handshake is to clear that bit.
        (masked_enable(reg::RESET_CTL_CAT_ERROR), reg::RESET_CTL_CAT_ERROR, 0)
    } else if control & reg::RESET_CTL_READY != 0 {
        return Ok(());
    } else {
        (masked_enable(reg::RESET_CTL_REQUEST), reg::RESET_CTL_READY, reg::RESET_CTL_READY)
    };
    hw.write(register, value);
    if hw.wait_register(register, mask, expected, READY_LIMIT_NS) {
        Ok(())
    } else {
        Err(ResetError::NotReady(engine))
    }
}

fn trigger<P: Platform>(hw: &mut Hardware<P>, domains: u32) -> Result<(), ResetError> {
    hw.write(GDRST, domains);
    if hw.wait_register(GDRST, domains, 0, GDRST_LIMIT_NS) {
        Ok(())
    } else {
        Err(ResetError::Stuck(hw.read(GDRST) & domains))
    }
}

/// Reports and clears the fault register, which keeps the first fault.
fn clear_fault<P: Platform>(hw: &mut Hardware<P>) {
    let fault = hw.read(RING_FAULT_REG);
    if fault & FAULT_VALID != 0 {
        log::warn!("GPU fault {fault:#x} before the reset");
        hw.write(RING_FAULT_REG, fault & !FAULT_VALID);
    }
}

impl Engine {
    /// Brings the engine back after [`reset_hardware`] and lets its requests run again. If it was
    /// `hung`, the request that it was busy with and the later ones of that context only write
    /// their breadcrumbs.
    pub(super) fn resume<P: Platform>(&mut self, hw: &mut Hardware<P>, hung: bool) -> ResetReport {
        let completed = self.completed(hw);
        self.in_flight.retain(|request| !seqno_passed(completed, request.seqno));
        let report = self.sort_out(hw, hung);
        self.rewind_contexts(hw);
        let head = self.in_flight.front().map(|request| request.head);
        self.start(hw, head.or(self.ring_tail()).unwrap_or(0));
        interrupts::unmask_engine(hw, self.id);
        match &mut self.backend {
            Backend::Execlists(queue) => {
                queue.restart(|seqno| seqno_passed(completed, seqno));
                self.submit_ports(hw);
            }
            Backend::Legacy { .. } => self.resume_ring(hw),
        }
        report
    }

    /// Replaces the work of the guilty context's requests by NOOPs.
    fn sort_out<P: Platform>(&mut self, hw: &Hardware<P>, hung: bool) -> ResetReport {
        let mut report = ResetReport::default();
        let culprit = self.in_flight.front().filter(|_| hung).map(|request| request.context);
        for (position, request) in self.in_flight.iter().enumerate() {
            let guilty = Some(request.context) == culprit;
            if guilty {
                self.skip(hw, request);
            }
            match (guilty, position) {
                (true, 0) => report.guilty = Some(request.token),
                (true, _) => report.skipped.push(request.token),
                (false, _) => report.replayed.push(request.token),
            }
        }
        report
    }

    fn skip<P: Platform>(&self, hw: &Hardware<P>, request: &InFlight) {
        let ring = match &self.backend {
            Backend::Legacy { ring, .. } => Some(ring),
            Backend::Execlists(_) => {
                self.contexts.get(&request.context).and_then(|context| context.ring.as_ref())
            }
        };
        if let Some(ring) = ring {
            ring.fill(hw, request.payload, request.postfix - request.payload);
        }
    }

    /// Every context with something left starts at its first unfinished request.
    fn rewind_contexts<P: Platform>(&self, hw: &Hardware<P>) {
        if matches!(self.backend, Backend::Legacy { .. }) {
            return;
        }
        for request in self.in_flight.iter().rev() {
            // Backwards, so that the first request of a context has the last word.
            let context = self.contexts.get(&request.context);
            if let Some(image) = context.and_then(|context| context.image.as_ref()) {
                image.rewind(hw, request.head);
            }
        }
    }

    fn ring_tail(&self) -> Option<u32> {
        match &self.backend {
            Backend::Legacy { ring, .. } => Some(ring.tail()),
            Backend::Execlists(_) => None,
        }
    }

    /// Starts the legacy ring again. The page tables that its first request expects to be loaded
    /// are loaded by register.
    fn resume_ring<P: Platform>(&mut self, hw: &mut Hardware<P>) {
        let Backend::Legacy { ring, root } = &mut self.backend else { return };
        let Some(first) = self.in_flight.front() else {
            *root = None;
            return;
        };
        if let Some(pdps) = first.root.map(|root| root.pdps()) {
            for (n, pdp) in pdps.into_iter().enumerate().rev() {
                let offset = 8 * n as u32;
                hw.ring_write(self.id, reg::PDP0_UDW + offset, (pdp >> 32) as u32);
                hw.ring_write(self.id, reg::PDP0_LDW + offset, pdp as u32);
            }
        }
        hw.ring_write(self.id, reg::TAIL, ring.tail());
    }
}
