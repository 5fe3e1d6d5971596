//! Rows of Y tiles: pieces of a column's width that lie a column apart.
//!
//! Volatile accesses, in ascending order; whole pieces go at once.

use gen8_spec::tiling::{TILE_BYTES, Tiling, Y_COLUMN_BYTES};

use super::GuestRam;
use super::bulk::Wide;

/// Bytes of a Y tile's column in a row.
const COLUMN: usize = Y_COLUMN_BYTES as usize;
/// Bytes of a column that go at once.
const WIDE: usize = size_of::<Wide>();
/// From a column of a Y tile to the next.
const COLUMN_STEP: usize = COLUMN * Tiling::Y.height() as usize;

impl GuestRam {
    /// Copies from a row of a Y tile: the columns' pieces follow each other in `buffer`. False (and
    /// nothing copied) unless the tile is RAM and the row goes so far.
    pub fn read_columns(&self, address: u64, buffer: &mut [u8]) -> bool {
        let tile = self.pointer(address & !(TILE_BYTES - 1), TILE_BYTES);
        let Some((tile, row)) = tile.zip(TileRow::new(address, buffer.len())) else {
            return false;
        };
        let (first, rest) = buffer.split_at_mut(row.first_len());
        for (at, byte) in first.iter_mut().enumerate() {
            // SAFETY: `pointer` checked that `tile` covers a tile; `TileRow` stays inside.
            *byte = unsafe { tile.wrapping_add(row.start + at).read_volatile() };
        }
        let mut columns = rest.chunks_exact_mut(COLUMN);
        let mut at = row.second_column();
        for column in &mut columns {
            for piece in column.chunks_exact_mut(WIDE) {
                // SAFETY: as above; columns are aligned to 16 bytes.
                let value = unsafe { tile.wrapping_add(at).cast::<Wide>().read_volatile() };
                // SAFETY: the piece is as long as the value.
                unsafe { piece.as_mut_ptr().cast::<Wide>().write_unaligned(value) };
                at += WIDE;
            }
            at += COLUMN_STEP - COLUMN;
        }
        for byte in columns.into_remainder() {
            // SAFETY: as above.
            *byte = unsafe { tile.wrapping_add(at).read_volatile() };
            at += 1;
        }
        true
    }

    /// Copies to a row of a Y tile, the reverse of [`GuestRam::read_columns`].
    pub fn write_columns(&self, address: u64, bytes: &[u8]) -> bool {
        let Some(row) = TileRow::new(address, bytes.len()) else {
            return false;
        };
        let write = |tile: *mut u8| write_row(tile, &row, bytes);
        self.write_with(address & !(TILE_BYTES - 1), TILE_BYTES, write)
    }
}

/// Copies `bytes` to a row of the Y tile that `tile` covers.
// In the loop of its caller: called, it costs a fifth of a copy to a Y-tiled surface.
#[inline(always)]
fn write_row(tile: *mut u8, row: &TileRow, bytes: &[u8]) {
    let (first, rest) = bytes.split_at(row.first_len());
    for (at, &byte) in first.iter().enumerate() {
        // SAFETY: `write_with` checked that `tile` covers a tile; `TileRow` stays inside.
        unsafe { tile.wrapping_add(row.start + at).write_volatile(byte) };
    }
    let columns = rest.chunks_exact(COLUMN);
    let last = columns.remainder();
    let mut at = row.second_column();
    for column in columns {
        for piece in column.chunks_exact(WIDE) {
            // SAFETY: the piece is as long as the value.
            let value = unsafe { piece.as_ptr().cast::<Wide>().read_unaligned() };
            // SAFETY: as above; columns are aligned to 16 bytes.
            unsafe { tile.wrapping_add(at).cast::<Wide>().write_volatile(value) };
            at += WIDE;
        }
        at += COLUMN_STEP - COLUMN;
    }
    for &byte in last {
        // SAFETY: as above.
        unsafe { tile.wrapping_add(at).write_volatile(byte) };
        at += 1;
    }
}

/// Part of a row of a Y tile.
struct TileRow {
    /// Offset in the tile of its first byte.
    start: usize,
    len: usize,
}

impl TileRow {
    /// `None` when the tile's row ends before `len` bytes.
    fn new(address: u64, len: usize) -> Option<TileRow> {
        let start = (address % TILE_BYTES) as usize;
        let column = start / COLUMN_STEP;
        let room = COLUMN * (TILE_BYTES as usize / COLUMN_STEP - column) - start % COLUMN;
        (len <= room).then_some(TileRow { start, len })
    }

    /// Bytes in the first column, if the row does not begin with it; else none.
    fn first_len(&self) -> usize {
        match self.start % COLUMN {
            0 => 0,
            past => (COLUMN - past).min(self.len),
        }
    }

    /// Where the first column begins that is used from its left edge.
    fn second_column(&self) -> usize {
        match self.first_len() {
            0 => self.start,
            first if first == self.len => self.start + first,
            first => self.start + first - COLUMN + COLUMN_STEP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bytes, numbered};

    #[test]
    fn rows_of_y_tiles_go_from_column_to_column_and_touch_no_other_rows() {
        for x in 0..128_usize {
            for len in [0, 1, 5, 16, 17, 40, 128 - x] {
                let (memory, before) = numbered();
                let place = |x: usize| 0x1000 + x / 16 * 512 + 3 * 16 + x % 16;
                let mut row = vec![0; len];
                assert_eq!(memory.read_columns(place(x) as u64, &mut row), x + len <= 128);
                if x + len > 128 {
                    continue;
                }
                assert!((0..len).all(|n| row[n] == before[place(x + n)]), "{x} {len}");
                let other: Vec<u8> = row.iter().map(|byte| !byte).collect();
                assert!(memory.write_columns(place(x) as u64, &other));
                let mut expected = before.clone();
                (0..len).for_each(|n| expected[place(x + n)] = other[n]);
                assert_eq!(bytes(&memory, 0, 0x2000), expected, "{x} {len}");
            }
        }
    }
}
