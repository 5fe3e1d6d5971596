//! Loads the firmware: a statically linked x86-64 ELF, one `PT_LOAD` segment after the other.

use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Start of every ELF file: magic, 64-bit, little endian, version 1.
const IDENT: [u8; 7] = [0x7f, b'E', b'L', b'F', 2, 1, 1];
/// `e_type` of an executable at fixed addresses.
const ET_EXEC: u16 = 2;
/// `e_machine` of x86-64.
const EM_X86_64: u16 = 62;
/// `p_type` of a segment to be loaded.
const PT_LOAD: u32 = 1;
/// Size of an ELF64 program header.
const PROGRAM_HEADER_SIZE: usize = 56;

/// Why an image is no firmware.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Not an ELF64 executable for x86-64.
    #[error("not a static 64-bit x86 ELF executable; build it with `cargo xtask run`")]
    NotExecutable,
    /// A header or segment reaches beyond the file.
    #[error("the file is cut off")]
    Truncated,
    /// A segment does not fit in guest RAM above [`board::FIRMWARE_BASE`].
    #[error("segment at {address:#x}, {bytes:#x} bytes, does not fit in the board's RAM")]
    OutsideRam {
        /// Physical address of the segment.
        address: u64,
        /// Its size in memory.
        bytes: u64,
    },
    /// The entry is not a 32-bit address in RAM.
    #[error("entry {0:#x} is outside the loaded image")]
    Entry(u64),
}

/// A little-endian field of `N` bytes at `offset`.
fn field<const N: usize>(image: &[u8], offset: usize) -> Result<[u8; N], LoadError> {
    let bytes = offset.checked_add(N).and_then(|end| image.get(offset..end));
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(LoadError::Truncated)
}

fn u16_at(image: &[u8], offset: usize) -> Result<u16, LoadError> {
    field(image, offset).map(u16::from_le_bytes)
}

fn u32_at(image: &[u8], offset: usize) -> Result<u32, LoadError> {
    field(image, offset).map(u32::from_le_bytes)
}

fn u64_at(image: &[u8], offset: usize) -> Result<u64, LoadError> {
    field(image, offset).map(u64::from_le_bytes)
}

/// A `PT_LOAD` segment: file bytes and where they go.
struct Segment<'a> {
    bytes: &'a [u8],
    address: u64,
    memory_size: u64,
}

/// Reads the program header at `offset`; `None` for a segment that is not loaded.
fn segment(image: &[u8], offset: usize) -> Result<Option<Segment<'_>>, LoadError> {
    if u32_at(image, offset)? != PT_LOAD {
        return Ok(None);
    }
    let start = usize::try_from(u64_at(image, offset + 8)?).map_err(|_| LoadError::Truncated)?;
    let length = usize::try_from(u64_at(image, offset + 32)?).map_err(|_| LoadError::Truncated)?;
    let end = start.checked_add(length).ok_or(LoadError::Truncated)?;
    Ok(Some(Segment {
        bytes: image.get(start..end).ok_or(LoadError::Truncated)?,
        address: u64_at(image, offset + 24)?,
        memory_size: u64_at(image, offset + 40)?,
    }))
}

