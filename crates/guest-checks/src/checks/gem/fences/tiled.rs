//! A tiled object, seen in two ways.

use std::ops::Deref;

use crate::checks::gem::layout::offset;
use crate::error::{Error, Result};
use crate::gpu::blt::{Blit, Depth, Form, Layout, Pattern, Rectangle, Source, Surface};
use crate::gpu::{Device, Object, View};
use crate::sys::Mapping;
use crate::uapi;

/// A tiled object.
pub(super) struct Tiled {
    pub(super) object: Object,
    sight: Sight,
}

/// What the CPU sees of a tiled object: in rows through a fence, and as it lies in memory.
pub(super) struct Sight {
    /// Through the aperture: row after row.
    pub(super) rows: Mapping,
    /// The pages: tile after tile.
    pub(super) pages: Mapping,
    pub(super) layout: Layout,
    pub(super) pitch: usize,
}

impl Tiled {
    /// All zero.
    pub(super) fn new(
        device: &Device,
        bytes: usize,
        layout: Layout,
        pitch: usize,
    ) -> Result<Tiled> {
        let object = device.object(bytes)?;
        object.set_tiling(layout, pitch as u32)?;
        let (rows, pages) = (object.map(View::Aperture)?, object.open()?);
        object.set_domain(uapi::DOMAIN_GTT)?;
        Ok(Tiled { object, sight: Sight { rows, pages, layout, pitch } })
    }

    /// Another tiling for the same memory.
    pub(super) fn retile(&mut self, layout: Layout, pitch: usize) -> Result<()> {
        self.object.set_tiling(layout, pitch as u32)?;
        (self.sight.layout, self.sight.pitch) = (layout, pitch);
        Ok(())
    }

    /// The sight for another thread; the object must stay here as long.
    pub(super) fn split(self) -> (Object, Sight) {
        (self.object, self.sight)
    }
}

impl Deref for Tiled {
    type Target = Sight;

    fn deref(&self) -> &Sight {
        &self.sight
    }
}

impl Sight {
    /// Writes bytes in rows, and looks for them both ways.
    pub(super) fn check(&self, seen: usize, bytes: &[u8]) -> Result<()> {
        self.rows.write_bytes(seen, bytes);
        self.expect_pages(seen, bytes)?;
        self.expect_rows(seen, bytes)
    }

    /// As a surface of a blit, at `address`.
    pub(super) fn surface(&self, address: u64) -> Surface {
        Surface { address, pitch: self.pitch as i32, layout: self.layout }
    }

    /// Where the byte that the CPU sees at `seen` lies in the pages.
    pub(super) fn place(&self, seen: usize) -> usize {
        let (x, y) = ((seen % self.pitch) as i64, (seen / self.pitch) as i64);
        offset(&self.surface(0), x, y) as usize
    }

    /// Fails unless the pages hold these bytes, which the CPU sees from `seen` on.
    pub(super) fn expect_pages(&self, seen: usize, bytes: &[u8]) -> Result<()> {
        for (at, expected) in (seen..).zip(bytes) {
            let found = self.pages.read_unit(self.place(at), 1) as u8;
            self.expect("in memory", at, found, *expected)?;
        }
        Ok(())
    }

    /// Fails unless the CPU sees these bytes through the fence, from `seen` on.
    pub(super) fn expect_rows(&self, seen: usize, bytes: &[u8]) -> Result<()> {
        let mut found = vec![0; bytes.len()];
        self.rows.read_bytes(seen, &mut found);
        for (at, (found, expected)) in (seen..).zip(found.iter().zip(bytes)) {
            self.expect("through the fence", at, *found, *expected)?;
        }
        Ok(())
    }

    fn expect(&self, how: &str, seen: usize, found: u8, expected: u8) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        let (layout, pitch) = (self.layout, self.pitch);
        Err(Error::Wrong(format!(
            "byte {seen:#x} of {layout:?} tiles with pitch {pitch} is {found:#04x} {how} and should \
             be {expected:#04x}"
        )))
    }
}

/// A copy of all pixels of 32 bits from one surface to another.
pub(super) fn copy(target: Surface, source: Surface, width: i16, rows: i16) -> Blit {
    Blit {
        form: Form::Xy,
        target,
        depth: Depth::Argb8888,
        rop: 0xcc,
        area: Rectangle { left: 0, top: 0, right: width, bottom: rows },
        clip: None,
        alpha: true,
        rgb: true,
        source: Source::Pixels { surface: source, at: (0, 0) },
        pattern: Pattern::None,
        seeds: (0, 0),
        chroma: None,
    }
}
