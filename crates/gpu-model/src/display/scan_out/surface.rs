//! A plane's surface: where its rows lie in memory.

use gen8_spec::tiling::{TILE_BYTES, Tiling};
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};

use crate::ggtt::Ggtt;
use crate::memory::GuestRam;

/// What a plane's registers say about its surface. A plane's origin and size are in bytes of a row
/// and in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// GGTT address.
    pub(super) address: u64,
    /// X-tiled, else linear. Planes of this generation show nothing else.
    pub(super) tiled: bool,
    /// Bytes from a row to the next.
    pub(super) stride: u64,
    /// Where in the surface the plane begins.
    pub(super) origin: (u64, u64),
    /// What the plane shows of it.
    pub(super) size: (u64, u64),
}

/// A surface with the pages that the GGTT had for it.
#[derive(Clone, Debug)]
pub(super) struct Surface {
    layout: Layout,
    pages: Vec<Option<u64>>,
}

impl Surface {
    pub(super) fn new(layout: Layout, ggtt: &Ggtt) -> Surface {
        let Layout { address, origin, size, .. } = layout;
        // Rows up to the end of their tiles, and what the last one has beyond the stride.
        let rows = (origin.1 + size.1).next_multiple_of(Tiling::X.height());
        let beyond = (origin.0 + size.0) * Tiling::X.height();
        let bytes = rows * layout.stride + beyond + TILE_BYTES;
        let page = |index: u64| ggtt.translate(address + (index << PAGE_SHIFT)).ok();
        Surface { layout, pages: (0..bytes >> PAGE_SHIFT).map(page).collect() }
    }

    /// Reads row `y` of the plane, from its first byte on. What no memory holds is 0.
    pub(super) fn read_row(&self, y: u32, row: &mut [u8], memory: &GuestRam) {
        let (mut x, y) = (self.layout.origin.0, self.layout.origin.1 + u64::from(y));
        let mut rest = row;
        while !rest.is_empty() {
            let (offset, run) = self.locate(x, y);
            let len = run.min(rest.len() as u64);
            let (piece, behind) = rest.split_at_mut(len as usize);
            let page = self.pages.get((offset >> PAGE_SHIFT) as usize).copied().flatten();
            let address = page.map(|page| page + offset % PAGE_SIZE);
            if !address.is_some_and(|address| memory.read_bytes(address, piece)) {
                piece.fill(0);
            }
            x += len;
            rest = behind;
        }
    }

    /// Offset of the byte (x, y), and how many follow it in memory as in the row.
    fn locate(&self, x: u64, y: u64) -> (u64, u64) {
        let Layout { stride, tiled, .. } = self.layout;
        if tiled {
            let offset = Tiling::X.offset(stride as i64, x as i64, y as i64).cast_unsigned();
            (offset, Tiling::X.run() - x % Tiling::X.run())
        } else {
            let offset = y * stride + x;
            (offset, PAGE_SIZE - offset % PAGE_SIZE)
        }
    }
}
