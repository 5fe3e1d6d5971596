//! The aperture (BAR2): CPU accesses through the GGTT.
//!
//! The offset is a GGTT address, or an address that a fence detiles to one. Bytes behind a PTE that is not present, or outside RAM, read 0 and
//! swallow writes; the observer hears of it. The fault registers are the engines' and stay as they
//! are. PTEs and fences are looked up on every access, so changes hold at once.

use gen8_spec::PAGE_SIZE;

use crate::engine::Space;
use crate::event::{Actor, Event, EventSink, Interests, MemoryWrite, WriteKind};
use crate::fault::GpuFault;
use crate::fences::Fences;
use crate::ggtt::Ggtt;
use crate::memory::GuestRam;

/// What an access needs.
pub(crate) struct Aperture<'a> {
    /// Guest memory.
    pub(crate) memory: &'a GuestRam,
    /// The translation.
    pub(crate) ggtt: &'a Ggtt,
    /// The fences.
    pub(crate) fences: &'a Fences,
    /// Where faults are told.
    pub(crate) events: &'a mut EventSink,
}

/// Largest access.
const MAX_ACCESS: usize = 8;

impl Aperture<'_> {
    /// Reads `size` bytes, at most 8, at aperture offset `address`.
    pub(crate) fn read(&mut self, address: u64, size: u8) -> u64 {
        let mut bytes = [0; MAX_ACCESS];
        let mut left = bytes.get_mut(..usize::from(size)).unwrap_or_default();
        let mut at = address;
        while !left.is_empty() {
            let (place, len) = self.piece(at, left.len());
            let (piece, rest) = left.split_at_mut(len);
            let done = self
                .ggtt
                .translate(place)
                .is_ok_and(|physical| self.memory.read_bytes(physical, piece));
            if !done {
                self.fault(place, false);
            }
            (left, at) = (rest, at + len as u64);
        }
        u64::from_le_bytes(bytes)
    }

    /// Writes the low `size` bytes of `value`, at most 8, at aperture offset `address`.
    pub(crate) fn write(&mut self, address: u64, size: u8, value: u64) {
        let bytes = value.to_le_bytes();
        let mut left = bytes.get(..usize::from(size)).unwrap_or_default();
        let mut at = address;
        while !left.is_empty() {
            let (place, len) = self.piece(at, left.len());
            let (piece, rest) = left.split_at(len);
            match self.ggtt.translate(place) {
                Ok(physical) if self.memory.write_bytes(physical, piece) => {
                    self.tell_write(place, physical, piece);
                }
                _ => self.fault(place, true),
            }
            (left, at) = (rest, at + len as u64);
        }
    }

    /// Tells that `piece` was written.
    #[inline]
    fn tell_write(&mut self, address: u64, physical: u64, piece: &[u8]) {
        self.events.emit_for(Interests::MEMORY_WRITES, || {
            let (by, kind) = (Actor::Cpu, WriteKind::Aperture);
            let value = piece.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
            let (space, len, value) = (Space::Ggtt, piece.len() as u64, Some(value));
            Event::MemoryWritten(MemoryWrite { by, kind, space, address, physical, len, value })
        });
    }

    /// GGTT address of the byte at aperture offset `address`, and how many of `len` bytes from there
    /// on lie side by side in one page; at least one.
    #[inline]
    fn piece(&self, address: u64, len: usize) -> (u64, usize) {
        let (place, run) = self.fences.detile(address);
        let room = run.min(PAGE_SIZE - place % PAGE_SIZE);
        (place, len.min(usize::try_from(room).unwrap_or(len)))
    }

    fn fault(&mut self, address: u64, write: bool) {
        let entry = self.ggtt.read_pte(address / PAGE_SIZE);
        let fault = GpuFault { engine: None, ggtt: true, address, write, level: 0, entry };
        self.events.emit(|| Event::Fault(fault));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen8_spec::pte;
    use ppgtt::PhysicalMemory;

    #[test]
    fn access_across_a_page_boundary_follows_both_ptes() {
        let memory = GuestRam::anonymous(1 << 20).expect("memory");
        let mut ggtt = Ggtt::new(1 << 6);
        ggtt.write_pte(0, pte::encode_ggtt_pte(0x8000));
        ggtt.write_pte(1, pte::encode_ggtt_pte(0x3000));
        let (fences, mut events) = (Fences::new(), EventSink::default());
        let mut aperture =
            Aperture { memory: &memory, ggtt: &ggtt, fences: &fences, events: &mut events };
        aperture.write(0xffe, 4, 0x4433_2211);
        assert_eq!(aperture.read(0xffe, 4), 0x4433_2211);
        assert_eq!(memory.read_u32(0x8ffc), Some(0x2211_0000));
        assert_eq!(memory.read_u32(0x3000), Some(0x4433));
    }

    #[test]
    fn unmapped_bytes_read_zero_and_mapped_ones_of_the_same_access_are_served() {
        let memory = GuestRam::anonymous(1 << 20).expect("memory");
        let mut ggtt = Ggtt::new(1 << 6);
        ggtt.write_pte(0, pte::encode_ggtt_pte(0x8000));
        ggtt.write_pte(1, pte::encode_ggtt_pte(1 << 30));
        let (fences, mut events) = (Fences::new(), EventSink::default());
        let mut aperture =
            Aperture { memory: &memory, ggtt: &ggtt, fences: &fences, events: &mut events };
        aperture.write(0xffc, 8, u64::MAX);
        assert_eq!(aperture.read(0xffc, 8), 0xffff_ffff);
    }
}
