//! GPIO: the wires of a port driven by software bit by bit, and the monitor's answers to that (I2C).
//!
//! A wire is high unless somebody pulls it low: software by its register, or the monitor.

use gen8_spec::registers::{gpio as regs, outputs};

use super::ddc::Ddc;
use crate::registers::RegisterFile;

/// Bits of a byte; behind them comes the acknowledge.
const BYTE: u32 = 8;

/// What a monitor does on its wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Waits for a start.
    Idle,
    /// Takes the byte that says for whom it is.
    Address,
    /// Takes bytes.
    Receives,
    /// Gives bytes.
    Sends,
}

/// A monitor as a slave on its wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Slave {
    phase: Phase,
    /// Clocks of this byte that have risen.
    clocks: u32,
    byte: u8,
    /// The byte was not acknowledged.
    refused: bool,
    /// It pulls the data wire low.
    pulls: bool,
}

impl Slave {
    const IDLE: Slave =
        Slave { phase: Phase::Idle, clocks: 0, byte: 0, refused: false, pulls: false };

    /// The clock rises: the data wire counts.
    fn clock_rises(&mut self, data: bool) {
        match self.phase {
            Phase::Idle => return,
            Phase::Address | Phase::Receives if self.clocks < BYTE => {
                self.byte = self.byte << 1 | u8::from(data);
            }
            Phase::Sends if self.clocks == BYTE => self.refused = data,
            _ => {}
        }
        self.clocks += 1;
    }

    /// The clock falls: the data wire may change.
    fn clock_falls(&mut self, ddc: &mut Ddc) {
        match (self.phase, self.clocks) {
            (Phase::Idle, _) => {}
            (Phase::Address, BYTE) => {
                self.refused = !ddc.start(u32::from(self.byte >> 1), self.byte & 1 != 0);
                self.pulls = !self.refused;
            }
            (Phase::Receives, BYTE) => {
                ddc.write(self.byte);
                self.pulls = true;
            }
            (Phase::Sends, BYTE) => self.pulls = false,
            (Phase::Sends, sent) if sent < BYTE => self.pulls = self.byte << sent & 0x80 == 0,
            (_, clocks) if clocks > BYTE => self.next_byte(ddc),
            _ => {}
        }
    }

    /// Behind the acknowledge.
    fn next_byte(&mut self, ddc: &mut Ddc) {
        if self.refused {
            *self = Slave::IDLE;
            return;
        }
        let reads =
            self.phase == Phase::Sends || self.phase == Phase::Address && self.byte & 1 != 0;
        *self = if reads {
            let byte = ddc.read();
            Slave { phase: Phase::Sends, byte, pulls: byte & 0x80 == 0, ..Slave::IDLE }
        } else {
            Slave { phase: Phase::Receives, ..Slave::IDLE }
        };
    }
}

/// The wires of all ports as software drives them.
#[derive(Clone, Debug, Hash)]
pub(super) struct Gpio {
    slaves: [Slave; outputs::PORT_COUNT],
}

impl Gpio {
    /// Nobody drives anything: every wire is high.
    pub(super) fn new(file: &mut RegisterFile) -> Gpio {
        for pin in 0..regs::COUNT {
            file.set(regs::GPIO_CTL + 4 * pin, regs::CLOCK_IN | regs::DATA_IN);
        }
        Gpio { slaves: [Slave::IDLE; outputs::PORT_COUNT] }
    }

