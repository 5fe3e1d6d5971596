//! The device as others look at it from outside: a copy that they may ask.

use core::mem;

use crate::engine::Engine;
use crate::event::EventSink;
use crate::gpu::Gpu;

impl Gpu {
    /// A copy of the device as it is now, for questions: to read registers has effects (GMBUS, palettes,
    /// blankings), which the copy takes. It has no observer, and no GGTT: that is
    /// 8 MiB, longer than the device should be held up for a copy. See [`Gpu::ggtt`].
    pub fn copy_without_ggtt(&mut self) -> Gpu {
        let ggtt = mem::take(&mut self.state.ggtt);
        let state = self.state.clone();
        self.state.ggtt = ggtt;
        Gpu {
            config: self.config.clone(),
            memory: self.open_memory.clone(),
            open_memory: self.open_memory.clone(),
            observed_memory: self.open_memory.clone(),
            events: EventSink::default(),
            state,
            accesses: self.accesses,
            recording: None,
        }
    }

    /// What software would read from the register at `offset` of BAR0, whether the function decodes it
    /// or not; `None` if there is no such register. The observer hears nothing, but the effects of reading
    /// happen: ask a copy.
    pub fn register(&mut self, offset: u32) -> Option<u32> {
        self.peek(offset)
    }

    /// The engines that this part has.
    pub fn engines(&self) -> &[Engine] {
        &self.state.engines
    }
}

#[cfg(test)]
mod tests {
    use gen8_spec::mmio::ring;
    use gen8_spec::registers::planes;

    use super::*;
    use crate::{Bar, GpuConfig, GuestRam};

    #[test]
    fn reading_the_copy_changes_nothing_in_the_device() {
        let mut config = GpuConfig::by_device_id(0x1616).unwrap();
        config.outputs = vec!["hdmi=640x480".parse().unwrap()];
        let mut gpu = Gpu::new(config, GuestRam::empty());
        gpu.config_write(4, 2, 2); // memory decoding
        gpu.bar_write(Bar::Bar0, gen8_spec::pci::BAR0_GGTT_OFFSET, 8, 0x5001);
        gpu.bar_write(Bar::Bar0, (0x2000 + ring::START).into(), 4, 0x7000);
        let increment = planes::PREC_PAL_AUTO_INCREMENT;
        gpu.bar_write(Bar::Bar0, planes::PREC_PAL_INDEX.into(), 4, increment.into());
        let mut copy = gpu.copy_without_ggtt();
        assert_eq!(copy.register(planes::PREC_PAL_DATA), Some(0));
        assert_eq!(copy.register(planes::PREC_PAL_INDEX), Some(increment + 1), "reading steps");
        assert_eq!(gpu.register(planes::PREC_PAL_INDEX), Some(increment));
        assert_eq!(copy.register(0x2000 + ring::START), Some(0x7000));
        assert_eq!(copy.register(0x2001), None);
        assert_eq!((copy.ggtt().entries().len(), gpu.ggtt().read_pte(0)), (0, 0x5001));
    }
}
