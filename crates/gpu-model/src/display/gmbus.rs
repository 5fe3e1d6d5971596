//! GMBUS: the controller of the two-wire buses to the monitors.
//!
//! Cycles are over as soon as they start, so the controller is ready whenever software looks, and no
//! device stalls: GMBUS2 never tells of a time-out.

use gen8_spec::registers::outputs as regs;

use super::ddc::Ddc;

/// Pins of the ports, in their order.
const PINS: [u32; regs::PORT_COUNT] = [regs::GMBUS_PIN_B, regs::GMBUS_PIN_C, regs::GMBUS_PIN_D];
/// Bytes that GMBUS3 holds.
const WORD: u32 = 4;

/// What the controller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Idle,
    /// So many bytes are to be read.
    Reads {
        left: u32,
        stop: bool,
    },
    /// So many bytes are to be written.
    Writes {
        left: u32,
        stop: bool,
    },
    /// All is moved, the bus is held.
    Waits,
    /// Nobody acknowledged.
    Refused,
}

/// The controller. The buses are handed in: that of a port has the port's place.
#[derive(Clone, Debug, Hash)]
pub(super) struct Gmbus {
    pin: u32,
    state: State,
    /// Bytes that the cycle moved.
    count: u32,
    /// GMBUS3, GMBUS4 and GMBUS5 as software wrote them last.
    data: u32,
    enabled: u32,
    long_index: u32,
}

impl Gmbus {
    /// The controller after power-on.
    pub(super) fn new() -> Gmbus {
        Gmbus { pin: 0, state: State::Idle, count: 0, data: 0, enabled: 0, long_index: 0 }
    }

    /// Status and data; `None` for registers that are storage.
    pub(super) fn read(&mut self, offset: u32, buses: &mut [Ddc]) -> Option<u32> {
        match offset {
            regs::GMBUS2 => Some(self.status()),
            regs::GMBUS3 => match self.state {
                State::Reads { left, stop } => Some(self.take(left, stop, buses)),
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
        regs::GMBUS_INUSE | state | self.count & regs::GMBUS_MOVED_MASK
    }

    /// Whether one of the events that GMBUS4 enables lasts.
    pub(super) fn interrupts(&self) -> bool {
        let event = match self.state {
            State::Idle => regs::GMBUS_IDLE_EN,
            State::Reads { .. } | State::Writes { .. } => regs::GMBUS_HW_RDY_EN,
            State::Waits => regs::GMBUS_HW_WAIT_EN,
            State::Refused => regs::GMBUS_NAK_EN | regs::GMBUS_IDLE_EN,
        };
        self.enabled & event != 0
    }

    /// `value` was written to the register at `offset`.
    pub(super) fn written(&mut self, offset: u32, value: u32, buses: &mut [Ddc]) {
        match offset {
            regs::GMBUS0 => self.pin = value & regs::GMBUS_PIN_MASK,
            regs::GMBUS1 => self.command(value, buses),
            regs::GMBUS3 => {
                self.data = value;
                if let State::Writes { left, stop } = self.state {
                    self.give(left, stop, buses);
                }
            }
            regs::GMBUS4 => self.enabled = value,
            regs::GMBUS5 => self.long_index = value,
            _ => {}
        }
    }

    fn command(&mut self, command: u32, buses: &mut [Ddc]) {
        if command & regs::GMBUS_SW_CLR_INT != 0 {
            self.end(buses);
        } else if command & regs::GMBUS_SW_RDY != 0 && self.state != State::Refused {
            self.cycle(command, buses);
        }
    }

    /// Runs a cycle.
    fn cycle(&mut self, command: u32, buses: &mut [Ddc]) {
        let stop = command & regs::GMBUS_CYCLE_STOP != 0;
        if command & (regs::GMBUS_CYCLE_WAIT | regs::GMBUS_CYCLE_INDEX) == 0 {
            // No bytes: at most the end of what ran before.
            if stop {
                self.end(buses);
            }
            return;
        }
        self.count = 0;
        if !self.begin(command, buses) {
            self.state = State::Refused;
            return;
        }
        let left = command >> regs::GMBUS_COUNT_SHIFT & regs::GMBUS_COUNT_MASK;
        match (command & regs::GMBUS_READ != 0, left) {
            (_, 0) => self.moved(stop, buses),
            (true, _) => self.state = State::Reads { left, stop },
            // The first bytes are in GMBUS3 already.
            (false, _) => self.give(left, stop, buses),
        }
    }

    /// Sends address and index; says whether somebody acknowledges.
    fn begin(&self, command: u32, buses: &mut [Ddc]) -> bool {
        let Some(bus) = self.bus(buses) else { return false };
        let slave = command >> regs::GMBUS_SLAVE_SHIFT & regs::GMBUS_SLAVE_MASK;
        let read = command & regs::GMBUS_READ != 0;
        if command & regs::GMBUS_CYCLE_INDEX == 0 {
            return bus.start(slave, read);
        }
        if !bus.start(slave, false) {
            return false;
        }
        let [_, _, first, second] = self.long_index.to_be_bytes();
        match self.long_index & regs::GMBUS_2BYTE_INDEX_EN {
            0 => bus.write((command >> regs::GMBUS_INDEX_SHIFT) as u8),
            _ => [first, second].into_iter().for_each(|byte| bus.write(byte)),
        }
        !read || bus.start(slave, true)
    }

    /// The bus on these pins.
    fn bus<'a>(&self, buses: &'a mut [Ddc]) -> Option<&'a mut Ddc> {
        buses.get_mut(PINS.iter().position(|&pin| pin == self.pin)?)
    }

