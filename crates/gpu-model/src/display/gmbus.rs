//! GMBUS: the controller of the two-wire buses to the monitors, and the EDID memories behind them.
//!
//! Cycles are over as soon as they start, so the controller is ready whenever software looks.

use gen8_spec::registers::outputs as regs;

use super::edid::{self, BLOCK};
use super::output::{MOST, Output};

/// Address of a monitor's EDID memory (VESA E-DDC).
const EDID_ADDRESS: u32 = 0x50;
/// Address of its segment pointer: which 256 bytes of it answer.
const SEGMENT_ADDRESS: u32 = 0x30;
/// Bytes of a segment.
const SEGMENT: usize = 2 * BLOCK;
/// Bytes that GMBUS3 holds.
const WORD: u32 = 4;

/// The memory of one monitor.
#[derive(Clone, Debug)]
struct Monitor {
    pin: u32,
    edid: [u8; 2 * BLOCK],
    /// The segment that answers until the next stop.
    segment: u8,
    /// The byte that comes next.
    at: u8,
}

impl Monitor {
    fn read(&mut self) -> u8 {
        let place = usize::from(self.segment) * SEGMENT + usize::from(self.at);
        self.at = self.at.wrapping_add(1);
        self.edid.get(place).copied().unwrap_or(0)
    }
}

/// What the controller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// So many bytes are to be read.
    Reads {
        left: u32,
        stop: bool,
    },
    /// So many bytes are to be written, to this device.
    Writes {
        left: u32,
        slave: u32,
        stop: bool,
    },
    /// All is moved, the bus is held.
    Waits,
    /// Nobody acknowledged.
    Refused,
}

/// The controller.
#[derive(Clone, Debug)]
pub(super) struct Gmbus {
    monitors: Vec<Monitor>,
    pin: u32,
    state: State,
    /// GMBUS3 as software wrote it last.
    data: u32,
}

impl Gmbus {
    /// A monitor for each output.
    pub(super) fn new(outputs: &[Output]) -> Gmbus {
        let pins = [regs::GMBUS_PIN_B, regs::GMBUS_PIN_C, regs::GMBUS_PIN_D];
        let monitors = outputs.iter().zip(pins).take(MOST).map(|(output, pin)| Monitor {
            pin,
            edid: edid::of_mode(&output.mode),
            segment: 0,
            at: 0,
        });
        Gmbus { monitors: monitors.collect(), pin: 0, state: State::Idle, data: 0 }
    }

    /// Status and data; `None` for registers that are storage.
    pub(super) fn read(&mut self, offset: u32) -> Option<u32> {
        match offset {
            regs::GMBUS2 => Some(self.status()),
            regs::GMBUS3 => match self.state {
                State::Reads { left, stop } => Some(self.take(left, stop)),
                _ => None,
            },
            _ => None,
        }
    }

    fn status(&self) -> u32 {
        let state = match self.state {
            State::Idle => 0,
            State::Reads { .. } | State::Writes { .. } => regs::GMBUS_HW_RDY | regs::GMBUS_ACTIVE,
            State::Waits => regs::GMBUS_HW_WAIT_PHASE | regs::GMBUS_ACTIVE,
            State::Refused => regs::GMBUS_SATOER,
        };
        regs::GMBUS_INUSE | state
    }

    /// `value` was written to the register at `offset`.
    pub(super) fn written(&mut self, offset: u32, value: u32) {
        match offset {
            regs::GMBUS0 => self.pin = value & regs::GMBUS_PIN_MASK,
            regs::GMBUS1 => self.command(value),
            regs::GMBUS3 => {
                self.data = value;
                if let State::Writes { left, slave, stop } = self.state {
                    self.give(left, slave, stop);
                }
            }
            _ => {}
        }
    }

    fn command(&mut self, command: u32) {
        if command & regs::GMBUS_SW_CLR_INT != 0 {
            self.end();
        } else if command & regs::GMBUS_SW_RDY != 0 && self.state != State::Refused {
            self.cycle(command);
        }
    }

    /// Runs a cycle.
    fn cycle(&mut self, command: u32) {
        let stop = command & regs::GMBUS_CYCLE_STOP != 0;
        if command & (regs::GMBUS_CYCLE_WAIT | regs::GMBUS_CYCLE_INDEX) == 0 {
            // No bytes: at most the end of what ran before.
            if stop {
                self.end();
            }
            return;
        }
        let slave = command >> regs::GMBUS_SLAVE_SHIFT & regs::GMBUS_SLAVE_MASK;
        let left = command >> regs::GMBUS_COUNT_SHIFT & regs::GMBUS_COUNT_MASK;
        let Some(monitor) = self.monitor(slave) else {
            self.state = State::Refused;
            return;
        };
        if command & regs::GMBUS_CYCLE_INDEX != 0 {
            monitor.at = (command >> regs::GMBUS_INDEX_SHIFT) as u8;
        }
        match (command & regs::GMBUS_READ != 0, left) {
            (_, 0) => self.moved(stop),
            (true, _) => self.state = State::Reads { left, stop },
            // The first bytes are in GMBUS3 already.
            (false, _) => self.give(left, slave, stop),
        }
    }

    /// The monitor that answers to `slave` on these pins.
    fn monitor(&mut self, slave: u32) -> Option<&mut Monitor> {
        let answers = slave == EDID_ADDRESS || slave == SEGMENT_ADDRESS;
        self.monitors.iter_mut().find(|monitor| answers && monitor.pin == self.pin)
    }

