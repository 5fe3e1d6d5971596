//! The display: registers, and what hangs on them once a monitor is connected.
//!
//! Without an output the block is storage, which is all that a driver asks of pipes without
//! monitors. With outputs (`output`) there are ports (`pch`, `ports`) with their DDC (`ddc`, `edid`, `gmbus`,
//! `gpio`), and pipes (`pipe`, `frames`, `flips`, `palette`, `crc`) whose timing follows from the clocks
//! (`clocks`) and from device time. What a pipe sends is `scan_out`'s part.

mod clocks;
mod crc;
mod ddc;
mod edid;
mod flips;
mod frames;
mod gmbus;
mod gpio;
mod mode;
mod output;
mod palette;
mod pch;
mod pipe;
mod ports;
mod scan_out;
mod surface;

use core::array;

use gen8_spec::registers::display as regs;
use gen8_spec::registers::outputs as out;

pub(crate) use self::output::straps;
pub use self::output::{Monitor, Output, OutputError, PlugError, Port};
use self::pch::Pch;
pub use self::pch::PchNews;
use self::pipe::{Around, Pipe};
pub use self::scan_out::{Changes, Picture, Pixel, PlaneId, Scanner, Screen};
pub use self::surface::Surface;
use crate::event::EventSink;
use crate::ggtt::Ggtt;
use crate::memory::GuestRam;
use crate::registers::RegisterFile;

/// The display block.
#[derive(Clone, Debug, Hash)]
pub struct Display {
    file: RegisterFile,
    /// What works once there is an output.
    connected: Option<Connected>,
}

/// Ports and pipes.
#[derive(Clone, Debug, Hash)]
struct Connected {
    pch: Pch,
    pipes: [Pipe; out::PIPE_COUNT],
}

impl Display {
    /// The block after power-on. Outputs take the ports B, C and D in their order; what is beyond
    /// has no port.
    pub fn new(outputs: &[Output]) -> Self {
        if outputs.is_empty() {
            return Self { file: RegisterFile::new(regs::RULES), connected: None };
        }
        let mut file = RegisterFile::of(&[regs::RULES, out::RULES]);
        ports::reset(&mut file);
        let pch = Pch::new(outputs, &mut file);
        let pipes = array::from_fn(|index| Pipe::new(index as u32));
        Self { file, connected: Some(Connected { pch, pipes }) }
    }

    /// The ports, and what is connected there now.
    pub fn outputs(&self) -> Vec<Output> {
        self.connected.as_ref().map_or_else(Vec::new, |connected| connected.pch.outputs())
    }

    /// Levels in the PCH's bank of interrupts: the ports where a monitor is connected, and GMBUS.
    pub fn pch_levels(&self) -> u32 {
        self.connected.as_ref().map_or(0, |connected| connected.pch.levels())
    }

    /// What changed in the PCH's bank of interrupts since this was last asked.
    pub fn take_pch_news(&mut self) -> Option<PchNews> {
        self.connected.as_mut()?.pch.take_news()
    }

    /// Connects a monitor, or with `None` takes it away.
    ///
    /// # Errors
    ///
    /// There is no such port, or it has a monitor already, or none.
    pub fn change(&mut self, port: Port, monitor: Option<Monitor>) -> Result<(), PlugError> {
        let connected = self.connected.as_mut().ok_or(PlugError::NoPort(port))?;
        connected.pch.change(port, monitor, &mut self.file)
    }

    /// Register read at `now_ns` of device time; `None` when `offset` is not one of this block's.
    /// A read of GMBUS data takes it away, one of a palette may move its index.
    pub fn read(&mut self, offset: u32, now_ns: u64) -> Option<u32> {
        if let Some(connected) = &mut self.connected {
            if let Some(value) = connected.pch.read(offset) {
                return Some(value);
            }
            if let Some(value) =
                connected.pipes.iter_mut().find_map(|pipe| pipe.read(offset, now_ns))
            {
                return Some(value);
            }
            if offset == out::TIMESTAMP_CTR_US {
                return Some((now_ns / 1000) as u32);
            }
        }
        self.file.read(offset)
    }

    /// Register write at `now_ns` of device time; false when `offset` is not one of this block's.
    pub fn write(&mut self, offset: u32, value: u32, now_ns: u64) -> bool {
        let before = self.file.get(offset);
        let Some(stored) = self.file.write(offset, value) else {
            return false;
        };
        if offset == regs::SBI_CTL_STAT {
            self.side_band_transaction(stored);
        }
        if let Some(connected) = &mut self.connected {
            connected.pch.written(offset, before, stored, &mut self.file);
            for pipe in &mut connected.pipes {
                pipe.written(offset, &mut self.file, now_ns);
            }
        }
        true
    }

