//! The file's packets ("memory trace" of AUB, as Mesa's `intel_aub.h` and its readers and writers have
//! them): a header dword with the packet's kind and its length in dwords less one, then fields.

use std::io::{self, Write};

use gen8_spec::execlists::ContextDescriptor;

/// Command type 7, opcode 0x2e: a packet of the memory trace.
const MEMORY_TRACE: u32 = 7 << 29 | 0x2e << 23;
/// Kinds of packets, bits 23:16 of the header.
const REGISTER_WRITE: u32 = 0x03 << 16;
const MEMORY_WRITE: u32 = 0x06 << 16;
const COMMENT: u32 = 0x08 << 16;
const VERSION: u32 = 0x0e << 16;
/// The version of the format.
const FILE_VERSION: u32 = 1;
/// Broadwell's number in the version packet, bits 15:8.
const BROADWELL: u32 = 11 << 8;
/// A register access of 32 bits.
const DWORD_ACCESS: u32 = 2 << 16;

/// What an address means, bits 31:28 of a memory write.
#[derive(Clone, Copy)]
pub(super) enum Space {
    /// Memory.
    Physical = 2,
    /// The GGTT's entries, eight bytes each.
    GgttEntry = 4,
}

/// Writes packets.
pub(super) struct Packets<W: Write>(W);

impl<W: Write> Packets<W> {
    pub(super) fn new(to: W) -> Packets<W> {
        Packets(to)
    }

    pub(super) fn version(&mut self, application: &str) -> io::Result<()> {
        self.packet(VERSION, &[FILE_VERSION, BROADWELL, 0, 0], application.as_bytes())
    }

    pub(super) fn comment(&mut self, text: &str) -> io::Result<()> {
        // The text ends with a 0.
        self.packet(COMMENT, &[0], &[text.as_bytes(), &[0]].concat())
    }

    pub(super) fn memory(&mut self, space: Space, address: u64, bytes: &[u8]) -> io::Result<()> {
        let space = (space as u32) << 28;
        let fields = [address as u32, (address >> 32) as u32, space, bytes.len() as u32];
        self.packet(MEMORY_WRITE, &fields, bytes)
    }

    /// Element 1, which is not valid, then element 0; of each the upper half first.
    pub(super) fn submit(&mut self, elsp: u32, element: ContextDescriptor) -> io::Result<()> {
        for value in [0, 0, element.upper(), element.lower()] {
            let mask = [u32::MAX, 0];
            self.packet(REGISTER_WRITE, &[elsp, DWORD_ACCESS, mask[0], mask[1], value], &[])?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.0.flush()?;
        Ok(self.0)
    }

    /// A packet with its fields and data, which is filled up to whole dwords.
    fn packet(&mut self, kind: u32, fields: &[u32], data: &[u8]) -> io::Result<()> {
        let dwords = 1 + fields.len() + data.len().div_ceil(4);
        let header = MEMORY_TRACE | kind | (dwords as u32 - 1);
        for dword in [header].iter().chain(fields) {
            self.0.write_all(&dword.to_le_bytes())?;
        }
        self.0.write_all(data)?;
        self.0.write_all(&[0; 3][..data.len().next_multiple_of(4) - data.len()])
    }
}