    /// Software takes the next bytes.
    fn take(&mut self, left: u32, stop: bool) -> u32 {
        let count = left.min(WORD);
        let mut word = 0;
        if let Some(monitor) = self.monitor(EDID_ADDRESS) {
            for byte in 0..count {
                word |= u32::from(monitor.read()) << (8 * byte);
            }
        }
        match left - count {
            0 => self.moved(stop),
            left => self.state = State::Reads { left, stop },
        }
        word
    }

    /// The next bytes go to a device: both that there are take one byte and remember the last.
    fn give(&mut self, left: u32, slave: u32, stop: bool) {
        let count = left.min(WORD);
        let byte = (self.data >> (8 * (count - 1))) as u8;
        if let Some(monitor) = self.monitor(slave) {
            match slave {
                SEGMENT_ADDRESS => monitor.segment = byte,
                _ => monitor.at = byte,
            }
        }
        match left - count {
            0 => self.moved(stop),
            left => self.state = State::Writes { left, slave, stop },
        }
    }

    /// All bytes of a cycle are moved.
    fn moved(&mut self, stop: bool) {
        if stop { self.end() } else { self.state = State::Waits }
    }

    /// A stop: segments go back.
    fn end(&mut self) {
        self.state = State::Idle;
        for monitor in &mut self.monitors {
            monitor.segment = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: u32 = regs::GMBUS_SW_RDY | regs::GMBUS_CYCLE_WAIT;

    fn gmbus() -> Gmbus {
        let mut gmbus = Gmbus::new(&["hdmi=1024x768".parse().unwrap()]);
        gmbus.written(regs::GMBUS0, regs::GMBUS_PIN_B);
        gmbus
    }

    fn read(gmbus: &mut Gmbus, index: u32, bytes: u32, slave: u32) -> Vec<u8> {
        let index = regs::GMBUS_CYCLE_INDEX | index << regs::GMBUS_INDEX_SHIFT;
        let count = bytes << regs::GMBUS_COUNT_SHIFT;
        gmbus.written(regs::GMBUS1, WAIT | index | count | slave << 1 | regs::GMBUS_READ);
        let mut read = Vec::new();
        while gmbus.status() & regs::GMBUS_HW_RDY != 0 {
            read.extend(gmbus.read(regs::GMBUS3).unwrap().to_le_bytes());
        }
        read.truncate(bytes as usize);
        read
    }

    #[test]
    fn the_edid_is_read_by_index_and_the_bus_is_held_until_the_stop() {
        let mut gmbus = gmbus();
        let edid = gmbus.monitors[0].edid;
        assert_eq!(gmbus.status(), regs::GMBUS_INUSE);
        assert_eq!(read(&mut gmbus, 0, 128, EDID_ADDRESS), edid[..128]);
        let held = regs::GMBUS_INUSE | regs::GMBUS_HW_WAIT_PHASE | regs::GMBUS_ACTIVE;
        assert_eq!(gmbus.status(), held);
        assert_eq!(read(&mut gmbus, 128, 128, EDID_ADDRESS), edid[128..]);
        assert_eq!(read(&mut gmbus, 7, 3, EDID_ADDRESS), edid[7..10]);
        gmbus.written(regs::GMBUS1, regs::GMBUS_SW_RDY | regs::GMBUS_CYCLE_STOP);
        assert_eq!(gmbus.status(), regs::GMBUS_INUSE);
    }

    #[test]
    fn a_written_byte_is_where_the_next_read_begins() {
        let mut gmbus = gmbus();
        let edid = gmbus.monitors[0].edid;
        gmbus.written(regs::GMBUS3, 54);
        gmbus.written(regs::GMBUS1, WAIT | 1 << regs::GMBUS_COUNT_SHIFT | EDID_ADDRESS << 1);
        let count = 4 << regs::GMBUS_COUNT_SHIFT;
        gmbus.written(regs::GMBUS1, WAIT | count | EDID_ADDRESS << 1 | regs::GMBUS_READ);
        assert_eq!(gmbus.read(regs::GMBUS3).unwrap().to_le_bytes(), edid[54..58]);
    }

    #[test]
    fn beyond_the_edid_a_segment_reads_zero_until_the_stop() {
        let mut gmbus = gmbus();
        gmbus.written(regs::GMBUS3, 1);
        gmbus.written(regs::GMBUS1, WAIT | 1 << regs::GMBUS_COUNT_SHIFT | SEGMENT_ADDRESS << 1);
        assert_eq!(read(&mut gmbus, 1, 4, EDID_ADDRESS), [0; 4]);
        gmbus.written(regs::GMBUS1, regs::GMBUS_SW_RDY | regs::GMBUS_CYCLE_STOP);
        assert_eq!(read(&mut gmbus, 1, 4, EDID_ADDRESS), [255; 4]);
    }

    #[test]
    fn who_is_not_there_refuses_until_software_clears_it() {
        for (pin, slave) in [(regs::GMBUS_PIN_B, 0x40), (regs::GMBUS_PIN_C, EDID_ADDRESS)] {
            let mut gmbus = gmbus();
            gmbus.written(regs::GMBUS0, pin);
            assert!(read(&mut gmbus, 0, 16, slave).is_empty());
            assert_eq!(gmbus.status(), regs::GMBUS_INUSE | regs::GMBUS_SATOER);
            gmbus.written(regs::GMBUS1, regs::GMBUS_SW_CLR_INT);
            gmbus.written(regs::GMBUS1, 0);
            assert_eq!(gmbus.status(), regs::GMBUS_INUSE);
        }
    }
}