/// Copies the image's segments into fresh (zero) guest RAM and returns the entry point.
pub(super) fn load(
    image: &[u8],
    memory: &GuestMemoryMmap,
    ram_size: u64,
) -> Result<u32, LoadError> {
    let starts_well = image.get(..IDENT.len()) == Some(&IDENT[..]);
    if !starts_well || u16_at(image, 16)? != ET_EXEC || u16_at(image, 18)? != EM_X86_64 {
        return Err(LoadError::NotExecutable);
    }
    let entry = u64_at(image, 24)?;
    let headers = usize::try_from(u64_at(image, 32)?).map_err(|_| LoadError::Truncated)?;
    let count = usize::from(u16_at(image, 56)?);
    let mut entry_is_loaded = false;
    for index in 0..count {
        let offset =
            headers.checked_add(index * PROGRAM_HEADER_SIZE).ok_or(LoadError::Truncated)?;
        // The farthest field of a program header ends at +48, so the sums below cannot overflow.
        if offset > image.len() {
            return Err(LoadError::Truncated);
        }
        let Some(Segment { bytes, address, memory_size }) = segment(image, offset)? else {
            continue;
        };
        let outside = LoadError::OutsideRam { address, bytes: memory_size };
        let end = address.checked_add(memory_size).ok_or(outside.clone())?;
        if address < board::FIRMWARE_BASE || end > ram_size || bytes.len() as u64 > memory_size {
            return Err(outside);
        }
        memory.write_slice(bytes, GuestAddress(address)).map_err(|_| outside)?;
        entry_is_loaded |= (address..end).contains(&entry);
    }
    let entry_32 = u32::try_from(entry).map_err(|_| LoadError::Entry(entry))?;
    if entry_is_loaded { Ok(entry_32) } else { Err(LoadError::Entry(entry)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAM: u64 = 4 << 20;

    fn memory() -> GuestMemoryMmap {
        GuestMemoryMmap::from_ranges(&[(GuestAddress(0), RAM as usize)]).unwrap()
    }

    /// An ELF with one segment of `file_bytes` at `address`.
    fn image(address: u64, entry: u64, file_bytes: &[u8], memory_size: u64) -> Vec<u8> {
        let mut elf = vec![0; 64 + PROGRAM_HEADER_SIZE];
        elf[..7].copy_from_slice(&IDENT);
        elf[16..18].copy_from_slice(&ET_EXEC.to_le_bytes());
        elf[18..20].copy_from_slice(&EM_X86_64.to_le_bytes());
        elf[24..32].copy_from_slice(&entry.to_le_bytes());
        elf[32..40].copy_from_slice(&64u64.to_le_bytes());
        elf[56..58].copy_from_slice(&1u16.to_le_bytes());
        let offset = elf.len() as u64;
        let header = &mut elf[64..];
        header[..4].copy_from_slice(&PT_LOAD.to_le_bytes());
        header[8..16].copy_from_slice(&offset.to_le_bytes());
        header[24..32].copy_from_slice(&address.to_le_bytes());
        header[32..40].copy_from_slice(&(file_bytes.len() as u64).to_le_bytes());
        header[40..48].copy_from_slice(&memory_size.to_le_bytes());
        elf.extend_from_slice(file_bytes);
        elf
    }

    #[test]
    fn a_segment_is_copied_to_its_physical_address() {
        let memory = memory();
        let elf = image(board::FIRMWARE_BASE, board::FIRMWARE_BASE + 1, b"code", 64);
        assert_eq!(load(&elf, &memory, RAM), Ok(board::FIRMWARE_BASE as u32 + 1));
        let mut copied = [0; 4];
        memory.read_slice(&mut copied, GuestAddress(board::FIRMWARE_BASE)).unwrap();
        assert_eq!(&copied, b"code");
    }

    #[test]
    fn every_cut_of_the_file_is_an_error() {
        let memory = memory();
        let elf = image(board::FIRMWARE_BASE, board::FIRMWARE_BASE, b"code", 4);
        for length in 0..elf.len() {
            assert!(load(&elf[..length], &memory, RAM).is_err(), "{length} bytes were accepted");
        }
    }

    #[test]
    fn a_segment_outside_ram_or_below_the_firmware_is_refused() {
        let memory = memory();
        for (address, size) in [(0x7000, 4), (RAM - 2, 4), (u64::MAX - 1, 4), (1 << 20, u64::MAX)] {
            let elf = image(address, address, b"code", size);
            let refused = matches!(load(&elf, &memory, RAM), Err(LoadError::OutsideRam { .. }));
            assert!(refused, "segment at {address:#x}, {size:#x} bytes");
        }
    }

    #[test]
    fn an_entry_outside_every_segment_is_refused() {
        let elf = image(board::FIRMWARE_BASE, 0x8000, b"code", 4);
        assert_eq!(load(&elf, &memory(), RAM), Err(LoadError::Entry(0x8000)));
    }

    #[test]
    fn a_host_program_is_refused_with_advice() {
        let mut elf = image(board::FIRMWARE_BASE, board::FIRMWARE_BASE, b"code", 4);
        elf[16] = 3; // ET_DYN, as a position-independent program of the host
        assert_eq!(load(&elf, &memory(), RAM), Err(LoadError::NotExecutable));
    }
}
