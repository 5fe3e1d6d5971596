//! The sprite: an image anywhere in the picture, with a color key. There is no scaling on this
//! generation.

use core::ops::RangeInclusive;

use gen8_spec::registers::planes as regs;

use super::format::Format;
use super::image::{Description, Image};
use super::picture::{BLACK, Pixel};
use super::{Room, planes};
use crate::ggtt::Ggtt;
use crate::memory::GuestRam;

/// The sprite, on.
#[derive(Clone, Debug)]
pub(super) struct Sprite {
    pub(super) image: Image,
    /// Of its corner in the picture.
    position: (u32, u32),
    key: Option<Key>,
}

/// Which pixels of the sprite show. Colors are compared as they are drawn, also those of YUV.
#[derive(Clone, Debug)]
enum Key {
    /// Those that are not in all these ranges: blue, green and red.
    Source([RangeInclusive<u8>; 3]),
    /// Those above a pixel that has this value under the mask.
    Destination { value: u32, mask: u32 },
}

impl Key {
    fn of(registers: &planes::Sprite) -> Option<Key> {
        let planes::Sprite { control, key, key_max, key_mask, .. } = *registers;
        if control & regs::SPRITE_DEST_KEY != 0 {
            return Some(Key::Destination { value: key, mask: key_mask & COLORS });
        }
        // Colors that are not compared match always; if none is, nothing is keyed.
        let channels = key_mask >> regs::SPRKEYMSK_CHANNELS_SHIFT & 7;
        (control & regs::SPRITE_SOURCE_KEY != 0 && channels != 0).then(|| {
            Key::Source([0, 1, 2].map(|color| {
                let byte = |register: u32| (register >> (8 * color)) as u8;
                match channels >> color & 1 {
                    0 => 0..=u8::MAX,
                    _ => byte(key)..=byte(key_max),
                }
            }))
        })
    }

    /// Whether a pixel of the sprite shows above one that is there.
    fn shows(&self, [blue, green, red, _]: Pixel, below: Pixel) -> bool {
        match self {
            Key::Source([blues, greens, reds]) => {
                !(blues.contains(&blue) && greens.contains(&green) && reds.contains(&red))
            }
            Key::Destination { value, mask } => (u32::from_le_bytes(below) ^ value) & mask == 0,
        }
    }
}

/// The bits of a pixel that are colors.
const COLORS: u32 = 0xff_ffff;

impl Sprite {
    /// What the registers say; `None` while the sprite is off, or in a format that it has not.
    pub(super) fn of(registers: &planes::Sprite, ggtt: &Ggtt) -> Option<Sprite> {
        let control = registers.control;
        if control & regs::PLANE_ENABLE == 0 {
            return None;
        }
        let halves = |register: u32| (register & 0xffff, register >> 16);
        let (width, height) = halves(registers.size);
        let description = Description {
            format: Format::of_sprite(control)?,
            tiled: control & regs::PLANE_X_TILED != 0,
            rotated: control & regs::PLANE_ROTATE_180 != 0,
            address: registers.surface,
            stride: registers.stride,
            origin: registers.offset,
            size: (width + 1, height + 1),
        };
        let image = Image::new(&description, ggtt);
        Some(Sprite { image, position: halves(registers.position), key: Key::of(registers) })
    }

    /// The row of the sprite that is in row `y` of the picture.
    pub(super) fn line(&self, y: u32) -> Option<u32> {
        y.checked_sub(self.position.1).filter(|&line| line < self.image.size.1)
    }

    /// Draws over row `y` of the picture.
    pub(super) fn draw(&self, y: u32, row: &mut [Pixel], memory: &GuestRam, room: &mut Room) {
        let Some(line) = self.line(y) else {
            return;
        };
        let Some(row) = row.get_mut(self.position.0 as usize..) else {
            return;
        };
        let Room { pixels, bytes } = room;
        pixels.resize(self.image.size.0 as usize, BLACK);
        self.image.read(line, pixels, memory, bytes);
        for (below, &pixel) in row.iter_mut().zip(pixels.iter()) {
            if self.key.as_ref().is_none_or(|key| key.shows(pixel, *below)) {
                *below = pixel;
            }
        }
    }
}
