//! DDC: the two wires from a port to its monitor, and the EDID memory that answers there (VESA E-DDC).

use super::edid::BLOCK;
use super::output::Monitor;

/// Address of a monitor's EDID memory.
pub(super) const EDID_ADDRESS: u32 = 0x50;
/// Address of its segment pointer: which 256 bytes of it answer.
pub(super) const SEGMENT_ADDRESS: u32 = 0x30;
/// Bytes of a segment.
const SEGMENT: usize = 2 * BLOCK;
/// What is read when nobody drives the wires.
const RELEASED: u8 = 0xff;

/// Who answers since the last start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Addressed {
    Nobody,
    Memory,
    Segment,
}

/// The wires of a port, with what hangs on them.
#[derive(Clone, Debug, Hash)]
pub(super) struct Ddc {
    monitor: Option<Monitor>,
    addressed: Addressed,
    /// The segment that answers until the next stop.
    segment: u8,
    /// The byte of the segment that comes next.
    at: u8,
}

impl Ddc {
    /// The wires of a port with this monitor, or without one.
    pub(super) fn new(monitor: Option<Monitor>) -> Ddc {
        Ddc { monitor, addressed: Addressed::Nobody, segment: 0, at: 0 }
    }

    /// What is connected.
    pub(super) fn monitor(&self) -> Option<&Monitor> {
        self.monitor.as_ref()
    }

    /// A start, or another one without a stop, with the address of whom it is for. Says whether somebody
    /// acknowledges: the segment pointer can only be written.
    pub(super) fn start(&mut self, address: u32, read: bool) -> bool {
        self.addressed = match address {
            _ if self.monitor.is_none() => Addressed::Nobody,
            EDID_ADDRESS => Addressed::Memory,
            SEGMENT_ADDRESS if !read => Addressed::Segment,
            _ => Addressed::Nobody,
        };
        self.addressed != Addressed::Nobody
    }

    /// A byte goes to whom the start was for: both that there are remember the last one.
    pub(super) fn write(&mut self, byte: u8) {
        match self.addressed {
            Addressed::Nobody => {}
            Addressed::Memory => self.at = byte,
            Addressed::Segment => self.segment = byte,
        }
    }

    /// A byte comes from whom the start was for; 0 where the memory ends.
    pub(super) fn read(&mut self) -> u8 {
        let memory = self.monitor.as_ref().filter(|_| self.addressed == Addressed::Memory);
        let Some(monitor) = memory else {
            return RELEASED;
        };
        let place = usize::from(self.segment) * SEGMENT + usize::from(self.at);
        self.at = self.at.wrapping_add(1);
        monitor.edid().get(place).copied().unwrap_or(0)
    }

    /// A stop: nobody answers, and the segment is the first again.
    pub(super) fn stop(&mut self) {
        self.addressed = Addressed::Nobody;
        self.segment = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ddc() -> Ddc {
        let edid: Vec<u8> = (0..5 * BLOCK).map(|at| (at / BLOCK * 16 + at % 16) as u8).collect();
        Ddc::new(Some(Monitor::of_edid(&edid).unwrap()))
    }

    /// Reads from this byte of this segment.
    fn read(ddc: &mut Ddc, segment: u8, at: u8) -> [u8; 2] {
        assert!(ddc.start(SEGMENT_ADDRESS, false));
        ddc.write(segment);
        assert!(ddc.start(EDID_ADDRESS, false));
        ddc.write(at);
        assert!(ddc.start(EDID_ADDRESS, true));
        [ddc.read(), ddc.read()]
    }

    #[test]
    fn blocks_beyond_the_second_are_read_by_their_segment_until_the_stop() {
        let mut ddc = ddc();
        assert_eq!(read(&mut ddc, 0, 0x83), [0x13, 0x14]);
        assert_eq!(read(&mut ddc, 1, 0x83), [0x33, 0x34]);
        assert_eq!(read(&mut ddc, 2, 0x03), [0x43, 0x44]);
        ddc.stop();
        assert!(ddc.start(EDID_ADDRESS, true));
        assert_eq!(ddc.read(), 0x05, "the place stays, the segment does not");
    }

    #[test]
    fn a_segment_begins_again_behind_its_end_and_reads_zero_beyond_the_memory() {
        let mut ddc = ddc();
        assert_eq!(read(&mut ddc, 1, 0xff), [0x3f, 0x20]);
        assert_eq!(read(&mut ddc, 2, 0x80), [0, 0]);
        assert_eq!(read(&mut ddc, 0xff, 0xff), [0, 0]);
    }

    #[test]
    fn only_memory_and_segment_pointer_acknowledge_and_only_of_a_monitor() {
        let mut with = ddc();
        for (address, read, there) in [
            (EDID_ADDRESS, true, true),
            (EDID_ADDRESS, false, true),
            (SEGMENT_ADDRESS, false, true),
            (SEGMENT_ADDRESS, true, false),
            (0x40, true, false),
        ] {
            assert_eq!(with.start(address, read), there);
            let mut without = Ddc::new(None);
            assert!(!without.start(address, read));
            assert_eq!(without.read(), RELEASED);
        }
    }
}
