//! Tests of guest memory.

use super::*;
use vm_memory::{GuestMemoryRegion, GuestRegionMmap, MmapRegion};

/// Two regions with a hole; the larger one is the second.
fn holed() -> GuestRam {
    GuestRam::anonymous_regions(&[(0, 0x2000), (0x10_0000, 0x8000)]).expect("memory")
}

/// A page of which every byte is different from its neighbours.
pub(super) fn numbered() -> (GuestRam, Vec<u8>) {
    let memory = holed();
    let bytes: Vec<u8> = (0..0x2000_u32).map(|n| (n * 7 + n / 251) as u8).collect();
    assert!(memory.write_bytes(0, &bytes));
    (memory, bytes)
}

/// The bytes at an address.
pub(super) fn bytes(memory: &GuestRam, address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    assert!(memory.read_bytes(address, &mut bytes));
    bytes
}

#[test]
fn accesses_reach_every_region_and_stop_at_its_ends() {
    let memory = holed();
    assert!(memory.write_u64(0x1ff8, 1) && memory.write_u64(0x10_7ff8, 2));
    assert_eq!(memory.read_u64(0x1ff8), Some(1));
    assert_eq!(memory.read_u64(0x10_7ff8), Some(2));
    for outside in [0x2000, 0xf_fff8, 0x10_8000, !7, 1 << 63] {
        assert_eq!(memory.read_u64(outside), None, "{outside:#x}");
        assert!(!memory.write_u64(outside, 0), "{outside:#x}");
    }
}

#[test]
fn memory_of_broken_pages_is_refused() {
    assert!(matches!(GuestRam::anonymous(0x1800), Err(MemoryError::Region { base: 0 })));
}

#[test]
fn unaligned_words_are_refused() {
    let memory = holed();
    assert_eq!(memory.read_u64(4), None);
    assert_eq!(memory.read_u32(2), None);
    assert!(!memory.write_u32(1, 0));
    assert!(!memory.read_table(8, &mut [0; 512]));
}

#[test]
fn updates_from_two_threads_lose_nothing() {
    let memory = holed();
    let add = |memory: &GuestRam| {
        for _ in 0..10_000 {
            assert!(memory.update_u32(0x10, |old| old + 1).is_some());
            assert!(memory.update_u64(0x18, |old| old + (1 << 32)).is_some());
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| add(&memory));
        add(&memory);
    });
    assert_eq!(memory.read_u32(0x10), Some(20_000));
    assert_eq!(memory.read_u64(0x18), Some(20_000 << 32));
    assert_eq!(memory.update_u32(0x2000, |old| old), None);
}

#[test]
fn byte_copies_of_any_alignment_round_trip_and_touch_nothing_else() {
    let memory = holed();
    let pattern: Vec<u8> = (1..=40).collect();
    for start in 0..9 {
        for len in 0..pattern.len() {
            assert!(memory.fill_u64(0x10_0000, u64::MAX, 8));
            assert!(memory.write_bytes(0x10_0000 + start, &pattern[..len]));
            let mut all = [0; 64];
            assert!(memory.read_bytes(0x10_0000, &mut all));
            let (start, end) = (start as usize, start as usize + len);
            assert_eq!(all[start..end], pattern[..len]);
            assert!(all[..start].iter().chain(&all[end..]).all(|&byte| byte == 0xff));
            let mut back = vec![0; len];
            assert!(memory.read_bytes(0x10_0000 + start as u64, &mut back));
            assert_eq!(back, pattern[..len]);
        }
    }
}

#[test]
fn byte_copies_across_the_end_of_a_region_move_nothing() {
    let memory = holed();
    assert!(!memory.write_bytes(0x1ffc, &[7; 8]));
    assert_eq!(memory.read_u32(0x1ffc), Some(0));
    let mut buffer = [9; 8];
    assert!(!memory.read_bytes(0x1ffc, &mut buffer));
    assert_eq!(buffer, [9; 8]);
}

fn mapped(base: u64, prot: i32) -> GuestRegionMmap {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let mapping = MmapRegion::build(None, 0x2000, prot, flags).expect("a mapping");
    GuestRegionMmap::new(mapping, GuestAddress(base)).expect("a region")
}

#[test]
fn regions_mapped_without_write_are_read_and_never_written() {
    let regions = [mapped(0, libc::PROT_READ), mapped(0x4000, libc::PROT_READ | libc::PROT_WRITE)];
    for regions in [&regions[..1], &regions[..]] {
        let regions = regions.iter().map(|region| mapped(region.start_addr().0, region.prot()));
        let memory = GuestMemoryMmap::from_regions(regions.collect()).expect("memory");
        let memory = GuestRam::new(memory).expect("memory");
        assert_eq!(memory.read_u64(8), Some(0));
        assert!(memory.read_table(0x1000, &mut [0; 512]));
        assert!(!memory.write_u64(8, 1) && !memory.write_u32(8, 1));
        assert!(!memory.write_bytes(8, &[1]) && !memory.write_u64s(8, &[1]));
        assert!(!memory.fill_u64(8, 1, 1));
        assert_eq!(memory.read_u64(8), Some(0));
    }
}

#[test]
fn empty_memory_holds_no_address() {
    let memory = GuestRam::empty();
    assert_eq!(memory.size(), 0);
    for address in [0, 8, 0x1000, !7] {
        assert_eq!(memory.read_u64(address), None);
        assert!(!memory.write_u32(address, 1) && !memory.write_bytes(address, &[1]));
    }
}

#[test]
fn clones_share_the_memory() {
    let memory = holed();
    let other = memory.clone();
    assert!(memory.write_u32(0, 3));
    drop(memory);
    assert_eq!(other.read_u32(0), Some(3));
}