    /// Software takes the next bytes.
    fn take(&mut self, left: u32, stop: bool, buses: &mut [Ddc]) -> u32 {
        let count = left.min(WORD);
        let bus = self.bus(buses);
        let word = bus.map_or(0, |bus| {
            (0..count).fold(0, |word, byte| word | u32::from(bus.read()) << (8 * byte))
        });
        self.count += count;
        match left - count {
            0 => self.moved(stop, buses),
            left => self.state = State::Reads { left, stop },
        }
        word
    }

    /// The next bytes go to a device.
    fn give(&mut self, left: u32, stop: bool, buses: &mut [Ddc]) {
        let count = left.min(WORD);
        if let Some(bus) = self.bus(buses) {
            for byte in self.data.to_le_bytes().into_iter().take(count as usize) {
                bus.write(byte);
            }
        }
        self.count += count;
        match left - count {
            0 => self.moved(stop, buses),
            left => self.state = State::Writes { left, stop },
        }
    }

    /// All bytes of a cycle are moved.
    fn moved(&mut self, stop: bool, buses: &mut [Ddc]) {
        if stop { self.end(buses) } else { self.state = State::Waits }
    }

    /// A stop.
    fn end(&mut self, buses: &mut [Ddc]) {
        (self.state, self.count) = (State::Idle, 0);
        if let Some(bus) = self.bus(buses) {
            bus.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::ddc::{EDID_ADDRESS, SEGMENT_ADDRESS};
    use crate::display::output::Monitor;

    const WAIT: u32 = regs::GMBUS_SW_RDY | regs::GMBUS_CYCLE_WAIT;

    /// The controller, and a monitor at port B with its EDID.
    struct Bench {
        gmbus: Gmbus,
        buses: [Ddc; 2],
        edid: Vec<u8>,
    }

    impl Bench {
        fn new() -> Bench {
            let monitor = Monitor::of_size(1024, 768).unwrap();
            let edid = monitor.edid().to_vec();
            let buses = [Ddc::new(Some(monitor)), Ddc::new(None)];
            let mut bench = Bench { gmbus: Gmbus::new(), buses, edid };
            bench.write(regs::GMBUS0, regs::GMBUS_PIN_B);
            bench
        }

        fn write(&mut self, register: u32, value: u32) {
            self.gmbus.written(register, value, &mut self.buses);
        }

        fn word(&mut self) -> [u8; 4] {
            self.gmbus.read(regs::GMBUS3, &mut self.buses).unwrap().to_le_bytes()
        }

        fn read(&mut self, index: u32, bytes: u32, slave: u32) -> Vec<u8> {
            let index = regs::GMBUS_CYCLE_INDEX | index << regs::GMBUS_INDEX_SHIFT;
            let count = bytes << regs::GMBUS_COUNT_SHIFT;
            self.write(regs::GMBUS1, WAIT | index | count | slave << 1 | regs::GMBUS_READ);
            let mut read = Vec::new();
            while self.gmbus.status() & regs::GMBUS_HW_RDY != 0 {
                read.extend(self.word());
            }
            read.truncate(bytes as usize);
            read
        }

        fn stop(&mut self) {
            self.write(regs::GMBUS1, regs::GMBUS_SW_RDY | regs::GMBUS_CYCLE_STOP);
        }
    }

    #[test]
    fn the_edid_is_read_by_index_and_the_bus_is_held_until_the_stop() {
        let mut bench = Bench::new();
        let edid = bench.edid.clone();
        assert_eq!(bench.gmbus.status(), regs::GMBUS_INUSE);
        assert_eq!(bench.read(0, 128, EDID_ADDRESS), edid[..128]);
        let held = regs::GMBUS_INUSE | regs::GMBUS_HW_WAIT_PHASE | regs::GMBUS_ACTIVE | 128;
        assert_eq!(bench.gmbus.status(), held);
        assert_eq!(bench.read(128, 128, EDID_ADDRESS), edid[128..]);
        assert_eq!(bench.read(7, 3, EDID_ADDRESS), edid[7..10]);
        bench.stop();
        assert_eq!(bench.gmbus.status(), regs::GMBUS_INUSE);
    }

    #[test]
    fn an_index_of_two_bytes_comes_from_its_own_register() {
        let mut bench = Bench::new();
        bench.write(regs::GMBUS5, regs::GMBUS_2BYTE_INDEX_EN | 54);
        assert_eq!(bench.read(7, 4, EDID_ADDRESS), bench.edid[54..58]);
        bench.write(regs::GMBUS5, 54);
        assert_eq!(bench.read(7, 4, EDID_ADDRESS), bench.edid[7..11]);
    }

    #[test]
    fn each_phase_interrupts_while_it_is_enabled_and_lasts() {
        let mut bench = Bench::new();
        let seen = |bench: &mut Bench| {
            let enables = [1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4];
            enables.map(|enable| {
                bench.write(regs::GMBUS4, enable);
                bench.gmbus.interrupts()
            })
        };
        assert_eq!(seen(&mut bench), [false, false, true, false, false], "idle");
        let count = 4 << regs::GMBUS_COUNT_SHIFT;
        bench.write(regs::GMBUS1, WAIT | count | EDID_ADDRESS << 1 | regs::GMBUS_READ);
        assert_eq!(seen(&mut bench), [true, false, false, false, false], "ready");
        bench.word();
        assert_eq!(seen(&mut bench), [false, true, false, false, false], "waits");
        bench.stop();
        bench.write(regs::GMBUS1, WAIT | count | 0x40 << 1 | regs::GMBUS_READ);
        assert_eq!(seen(&mut bench), [false, false, true, true, false], "refused");
    }

    #[test]
    fn a_written_byte_is_where_the_next_read_begins() {
        let mut bench = Bench::new();
        bench.write(regs::GMBUS3, 54);
        bench.write(regs::GMBUS1, WAIT | 1 << regs::GMBUS_COUNT_SHIFT | EDID_ADDRESS << 1);
        let count = 4 << regs::GMBUS_COUNT_SHIFT;
        bench.write(regs::GMBUS1, WAIT | count | EDID_ADDRESS << 1 | regs::GMBUS_READ);
        assert_eq!(bench.word(), bench.edid[54..58]);
    }

    #[test]
    fn beyond_the_edid_a_segment_reads_zero_until_the_stop() {
        let mut bench = Bench::new();
        bench.write(regs::GMBUS3, 1);
        bench.write(regs::GMBUS1, WAIT | 1 << regs::GMBUS_COUNT_SHIFT | SEGMENT_ADDRESS << 1);
        assert_eq!(bench.read(1, 4, EDID_ADDRESS), [0; 4]);
        bench.stop();
        assert_eq!(bench.read(1, 4, EDID_ADDRESS), [255; 4]);
    }

    #[test]
    fn who_is_not_there_refuses_until_software_clears_it() {
        for (pin, slave) in [
            (regs::GMBUS_PIN_B, 0x40),
            (regs::GMBUS_PIN_C, EDID_ADDRESS),
            (regs::GMBUS_PIN_D, EDID_ADDRESS),
            (2, EDID_ADDRESS),
        ] {
            let mut bench = Bench::new();
            bench.write(regs::GMBUS0, pin);
            assert!(bench.read(0, 16, slave).is_empty());
            assert_eq!(bench.gmbus.status(), regs::GMBUS_INUSE | regs::GMBUS_SATOER);
            bench.write(regs::GMBUS1, regs::GMBUS_SW_CLR_INT);
            bench.write(regs::GMBUS1, 0);
            assert_eq!(bench.gmbus.status(), regs::GMBUS_INUSE);
        }
    }

    #[test]
    fn who_is_unplugged_in_a_read_gives_what_released_wires_read() {
        let mut bench = Bench::new();
        let count = 8 << regs::GMBUS_COUNT_SHIFT;
        bench.write(regs::GMBUS1, WAIT | count | EDID_ADDRESS << 1 | regs::GMBUS_READ);
        assert_eq!(bench.word(), bench.edid[..4]);
        bench.buses[0] = Ddc::new(None);
        assert_eq!(bench.word(), [255; 4]);
    }
}
