//! A plane's surface: where its rows lie in memory.

use core::{iter, mem};

use gen8_spec::registers::planes as regs;
use gen8_spec::tiling::Tiling;
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};

use super::picture::{BLACK, Pixel};
use crate::ggtt::Ggtt;
use crate::memory::GuestRam;

/// What a plane's registers say about its surface. A plane's origin and size are in bytes of a row
/// and in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// GGTT address, at the start of a page.
    pub(super) address: u64,
    /// X-tiled, else linear. Planes of this generation show nothing else.
    pub(super) tiled: bool,
    /// Bytes from a row to the next.
    pub(super) stride: u32,
    /// Where in the surface the plane begins.
    pub(super) origin: (u32, u32),
    /// What the plane shows of it; not nothing.
    pub(super) size: (u32, u32),
}

impl Layout {
    /// Whether hardware can fetch rows that lie so.
    fn is_legal(&self) -> bool {
        let unit = match self.tiled {
            true => Tiling::X.width() as u32,
            false => regs::PLANE_STRIDE_UNIT,
        };
        (unit..=regs::PLANE_STRIDE_MAX).contains(&self.stride) && self.stride.is_multiple_of(unit)
    }

    /// Offset of the byte (x, y) of the plane, and how many follow it in memory as in the row.
    fn locate(&self, x: u32, y: u32) -> (u64, u64) {
        let (x, y) = (i64::from(self.origin.0 + x), i64::from(self.origin.1 + y));
        let stride = i64::from(self.stride);
        let (offset, run) = match self.tiled {
            true => (Tiling::X.offset(stride, x, y), Tiling::X.run()),
            false => (y * stride + x, PAGE_SIZE),
        };
        // A run ends where a multiple of it in memory does: rows of tiles are aligned as pages are.
        let offset = offset.cast_unsigned();
        (offset, run - offset % run)
    }
}

/// A surface with the pages that the GGTT had for it.
#[derive(Clone, Debug)]
pub(super) struct Surface {
    layout: Layout,
    /// The first page that the plane shows something of.
    first: u64,
    /// From it on; none if the registers make no sense.
    pages: Vec<Option<u64>>,
}

impl Surface {
    pub(super) fn new(layout: Layout, ggtt: &Ggtt) -> Surface {
        if !layout.is_legal() {
            return Surface::nowhere(layout);
        }
        let (width, height) = layout.size;
        let first = layout.locate(0, 0).0 >> PAGE_SHIFT;
        let last = layout.locate(width - 1, height - 1).0 >> PAGE_SHIFT;
        let page = |index: u64| ggtt.translate(layout.address + (index << PAGE_SHIFT)).ok();
        Surface { layout, first, pages: (first..=last).map(page).collect() }
    }

    /// A surface that hardware cannot fetch.
    pub(super) fn nowhere(layout: Layout) -> Surface {
        Surface { layout, first: 0, pages: Vec::new() }
    }

    /// Whether no row of it has any memory.
    pub(super) fn is_nowhere(&self) -> bool {
        self.pages.is_empty()
    }

    /// The pieces of row `y`: offset in the surface, address in memory if the GGTT has a page for
    /// it, and bytes.
    fn pieces(&self, y: u32) -> impl Iterator<Item = (u64, Option<u64>, usize)> {
        let width = self.layout.size.0;
        let mut x = 0;
        iter::from_fn(move || {
            (x < width).then(|| {
                let (offset, run) = self.layout.locate(x, y);
                let len = run.min(u64::from(width - x));
                x += len as u32;
                let index = (offset >> PAGE_SHIFT).wrapping_sub(self.first);
                let page = self.pages.get(index as usize).copied().flatten();
                (offset, page.map(|page| page + offset % PAGE_SIZE), len as usize)
            })
        })
    }

    /// Reads row `y` of the plane. What no memory holds is 0.
    pub(super) fn read_row(&self, y: u32, row: &mut [u8], memory: &GuestRam) {
        let mut rest = row;
        for (_, address, len) in self.pieces(y) {
            let left = rest.len();
            let (piece, behind) = mem::take(&mut rest).split_at_mut(len.min(left));
            if !address.is_some_and(|address| memory.read_bytes(address, piece)) {
                piece.fill(0);
            }
            rest = behind;
        }
        rest.fill(0);
    }

    /// Brings row `y` of a plane with pixels of four bytes up to date, without their last bytes;
    /// whether that changed any. What no memory holds is black.
    pub(super) fn refresh_row(&self, y: u32, kept: &mut [Pixel], memory: &GuestRam) -> bool {
        let mut rest = kept;
        let mut changed = false;
        for (_, address, len) in self.pieces(y) {
            let pixels = (len / size_of::<Pixel>()).min(rest.len());
            let (piece, behind) = mem::take(&mut rest).split_at_mut(pixels);
            changed |= match address.and_then(|address| memory.refresh_pixels(address, piece)) {
                Some(changed) => changed,
                None => {
                    let lit = piece.iter().any(|&pixel| pixel != BLACK);
                    piece.fill(BLACK);
                    lit
                }
            };
            rest = behind;
        }
        changed
    }

    /// GGTT address of the first byte that is shown and that no memory holds.
    pub(super) fn missing(&self, memory: &GuestRam) -> Option<u64> {
        // All rows of a tile have their pages in common.
        let tile = Tiling::X.height() as u32;
        let top = self.layout.origin.1;
        let new = |y: u32| !self.layout.tiled || y == 0 || (top + y).is_multiple_of(tile);
        let rows = (0..self.layout.size.1).filter(|&y| new(y));
        let pieces = rows.flat_map(|y| self.pieces(y));
        let held = |address: u64| memory.read_bytes(address, &mut [0]);
        let mut missing = pieces.filter(|&(_, address, _)| !address.is_some_and(held));
        missing.next().map(|(offset, ..)| self.layout.address + offset)
    }
}
