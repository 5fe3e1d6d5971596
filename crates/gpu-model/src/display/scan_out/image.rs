//! The pixels of a plane.

use gen8_spec::PAGE_SIZE;
use gen8_spec::registers::planes as regs;

use super::format::{Format, Palette};
use super::picture::{BLACK, Pixel};
use super::surface::{Layout, Surface};
use crate::ggtt::Ggtt;
use crate::memory::GuestRam;

/// What a plane's registers say about its pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Description {
    pub(super) format: Format,
    pub(super) tiled: bool,
    /// Standing on its head.
    pub(super) rotated: bool,
    /// GGTT address; its lower bits do not count.
    pub(super) address: u32,
    /// Bytes from a row to the next.
    pub(super) stride: u32,
    /// Row above pixel of the surface, as in the plane's register.
    pub(super) origin: u32,
    /// Pixels of a row, and rows.
    pub(super) size: (u32, u32),
}

/// A plane's pixels, from its own corner on.
#[derive(Clone, Debug)]
pub(super) struct Image {
    format: Format,
    rotated: bool,
    pub(super) size: (u32, u32),
    surface: Surface,
    palette: Option<Box<Palette>>,
}

impl Image {
    /// The image described, with the pages that the GGTT has for it.
    pub(super) fn new(of: &Description, ggtt: &Ggtt) -> Image {
        let (width, height) = of.size;
        let bytes = of.format.bytes();
        let x = of.origin & regs::PLANE_OFFSET_X_MASK;
        let layout = Layout {
            address: u64::from(of.address) & !(PAGE_SIZE - 1),
            tiled: of.tiled,
            stride: of.stride,
            origin: (x * bytes, of.origin >> 16 & regs::PLANE_OFFSET_MASK),
            size: (width * bytes, height),
        };
        let surface = match width.max(height) <= regs::PLANE_SIZE_MAX {
            true => Surface::new(layout, ggtt),
            false => Surface::nowhere(layout),
        };
        Image { format: of.format, rotated: of.rotated, size: of.size, surface, palette: None }
    }

    /// With a meaning for indices.
    pub(super) fn with_palette(self, palette: impl FnOnce() -> Box<Palette>) -> Image {
        let palette = (self.format == Format::Indexed).then(palette);
        Image { palette, ..self }
    }

    /// Whether its rows are in memory as in a picture, but for the last bytes of pixels.
    pub(super) fn is_plain(&self) -> bool {
        self.format.is_plain() && !self.rotated && !self.surface.is_nowhere()
    }

    /// Brings row `y` of a plain image up to date; whether that changed any of its pixels.
    pub(super) fn refresh(&self, y: u32, kept: &mut [Pixel], memory: &GuestRam) -> bool {
        self.surface.refresh_row(y, kept, memory)
    }

    /// Makes `row` row `y` of the image; `row` has as many pixels as the image. `bytes` is room to
    /// read into. What no memory holds is 0.
    pub(super) fn read(&self, y: u32, row: &mut [Pixel], memory: &GuestRam, bytes: &mut Vec<u8>) {
        if self.surface.is_nowhere() {
            row.fill(BLACK);
            return;
        }
        let y = if self.rotated { self.size.1 - 1 - y } else { y };
        if self.format.is_plain() {
            self.surface.read_row(y, row.as_flattened_mut(), memory);
        } else {
            bytes.resize(row.len() * self.format.bytes() as usize, 0);
            self.surface.read_row(y, bytes, memory);
            self.format.decode(bytes, row, self.palette.as_deref());
        }
        if self.rotated {
            row.reverse();
        }
    }

    /// GGTT address of the first byte that is shown and that no memory holds.
    pub(super) fn missing(&self, memory: &GuestRam) -> Option<u64> {
        self.surface.missing(memory)
    }
}
