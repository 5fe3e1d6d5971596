//! The PCH's side of the ports: their wires, the controllers that drive them, and what interrupts.

use gen8_spec::registers::outputs as regs;

use super::ddc::Ddc;
use super::gmbus::Gmbus;
use super::gpio::Gpio;
use super::output::{Monitor, Output, PlugError, Port, hot_plug_bit};
use super::ports;
use crate::registers::RegisterFile;

/// What changed in the PCH's bank of interrupts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PchNews {
    /// Levels that ISR shows from now on.
    pub levels: u32,
    /// Events that happened.
    pub events: u32,
}

/// The ports that there are.
#[derive(Clone, Debug, Hash)]
pub(super) struct Pch {
    /// The wires of each port, with its monitor.
    ddc: Vec<Ddc>,
    gmbus: Gmbus,
    gpio: Gpio,
    /// What was told last, and the events since.
    told: u32,
    events: u32,
}

impl Pch {
    /// Outputs take the ports in their order; what is beyond has no port.
    pub(super) fn new(outputs: &[Output], file: &mut RegisterFile) -> Pch {
        let ports = outputs.iter().take(regs::PORT_COUNT);
        let ddc: Vec<Ddc> = ports.map(|output| Ddc::new(output.monitor.clone())).collect();
        let (gmbus, gpio) = (Gmbus::new(), Gpio::new(file));
        let mut pch = Pch { ddc, gmbus, gpio, told: 0, events: 0 };
        pch.told = pch.levels();
        pch
    }

    /// The ports, and what is connected there now.
    pub(super) fn outputs(&self) -> Vec<Output> {
        self.ddc.iter().map(|ddc| Output { monitor: ddc.monitor().cloned() }).collect()
    }

    /// Levels in the bank of interrupts: ports where a monitor is connected, and GMBUS.
    pub(super) fn levels(&self) -> u32 {
        let wires = Port::ALL.into_iter().zip(&self.ddc);
        let gmbus = if self.gmbus.interrupts() { regs::PCH_GMBUS } else { 0 };
        wires
            .filter(|(_, ddc)| ddc.monitor().is_some())
            .fold(gmbus, |levels, (port, _)| levels | hot_plug_bit(port))
    }

    /// Connects a monitor, or takes it away.
    pub(super) fn change(
        &mut self,
        port: Port,
        monitor: Option<Monitor>,
        file: &mut RegisterFile,
    ) -> Result<(), PlugError> {
        let wires = self.ddc.get_mut(port.index()).ok_or(PlugError::NoPort(port))?;
        match (wires.monitor(), &monitor) {
            (Some(_), Some(_)) => return Err(PlugError::Taken(port)),
            (None, None) => return Err(PlugError::Empty(port)),
            _ => *wires = Ddc::new(monitor),
        }
        self.events |= ports::pulse(port, file);
        Ok(())
    }

    /// Registers that are more than storage; `None` for others.
    pub(super) fn read(&mut self, offset: u32) -> Option<u32> {
        self.gmbus.read(offset, &mut self.ddc)
    }

    /// `stored` was written to the register at `offset`, which held `before`.
    pub(super) fn written(
        &mut self,
        offset: u32,
        before: u32,
        stored: u32,
        file: &mut RegisterFile,
    ) {
        self.gmbus.written(offset, stored, &mut self.ddc);
        self.gpio.written(offset, before, stored, file, &mut self.ddc);
        self.events |= ports::written(offset, before, stored, file);
    }

    /// What changed since this was last asked. GMBUS interrupts when its level rises; the ports' levels have
    /// their events by pulses.
    pub(super) fn take_news(&mut self) -> Option<PchNews> {
        let levels = self.levels();
        let events = std::mem::take(&mut self.events) | levels & !self.told & regs::PCH_GMBUS;
        if levels == self.told && events == 0 {
            return None;
        }
        self.told = levels;
        Some(PchNews { levels, events })
    }
}
