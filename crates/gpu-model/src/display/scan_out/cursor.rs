//! The cursor: a small image above everything else, with alpha.

use gen8_spec::registers::planes as regs;

use super::format::Format;
use super::image::{Description, Image};
use super::picture::{BLACK, Pixel};
use super::{Room, planes};
use crate::ggtt::Ggtt;
use crate::memory::GuestRam;

/// The cursor, on.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) image: Image,
    /// Of its corner in the picture, from which it may lie to the left and above.
    position: (i32, i32),
}

impl Cursor {
    /// What the registers say; `None` while the cursor is off, or in one of the old modes of few
    /// colors, which no driver of this generation uses.
    pub(super) fn of(registers: &planes::Cursor, ggtt: &Ggtt) -> Option<Cursor> {
        let side = match registers.control & regs::CURSOR_MODE_MASK {
            regs::CURSOR_64_ARGB => 64,
            regs::CURSOR_128_ARGB => 128,
            regs::CURSOR_256_ARGB => 256,
            _ => return None,
        };
        let height = match registers.fbc & regs::CUR_FBC_ENABLE {
            0 => side,
            _ => (registers.fbc & regs::CUR_FBC_HEIGHT_MASK) + 1,
        };
        let format = Format::Bgrx888;
        let description = Description {
            format,
            tiled: false,
            rotated: registers.control & regs::PLANE_ROTATE_180 != 0,
            address: registers.base,
            stride: side * format.bytes(),
            origin: 0,
            size: (side, height),
        };
        let signed = |half: u32| {
            let magnitude = (half & regs::CURPOS_MASK) as i32;
            if half & regs::CURPOS_SIGN == 0 { magnitude } else { -magnitude }
        };
        let position = (signed(registers.position), signed(registers.position >> 16));
        Some(Cursor { image: Image::new(&description, ggtt), position })
    }

    /// The row of the cursor that is in row `y` of the picture.
    pub(super) fn line(&self, y: u32) -> Option<u32> {
        let line = i64::from(y) - i64::from(self.position.1);
        u32::try_from(line).ok().filter(|&line| line < self.image.size.1)
    }

    /// Draws over row `y` of the picture.
    pub(super) fn draw(&self, y: u32, row: &mut [Pixel], memory: &GuestRam, room: &mut Room) {
        let Some(line) = self.line(y) else {
            return;
        };
        let Room { pixels, bytes } = room;
        pixels.resize(self.image.size.0 as usize, BLACK);
        self.image.read(line, pixels, memory, bytes);
        let hidden = self.position.0.min(0).unsigned_abs() as usize;
        let shown = pixels.get(hidden..).unwrap_or_default();
        let row = row.get_mut(self.position.0.max(0) as usize..).unwrap_or_default();
        for (below, &pixel) in row.iter_mut().zip(shown) {
            *below = blend(pixel, *below);
        }
    }
}

/// A pixel with premultiplied alpha above another one.
fn blend(pixel: Pixel, below: Pixel) -> Pixel {
    let through = u32::from(u8::MAX - pixel[3]);
    let mut blended = below;
    for (color, pixel) in blended.iter_mut().zip(pixel) {
        // Rounded; premultiplied colors that exceed their alpha saturate.
        let rest = ((u32::from(*color) * through + 127) / 255) as u8;
        *color = pixel.saturating_add(rest);
    }
    blended
}
