//! Blocks: pieces of a recording that are packed and checked as a whole.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::error::Wrong;
use crate::header::u32_at;

/// Bytes of a block's head.
pub(crate) const HEAD: usize = 40;
/// Most bytes of a block, packed or not.
pub(crate) const LARGEST: usize = 1 << 20;
/// Where the checksum is in the head.
const CHECKSUM: usize = 12;
/// How hard to pack: what is fast comes first.
const LEVEL: u8 = 1;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Records.
    Records,
    /// How the recording ended; nothing follows.
    End,
}

/// What a block's records count from, so that blocks can be read on their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Base {
    /// Inputs before it.
    pub(crate) inputs: u64,
    /// Device time, nanoseconds.
    pub(crate) now_ns: u64,
    /// The device's accesses to memory before it.
    pub(crate) accesses: u64,
}

/// A block with its contents unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    pub(crate) base: Base,
    /// What belongs to the last input goes on in the next block.
    pub(crate) continues: bool,
    pub(crate) contents: Vec<u8>,
}

/// The head of a block, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    kind: Kind,
    packed: bool,
    /// Bytes that follow the head.
    pub(crate) stored: usize,
    unpacked: usize,
    base: Base,
    continues: bool,
}

impl Block {
    /// The block as it lies in the file.
    pub(crate) fn pack(&self) -> Vec<u8> {
        let packed = compress_to_vec(&self.contents, LEVEL);
        let smaller = packed.len() < self.contents.len();
        let stored = if smaller { &packed } else { &self.contents };
        let kind = match self.kind {
            Kind::Records => b'R',
            Kind::End => b'E',
        };
        let mut bytes = Vec::with_capacity(HEAD + stored.len());
        bytes.extend([kind, u8::from(smaller), u8::from(self.continues), 0]);
        for len in [stored.len(), self.contents.len(), 0] {
            bytes.extend((len as u32).to_le_bytes());
        }
        for number in [self.base.inputs, self.base.now_ns, self.base.accesses] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(stored);
        let checksum = crc32fast::hash(&bytes);
        bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

impl Head {
    /// Takes a head apart. What it declares is within the limits.
    pub(crate) fn read(bytes: &[u8; HEAD]) -> Result<Head, Wrong> {
        let kind = match bytes[0] {
            b'R' => Kind::Records,
            b'E' => Kind::End,
            _ => return Err(Wrong::What("no block begins here")),
        };
        let packed = match bytes[1] {
            0 => false,
            1 => true,
            _ => return Err(Wrong::What("the block is packed in no known way")),
        };
        let continues = bytes[2] != 0;
        let [stored, unpacked] = [4, 8].map(|at| u32_at(bytes, at) as usize);
        for declared in [stored, unpacked] {
            if declared > LARGEST {
                return Err(Wrong::TooMany { declared: declared as u64, most: LARGEST as u64 });
            }
        }
        let [inputs, now_ns, accesses] = [16, 24, 32]
            .map(|at| u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << u32::BITS);
        let base = Base { inputs, now_ns, accesses };
        Ok(Head { kind, packed, stored, unpacked, base, continues })
    }

    /// The block of this head; `stored` is what follows it.
    pub(crate) fn unpack(&self, head: &[u8; HEAD], stored: Vec<u8>) -> Result<Block, Wrong> {
        let mut checked = *head;
        let checksum = u32_at(&checked, CHECKSUM);
        checked[CHECKSUM..CHECKSUM + 4].fill(0);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&checked);
        hasher.update(&stored);
        if hasher.finalize() != checksum {
            return Err(Wrong::What("the checksum of the block is wrong"));
        }
        let contents = match self.packed {
            false => stored,
            true => decompress_to_vec_with_limit(&stored, self.unpacked)
                .map_err(|_| Wrong::What("the block cannot be unpacked"))?,
        };
        if contents.len() != self.unpacked {
            return Err(Wrong::What("the block has not as many bytes as it says"));
        }
        let Head { kind, base, continues, .. } = *self;
        Ok(Block { kind, base, continues, contents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(contents: Vec<u8>) -> Block {
        let base = Base { inputs: 7, now_ns: u64::MAX, accesses: 1 << 40 };
        Block { kind: Kind::Records, base, continues: true, contents }
    }

    fn unpack(bytes: &[u8]) -> Result<Block, Wrong> {
        let (head, stored) = bytes.split_first_chunk().expect("a head");
        let taken = Head::read(head)?;
        let stored = stored.get(..taken.stored).ok_or(Wrong::Ends)?;
        taken.unpack(head, stored.to_vec())
    }

    #[test]
    fn blocks_round_trip_packed_and_not() {
        for contents in [vec![], vec![1, 2, 3], vec![5; 4000]] {
            let block = block(contents);
            let bytes = block.pack();
            assert!(bytes.len() <= HEAD + block.contents.len());
            assert_eq!(unpack(&bytes).unwrap(), block);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = block((0..200).map(|n| n * n / 7).map(|n: u32| n as u8).collect()).pack();
        for bit in 0..8 * bytes.len() {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(unpack(&bytes).is_err(), "bit {bit}");
        }
        for len in HEAD..bytes.len() {
            assert!(unpack(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn a_block_that_unpacks_to_more_than_it_says_is_refused() {
        let mut bytes = block(vec![0; LARGEST]).pack();
        bytes[8..12].copy_from_slice(&100_u32.to_le_bytes());
        bytes[CHECKSUM..CHECKSUM + 4].fill(0);
        let checksum = crc32fast::hash(&bytes);
        bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(unpack(&bytes), Err(Wrong::What("the block cannot be unpacked")));
    }
}