    /// `written` was written to the register at `offset`, which held `before`; `buses` are the ports'
    /// wires in their order.
    pub(super) fn written(
        &mut self,
        offset: u32,
        before: u32,
        written: u32,
        file: &mut RegisterFile,
        buses: &mut [Ddc],
    ) {
        let pin = offset.wrapping_sub(regs::GPIO_CTL) / 4;
        if offset < regs::GPIO_CTL || pin >= regs::COUNT {
            return;
        }
        let driven = regs::driven(before, written);
        let (clock, mut data) = (regs::clock_released(driven), regs::data_released(driven));
        let port = regs::PORT_PINS.iter().position(|&own| own == pin);
        let places = port.and_then(|port| self.slaves.get_mut(port).zip(buses.get_mut(port)));
        if let Some((slave, ddc)) = places {
            let clock_was = regs::clock_released(before);
            let data_was = regs::data_released(before);
            match (clock_was, clock) {
                (true, true) if data_was && !data => {
                    *slave = Slave { phase: Phase::Address, ..Slave::IDLE };
                }
                (true, true) if !data_was && data => {
                    *slave = Slave::IDLE;
                    ddc.stop();
                }
                (false, true) => slave.clock_rises(data && !slave.pulls),
                (true, false) => slave.clock_falls(ddc),
                _ => {}
            }
            data &= !slave.pulls;
        }
        let levels = [(clock, regs::CLOCK_IN), (data, regs::DATA_IN)];
        let high = levels.iter().filter(|(high, _)| *high).fold(0, |bits, (_, bit)| bits | bit);
        file.set(offset, driven | high);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::ddc::{EDID_ADDRESS, SEGMENT_ADDRESS};
    use crate::display::output::Monitor;
    use gen8_spec::registers::display;

    /// Wires that software drives as i915 does when GMBUS fails it (`intel_gpio`).
    struct Bench {
        file: RegisterFile,
        gpio: Gpio,
        buses: Vec<Ddc>,
        register: u32,
    }

    impl Bench {
        fn new() -> Bench {
            let edid: Vec<u8> = (0..384).map(|at| (at * 7 / 3) as u8).collect();
            let mut file = RegisterFile::new(display::RULES);
            let gpio = Gpio::new(&mut file);
            let buses = vec![Ddc::new(None), Ddc::new(Some(Monitor::of_edid(&edid).unwrap()))];
            Bench { file, gpio, buses, register: regs::GPIO_CTL + 4 * regs::PORT_PINS[1] }
        }

        fn write(&mut self, value: u32) {
            let before = self.file.get(self.register);
            self.file.write(self.register, value);
            self.gpio.written(self.register, before, value, &mut self.file, &mut self.buses);
        }

        fn clock(&mut self, high: bool) {
            let low = regs::CLOCK_DIR_OUT | regs::CLOCK_VALUE_MASK;
            self.write(regs::CLOCK_DIR_MASK | if high { 0 } else { low });
        }

        fn data(&mut self, high: bool) {
            let low = regs::DATA_DIR_OUT | regs::DATA_VALUE_MASK;
            self.write(regs::DATA_DIR_MASK | if high { 0 } else { low });
        }

        fn level(&self) -> bool {
            self.file.get(self.register) & regs::DATA_IN != 0
        }

        fn start(&mut self) {
            self.data(true);
            self.clock(true);
            self.data(false);
            self.clock(false);
        }

        fn stop(&mut self) {
            self.data(false);
            self.clock(true);
            self.data(true);
        }

        fn bit(&mut self, bit: bool) -> bool {
            self.data(bit);
            self.clock(true);
            let level = self.level();
            self.clock(false);
            level
        }

        /// Whether it was acknowledged.
        fn send(&mut self, byte: u8) -> bool {
            for bit in (0..8).rev() {
                self.bit(byte >> bit & 1 != 0);
            }
            !self.bit(true)
        }

        fn receive(&mut self, last: bool) -> u8 {
            let byte = (0..8).fold(0, |byte, _| byte << 1 | u8::from(self.bit(true)));
            self.bit(last);
            byte
        }

        fn read(&mut self, segment: u8, at: u8, count: usize) -> Vec<u8> {
            self.start();
            assert!(self.send((SEGMENT_ADDRESS << 1) as u8) && self.send(segment));
            self.start();
            assert!(self.send((EDID_ADDRESS << 1) as u8) && self.send(at));
            self.start();
            assert!(self.send((EDID_ADDRESS << 1 | 1) as u8));
            let read = (1..=count).map(|n| self.receive(n == count)).collect();
            self.stop();
            read
        }
    }

    #[test]
    fn the_edid_is_read_bit_by_bit() {
        let mut bench = Bench::new();
        let edid = bench.buses[1].monitor().unwrap().edid().to_vec();
        assert_eq!(bench.read(0, 0, 128), edid[..128]);
        assert_eq!(bench.read(0, 54, 18), edid[54..72]);
        assert_eq!(bench.read(1, 0, 128), edid[256..]);
    }

    #[test]
    fn who_is_not_there_does_not_acknowledge() {
        let mut bench = Bench::new();
        bench.start();
        assert!(!bench.send(0x80));
        bench.stop();
        bench.register = regs::GPIO_CTL + 4 * regs::PORT_PINS[0];
        bench.start();
        assert!(!bench.send((EDID_ADDRESS << 1) as u8), "no monitor");
        bench.register = regs::GPIO_CTL;
        bench.start();
        assert!(!bench.send((EDID_ADDRESS << 1) as u8), "no port");
    }

    #[test]
    fn wires_that_nobody_pulls_are_high() {
        let mut bench = Bench::new();
        for pin in 0..regs::COUNT {
            bench.register = regs::GPIO_CTL + 4 * pin;
            let read = |bench: &Bench| bench.file.get(bench.register);
            assert_eq!(read(&bench), regs::CLOCK_IN | regs::DATA_IN);
            bench.data(false);
            assert_eq!(read(&bench) & (regs::CLOCK_IN | regs::DATA_IN), regs::CLOCK_IN);
            // The direction alone changes nothing without its mask.
            bench.write(regs::CLOCK_DIR_OUT);
            assert_eq!(read(&bench) & regs::CLOCK_IN, regs::CLOCK_IN);
            bench.data(true);
            assert_eq!(read(&bench) & regs::DATA_IN, regs::DATA_IN);
        }
    }
}