    /// What the bytes of a register hold that a narrow write leaves alone, without bits that software clears by
    /// writing one; `None` when `offset` is not one of this block's. It is no read: that could have an effect.
    pub fn untouched(&self, offset: u32) -> Option<u32> {
        Some(self.file.get(offset) & !self.file.rule(offset)?.w1c)
    }

    /// Time came to `now_ns`. Gives the interrupts that this causes in the banks of the pipes.
    pub fn advance_to(
        &mut self,
        now_ns: u64,
        ggtt: &Ggtt,
        memory: &GuestRam,
        events: &mut EventSink,
    ) -> [u32; out::PIPE_COUNT] {
        let Some(connected) = &mut self.connected else {
            return [0; out::PIPE_COUNT];
        };
        let mut around = Around { file: &mut self.file, ggtt, memory, events };
        connected.pipes.each_mut().map(|pipe| pipe.advance_to(now_ns, &mut around))
    }

    /// Interrupts in the banks of the pipes that writes caused, not blankings. Each is given once.
    pub fn take_events(&mut self) -> [u32; out::PIPE_COUNT] {
        let pipes = self.connected.as_mut().map(|connected| &mut connected.pipes);
        pipes.map_or([0; out::PIPE_COUNT], |pipes| pipes.each_mut().map(Pipe::take_events))
    }

    /// The interrupts that a pipe's next blanking may cause in its bank.
    pub fn next_events(&self, pipe: usize) -> u32 {
        let pipe = self.connected.as_ref().and_then(|all| all.pipes.get(pipe));
        pipe.map_or(0, |pipe| pipe.next_events(&self.file))
    }

    /// When the next blanking of a pipe begins, in device time; `None` while it is off.
    pub fn next_blanking(&self, pipe: usize) -> Option<u64> {
        self.connected.as_ref()?.pipes.get(pipe)?.next_blanking()
    }

    /// What a pipe sends; `None` while it is off.
    pub fn screen(&self, pipe: usize, ggtt: &Ggtt, memory: &GuestRam) -> Option<Screen> {
        self.connected.as_ref()?.pipes.get(pipe)?.screen(&self.file, ggtt, memory)
    }

    /// The memory of what a pipe's primary plane shows; `None` while either is off.
    pub fn surface(&self, pipe: usize, ggtt: &Ggtt) -> Option<Surface> {
        self.connected.as_ref()?.pipes.get(pipe)?.surface(&self.file, ggtt)
    }

    /// A side-band transaction is over as soon as it starts. There is no PCH behind it: its
    /// registers read 0 and swallow writes.
    fn side_band_transaction(&mut self, control: u32) {
        if control & regs::SBI_BUSY != 0 && control & regs::SBI_OPCODE_MASK == regs::SBI_OPCODE_READ
        {
            self.file.set(regs::SBI_DATA, 0);
        }
        self.file.set(regs::SBI_CTL_STAT, control & !regs::SBI_BUSY);
    }
}

/// Whether a read of this register can change what interrupts: GMBUS is ready until its data are taken.
pub(crate) fn reading_matters(offset: u32) -> bool {
    offset == out::GMBUS3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_band_is_never_busy_and_reads_zero() {
        let mut display = Display::new(&[]);
        display.write(regs::SBI_DATA, 8, 0);
        display.write(regs::SBI_CTL_STAT, 0x701, 0);
        assert_eq!(display.read(regs::SBI_CTL_STAT, 0), Some(0x700));
        assert_eq!(display.read(regs::SBI_DATA, 0), Some(8));
        display.write(regs::SBI_CTL_STAT, 0x601, 0);
        assert_eq!(display.read(regs::SBI_CTL_STAT, 0), Some(0x600));
        assert_eq!(display.read(regs::SBI_DATA, 0), Some(0));
    }

    #[test]
    fn without_an_output_the_display_is_storage() {
        let mut display = Display::new(&[]);
        assert_eq!(display.read(out::HTOTAL, 0), None);
        assert_eq!(display.read(out::TIMESTAMP_CTR_US, 5000), None);
        for (offset, value) in [
            (out::PIPECONF, out::PIPECONF_ENABLE),
            (out::DDI_BUF_CTL + out::DDI_BUF_STRIDE, 0),
            (out::PORT_CLK_SEL, 0),
            (out::GMBUS2, 7),
        ] {
            assert_eq!(display.read(offset, 0), Some(0));
            display.write(offset, value, 0);
            assert_eq!(display.read(offset, 0), Some(value));
        }
        let (ggtt, memory) = (Ggtt::new(0), GuestRam::empty());
        let raised = display.advance_to(1 << 40, &ggtt, &memory, &mut EventSink::default());
        assert_eq!(raised, [0; out::PIPE_COUNT]);
    }
}
