//! Accesses of any size and alignment as aligned dwords with byte enables, as PCI carries them.

/// Bytes of a dword.
const DWORD: u64 = 4;

/// The part of an access that falls into one aligned dword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    /// Offset of the dword, a multiple of four.
    pub(crate) offset: u64,
    /// First byte in the dword.
    first: u32,
    /// Bytes taken, 1 to 4.
    bytes: u32,
    /// Where they stand in the access's value, in bytes.
    at: u32,
}

impl Lane {
    /// Bits of the dword that the access touches.
    fn enabled(self) -> u32 {
        (u32::MAX >> (32 - 8 * self.bytes)) << (8 * self.first)
    }

    /// Whether the access covers the dword.
    pub(crate) fn is_whole(self) -> bool {
        self.bytes == 4
    }

    /// What `dword` contributes to the value that is read.
    pub(crate) fn gather(self, dword: u32) -> u64 {
        u64::from((dword & self.enabled()) >> (8 * self.first)) << (8 * self.at)
    }

    /// The dword to write: bytes of `value` where enabled, of `untouched` elsewhere.
    pub(crate) fn merge(self, untouched: u32, value: u64) -> u32 {
        let shifted = ((value >> (8 * self.at)) as u32) << (8 * self.first);
        untouched & !self.enabled() | shifted & self.enabled()
    }
}

/// The lanes of an access of `size` bytes (at most 8) at `offset`, in address order. The access
/// must not wrap around the address space.
pub(crate) fn lanes(offset: u64, size: u8) -> impl Iterator<Item = Lane> {
    let end = offset + u64::from(size);
    let mut next = offset;
    core::iter::from_fn(move || {
        if next >= end {
            return None;
        }
        let dword = next & !(DWORD - 1);
        let stop = end.min(dword + DWORD);
        let lane = Lane {
            offset: dword,
            first: (next - dword) as u32,
            bytes: (stop - next) as u32,
            at: (next - offset) as u32,
        };
        next = stop;
        Some(lane)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(offset: u64, size: u8, dword: impl Fn(u64) -> u32) -> u64 {
        lanes(offset, size).fold(0, |value, lane| value | lane.gather(dword(lane.offset)))
    }

    #[test]
    fn qword_is_two_dwords_low_first() {
        let offsets: Vec<u64> = lanes(0x10, 8).map(|lane| lane.offset).collect();
        assert_eq!(offsets, [0x10, 0x14]);
        assert_eq!(read(0x10, 8, |o| o as u32), 0x14_0000_0010);
    }

    #[test]
    fn unaligned_read_gathers_across_dwords() {
        let dword = |offset| if offset == 0 { 0x4433_2211 } else { 0x8877_6655 };
        assert_eq!(read(3, 2, dword), 0x5544);
        assert_eq!(read(1, 1, dword), 0x22);
        assert_eq!(read(2, 4, dword), 0x6655_4433);
    }

    #[test]
    fn narrow_write_keeps_the_other_bytes() {
        let lane = lanes(0x22, 1).next().expect("a lane");
        assert!(!lane.is_whole());
        assert_eq!(lane.merge(0x4433_2211, 0xff), 0x44ff_2211);
    }
}
