//! Scan-out: the picture that a pipe sends.
//!
//! It is taken in two steps, so that the device is not held up: [`Screen`] notes what the registers
//! say and which pages the GGTT maps, [`Scanner`] reads the pixels.
//!
//! Planes are drawn one over the other as the pipe does: the primary plane, the sprite, the cursor;
//! then gamma and color conversion apply to all of it. Planes are linear or X-tiled: this generation
//! shows no other tiling. Colors have eight bits; what formats and palettes have beyond that is cut
//! off or rounded. What a plane cannot fetch is black, and so is everything where no plane is. The
//! picture is as large as PIPESRC says: what the panel fitter makes of it is not drawn.

mod color;
mod cursor;
mod format;
mod image;
mod picture;
mod planes;
mod primary;
mod scanner;
mod sprite;
mod surface;
mod yuv;

use gen8_spec::registers::outputs as regs;

use self::color::Color;
use self::cursor::Cursor;
use self::image::Image;
use self::picture::BLACK;
pub use self::picture::{Changes, Picture, Pixel};
pub use self::planes::PlaneId;
pub(super) use self::planes::{Planes, Primary};
pub use self::scanner::Scanner;
use self::sprite::Sprite;
use crate::display::palette::Palette;
use crate::ggtt::Ggtt;
use crate::memory::GuestRam;
use crate::registers::RegisterFile;

/// What a pipe sends, as its registers and the GGTT were at one time.
#[derive(Clone, Debug)]
pub struct Screen {
    width: u32,
    height: u32,
    primary: Option<Image>,
    sprite: Option<Sprite>,
    cursor: Option<Cursor>,
    color: Option<Color>,
    memory: GuestRam,
}

/// What the picture of a pipe depends on.
pub(super) struct Source<'a> {
    pub(super) pipe: u32,
    pub(super) planes: &'a Planes,
    pub(super) file: &'a RegisterFile,
    pub(super) palette: &'a Palette,
    pub(super) ggtt: &'a Ggtt,
    pub(super) memory: &'a GuestRam,
}

/// Room to draw in, so that rows need none of their own.
#[derive(Clone, Debug, Default)]
struct Room {
    /// A row of a plane.
    pixels: Vec<Pixel>,
    /// As it is in memory.
    bytes: Vec<u8>,
}

impl Screen {
    /// What a pipe sends; `None` while it is off.
    pub(super) fn of(source: &Source<'_>) -> Option<Screen> {
        let &Source { pipe, planes, file, palette, ggtt, memory } = source;
        let register = |offset: u32| file.get(offset + pipe * regs::PIPE_STRIDE);
        if register(regs::PIPECONF) & regs::PIPECONF_STATE == 0 {
            return None;
        }
        let size = register(regs::PIPESRC);
        let width = (size >> regs::PIPESRC_WIDTH_SHIFT & regs::PIPESRC_MASK) + 1;
        let height = (size & regs::PIPESRC_MASK) + 1;
        let indices = || color::legacy_palette(pipe, file);
        let primary = primary::image(&planes.primary, (width, height), ggtt);
        Some(Screen {
            width,
            height,
            primary: primary.map(|image| image.with_palette(indices)),
            sprite: Sprite::of(&planes.sprite, ggtt),
            cursor: Cursor::of(&planes.cursor, ggtt),
            color: Color::of(pipe, planes.primary.control, file, palette),
            memory: memory.clone(),
        })
    }

    /// The picture, read once. Who looks again and again keeps a [`Scanner`].
    pub fn picture(&self) -> Picture {
        let mut scanner = Scanner::new();
        scanner.update(self);
        scanner.into_picture()
    }

    /// The screen with nothing on it but one plane, whose colors stay as they are.
    pub(super) fn only(mut self, plane: PlaneId) -> Screen {
        let keep = |id: PlaneId| id == plane;
        self.primary = self.primary.filter(|_| keep(PlaneId::Primary));
        self.sprite = self.sprite.filter(|_| keep(PlaneId::Sprite));
        self.cursor = self.cursor.filter(|_| keep(PlaneId::Cursor));
        self.color = None;
        self
    }

    /// GGTT address of the first byte that a plane shows and that no memory holds, or that hardware
    /// cannot fetch.
    pub(super) fn missing(&self, plane: PlaneId) -> Option<u64> {
        let image = match plane {
            PlaneId::Primary => self.primary.as_ref(),
            PlaneId::Sprite => self.sprite.as_ref().map(|sprite| &sprite.image),
            PlaneId::Cursor => self.cursor.as_ref().map(|cursor| &cursor.image),
        };
        image.and_then(|image| image.missing(&self.memory))
    }

    /// The image that is all of row `y`, if it lies in memory as it is shown.
    fn plain(&self, y: u32) -> Option<&Image> {
        let sprite = self.sprite.as_ref().and_then(|sprite| sprite.line(y));
        let cursor = self.cursor.as_ref().and_then(|cursor| cursor.line(y));
        let alone = sprite.is_none() && cursor.is_none();
        self.primary.as_ref().filter(|image| alone && image.is_plain())
    }

    /// Makes `row` row `y` of the picture, but for what the pipe does to its colors; the last byte of
    /// its pixels has no meaning.
    fn compose(&self, y: u32, row: &mut [Pixel], room: &mut Room) {
        match &self.primary {
            Some(image) => image.read(y, row, &self.memory, &mut room.bytes),
            None => row.fill(BLACK),
        }
        if let Some(sprite) = &self.sprite {
            sprite.draw(y, row, &self.memory, room);
        }
        if let Some(cursor) = &self.cursor {
            cursor.draw(y, row, &self.memory, room);
        }
    }
}

#[cfg(test)]
mod tests;
