//! Bringing the device up and down.

use alloc::vec::Vec;

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{PRIVATE_PAT_HI, PRIVATE_PAT_HI_I915, PRIVATE_PAT_LO, PRIVATE_PAT_LO_I915};
use gen8_spec::pci::{
    CFG_COMMAND, CFG_GMCH_CTRL, CFG_ID, COMMAND_BUS_MASTER, COMMAND_MEMORY, VENDOR_INTEL,
    ggtt_pte_bytes,
};
use gen8_spec::sku::{self, Sku};

use super::engine::Engine;
use super::error::{OutOfMemory, ProbeError};
use super::ggtt::Ggtt;
use super::hardware::Hardware;
use super::types::{GLOBAL_OWNER, GtConfig, KERNEL_CONTEXT};
use super::{Gt, forcewake, interrupts, reset};
use crate::Platform;

/// How long the first request of an engine may take. Generous: a guest under an instruction
/// emulator is slow, and a healthy device never waits.
const FIRST_REQUEST_LIMIT_NS: u64 = 5_000_000_000;
/// Token of the driver's own requests; their results are consumed here.
const PROBE_TOKEN: u64 = u64::MAX;

impl<P: Platform> Gt<P> {
    /// Brings the device up: identifies it, wakes and resets it, sets up the GGTT, the status
    /// pages, the engines and the interrupts, and runs one request on every engine.
    ///
    /// # Errors
    /// The platform is dropped; all pages were freed before.
    pub fn probe(platform: P, config: GtConfig) -> Result<Gt<P>, ProbeError> {
        let mut hw = Hardware::new(platform);
        let sku = identify(&mut hw)?;
        let entries = enable_function(&mut hw)?;
        if !forcewake::take(&mut hw) {
            return Err(ProbeError::Forcewake);
        }
        interrupts::reset(&mut hw);
        let ids: Vec<_> = EngineId::ALL.into_iter().filter(|&e| sku.has_engine(e)).collect();
        reset::reset_hardware(&mut hw, &ids, true)?;
        init_gt(&mut hw);
        if config.hints {
            hw.find_hint_port();
        }
        hw.hint(Hint::DriverStart);

        let scratch = hw.alloc_page(PageKind::Global, GLOBAL_OWNER).ok_or(OutOfMemory)?;
        let ggtt = Ggtt::new(entries, scratch);
        let mut gt =
            Gt { hw, config, sku, ggtt, ids: Vec::new(), engines: Vec::new(), wedged: false };
        match gt.start_engines(&ids) {
            Ok(()) => Ok(gt),
            Err(error) => {
                gt.shutdown();
                Err(error)
            }
        }
    }

    fn start_engines(&mut self, ids: &[EngineId]) -> Result<(), ProbeError> {
        self.hw.hint(Hint::ContextCreated { context: KERNEL_CONTEXT, vm: 0 });
        let execlists = self.config.submission.uses_execlists();
        for &id in ids {
            let (hw, ggtt) = (&mut self.hw, &mut self.ggtt);
            let mut engine = Engine::new(hw, ggtt, id, execlists, self.config.levels)?;
            engine.start(hw, 0);
            self.engines.push(engine);
            self.ids.push(id);
        }
        interrupts::enable(&mut self.hw, &self.engines)?;
        for &id in ids {
            self.run_first_request(id)?;
        }
        Ok(())
    }

    /// An engine that executes nothing is found here and not by the first client.
    fn run_first_request(&mut self, id: EngineId) -> Result<(), ProbeError> {
        let dead = ProbeError::EngineDead(id);
        self.switch_to_kernel_context(id, PROBE_TOKEN).map_err(|_| dead)?;
        let start = self.hw.platform.now_ns();
        while !(self.is_complete(id) && self.queue_idle(id)) {
            if self.hw.platform.now_ns().saturating_sub(start) > FIRST_REQUEST_LIMIT_NS {
                return Err(dead);
            }
            self.relax();
            self.poll();
        }
        while self.take_switched_out(id).is_some() {}
        Ok(())
    }

    /// Stops the engines, resets the device, turns its interrupts off and frees every page that
    /// the driver still holds for itself. Contexts and nodes given out must have been returned.
    pub fn shutdown(mut self) -> P {
        interrupts::reset(&mut self.hw);
        if let Err(error) = reset::reset_hardware(&mut self.hw, &self.ids, true) {
            log::error!("reset at shutdown: {error}");
        }
        for engine in self.engines {
            let left = engine.contexts.keys().filter(|&&id| id != KERNEL_CONTEXT).count();
            if left > 0 {
                log::error!("{}: {left} contexts were not destroyed", engine.id.name());
            }
            engine.free(&mut self.hw, &mut self.ggtt);
        }
        self.hw.hint(Hint::ContextFreed { context: KERNEL_CONTEXT });
        self.hw.free_page(self.ggtt.scratch());
        forcewake::release(&mut self.hw);
        self.hw.platform
    }
}

fn identify<P: Platform>(hw: &mut Hardware<P>) -> Result<Sku, ProbeError> {
    let id = hw.platform.config_read32(CFG_ID);
    let (vendor, device) = (id as u16, (id >> 16) as u16);
    if vendor != VENDOR_INTEL {
        return Err(ProbeError::NotIntel(vendor));
    }
    sku::by_device_id(device).ok_or(ProbeError::UnknownDevice(device))
}

/// Lets the function answer and reach memory; returns the number of GGTT entries.
fn enable_function<P: Platform>(hw: &mut Hardware<P>) -> Result<u64, ProbeError> {
    // The upper half is the status register, whose bits are cleared by ones.
    let command = hw.platform.config_read32(CFG_COMMAND) & 0xffff;
    let enable = u32::from(COMMAND_MEMORY | COMMAND_BUS_MASTER);
    hw.platform.config_write32(CFG_COMMAND, command | enable);
    let gmch_ctrl = hw.platform.config_read32(CFG_GMCH_CTRL) as u16;
    match ggtt_pte_bytes(gmch_ctrl) / 8 {
        0 => Err(ProbeError::NoGgtt(gmch_ctrl)),
        entries => Ok(entries),
    }
}

/// GT-wide registers, which an engine reset leaves alone.
pub(super) fn init_gt<P: Platform>(hw: &mut Hardware<P>) {
    hw.write(PRIVATE_PAT_LO, PRIVATE_PAT_LO_I915);
    hw.write(PRIVATE_PAT_HI, PRIVATE_PAT_HI_I915);
}
