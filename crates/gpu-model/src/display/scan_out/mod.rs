//! Scan-out: the picture that a pipe sends.
//!
//! It is taken in two steps, so that the device is not held up: [`Screen`] notes what the registers
//! say and which pages the GGTT maps, [`Scanner`] reads the pixels. Only the primary plane is
//! drawn. Pixels that no memory holds are black, and so is everything where the plane is off.

mod format;
mod picture;
mod scanner;
mod surface;

use gen8_spec::PAGE_SIZE;
use gen8_spec::registers::outputs as regs;

use self::format::Format;
use self::picture::BLACK;
pub use self::picture::{Changes, Picture, Pixel};
pub use self::scanner::Scanner;
use self::surface::{Layout, Surface};
use crate::ggtt::Ggtt;
use crate::memory::GuestRam;
use crate::registers::RegisterFile;

/// What a pipe sends, as its registers and the GGTT were at one time.
#[derive(Clone, Debug)]
pub struct Screen {
    width: u32,
    height: u32,
    plane: Option<Plane>,
    memory: GuestRam,
}

/// The primary plane.
#[derive(Clone, Debug)]
struct Plane {
    format: Format,
    surface: Surface,
}

impl Screen {
    /// What `pipe` sends; `None` while it is off.
    pub(super) fn of(
        pipe: u32,
        file: &RegisterFile,
        ggtt: &Ggtt,
        memory: &GuestRam,
    ) -> Option<Screen> {
        let register = |offset: u32| file.get(offset + pipe * regs::PIPE_STRIDE);
        if register(regs::PIPECONF) & regs::PIPECONF_STATE == 0 {
            return None;
        }
        let size = register(regs::PIPESRC);
        let width = (size >> regs::PIPESRC_WIDTH_SHIFT & regs::PIPESRC_MASK) + 1;
        let height = (size & regs::PIPESRC_MASK) + 1;
        let plane = Plane::of(register, (width, height), ggtt);
        Some(Screen { width, height, plane, memory: memory.clone() })
    }

    /// The picture, read once. Who looks again and again keeps a [`Scanner`].
    pub fn picture(&self) -> Picture {
        let mut scanner = Scanner::new();
        scanner.update(self);
        scanner.into_picture()
    }

    /// Makes `row` row `y` of the picture; the last byte of its pixels has no meaning. `bytes` is room
    /// to read into.
    fn compose(&self, y: u32, row: &mut [Pixel], bytes: &mut Vec<u8>) {
        match &self.plane {
            Some(plane) if plane.format.is_plain() => {
                plane.surface.read_row(y, row.as_flattened_mut(), &self.memory);
            }
            Some(plane) => {
                bytes.resize(row.len() * plane.format.bytes(), 0);
                plane.surface.read_row(y, bytes, &self.memory);
                plane.format.decode(bytes, row);
            }
            None => row.fill(BLACK),
        }
    }
}

impl Plane {
    /// The plane of a pipe with a picture of this size; `None` while it is off, or if it is drawn
    /// in no way that the model knows.
    fn of(register: impl Fn(u32) -> u32, size: (u32, u32), ggtt: &Ggtt) -> Option<Plane> {
        let control = register(regs::DSPCNTR);
        if control & regs::PLANE_ENABLE == 0 {
            return None;
        }
        let format = Format::of_primary(control)?;
        let offset = register(regs::DSPOFFSET);
        let (x, y) = (offset & regs::PLANE_OFFSET_MASK, offset >> 16 & regs::PLANE_OFFSET_MASK);
        let bytes = format.bytes() as u64;
        let layout = Layout {
            address: u64::from(register(regs::DSPSURFLIVE)) & !(PAGE_SIZE - 1),
            tiled: control & regs::PLANE_X_TILED != 0,
            stride: u64::from(register(regs::DSPSTRIDE) & regs::PLANE_STRIDE_MASK),
            origin: (u64::from(x) * bytes, y.into()),
            size: (u64::from(size.0) * bytes, size.1.into()),
        };
        Some(Plane { format, surface: Surface::new(layout, ggtt) })
    }
}

#[cfg(test)]
mod tests;
