//! Pictures: made here in plain memory, then laid into objects as planes want them.

use super::card::Card;
use super::uapi;
use crate::checks::gem::layout;
use crate::error::Result;
use crate::gpu::blt::{Layout, Surface};
use crate::gpu::{Device, Object, View};

/// Bytes of a pixel.
const PIXEL: usize = 4;
/// Pitches of linear frame buffers are multiples of this; of X-tiled ones, of a tile's row.
const LINEAR_PITCH: usize = 64;
const TILE_ROW: usize = 512;
/// Rows of an X tile.
const TILE_ROWS: usize = 8;
const PAGE: usize = 4096;

/// Pixels 0xAARRGGBB, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    pixels: Vec<u32>,
}

impl Picture {
    /// Each pixel by its place.
    pub(super) fn new(
        width: usize,
        height: usize,
        mut pixel: impl FnMut(usize, usize) -> u32,
    ) -> Picture {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let pixels = places.map(|(x, y)| pixel(x, y)).collect();
        Picture { width, height, pixels }
    }

    /// A picture in which no two parts are alike; another one for each seed.
    pub(super) fn pattern(width: usize, height: usize, seed: u32) -> Picture {
        Picture::new(width, height, |x, y| pattern(x as u32, y as u32, seed))
    }

    /// The pixel at a place.
    pub(super) fn at(&self, x: usize, y: usize) -> u32 {
        self.pixels[y * self.width + x]
    }

    /// Each pixel changed by `change`.
    pub(super) fn map(&self, change: impl Fn(u32) -> u32) -> Picture {
        let pixels = self.pixels.iter().map(|&pixel| change(pixel)).collect();
        Picture { pixels, ..*self }
    }

    /// Lays `other` over this with its left upper corner at (left, top), also where that is outside.
    /// Pixels that are not opaque let this one through, as much as their alpha (0 or 255) says.
    pub(super) fn paint(&mut self, other: &Picture, left: i32, top: i32) {
        for y in 0..other.height {
            for x in 0..other.width {
                let (to_x, to_y) = (left + x as i32, top + y as i32);
                let inside = (0..self.width as i32).contains(&to_x)
                    && (0..self.height as i32).contains(&to_y);
                let pixel = other.at(x, y);
                if inside && pixel >> 24 == 0xff {
                    self.pixels[to_y as usize * self.width + to_x as usize] = pixel;
                }
            }
        }
    }

    /// The pixels of a row.
    pub(super) fn row(&self, y: usize) -> &[u32] {
        &self.pixels[y * self.width..][..self.width]
    }
}

/// Opaque, and different enough from its neighbours that a pixel beside its place is seen.
fn pattern(x: u32, y: u32, seed: u32) -> u32 {
    let mixed = (x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77))
        .wrapping_add(seed.wrapping_mul(0xc2b2_ae3d));
    0xff00_0000 | (mixed ^ mixed >> 15) & 0x00ff_ffff
}

/// A frame buffer, which holds its pixels; dropping frees it, and what shows it goes dark.
pub(super) struct FrameBuffer {
    device: Device,
    pub(super) id: u32,
}

impl FrameBuffer {
    /// A frame buffer of a picture.
    pub(super) fn new(card: &Card, picture: &Picture, layout: Layout) -> Result<FrameBuffer> {
        let (pitch, rows) = match layout {
            Layout::Linear => {
                ((picture.width * PIXEL).next_multiple_of(LINEAR_PITCH), picture.height)
            }
            _ => (
                (picture.width * PIXEL).next_multiple_of(TILE_ROW),
                picture.height.next_multiple_of(TILE_ROWS),
            ),
        };
        let object = card.device.object((pitch * rows).next_multiple_of(PAGE))?;
        draw(&object, picture, layout, pitch)?;
        let mut add = uapi::FbCmd2 {
            width: picture.width as u32,
            height: picture.height as u32,
            pixel_format: uapi::XRGB8888,
            ..Default::default()
        };
        (add.handles[0], add.pitches[0]) = (object.handle(), pitch as u32);
        if layout != Layout::Linear {
            (add.flags, add.modifier[0]) = (uapi::FB_MODIFIERS, uapi::MOD_X_TILED);
        }
        card.device.ioctl(uapi::ADDFB2, &mut add)?;
        Ok(FrameBuffer { device: card.device.clone(), id: add.fb_id })
    }

    /// As [`FrameBuffer::new`], linear.
    pub(super) fn linear(card: &Card, picture: &Picture) -> Result<FrameBuffer> {
        FrameBuffer::new(card, picture, Layout::Linear)
    }
}

impl Drop for FrameBuffer {
    fn drop(&mut self) {
        if let Err(error) = self.device.ioctl(uapi::RMFB, &mut self.id) {
            eprintln!("gen8-checks: {error}");
        }
    }
}

/// An object with a cursor's picture in it, without gaps between rows.
pub(super) fn cursor_object(card: &Card, picture: &Picture) -> Result<Object> {
    let pitch = picture.width * PIXEL;
    let object = card.device.object((pitch * picture.height).next_multiple_of(PAGE))?;
    draw(&object, picture, Layout::Linear, pitch)?;
    Ok(object)
}

fn draw(object: &Object, picture: &Picture, form: Layout, pitch: usize) -> Result<()> {
    let memory = object.map(View::Uncached)?;
    let surface = Surface { address: 0, pitch: pitch as i32, layout: form };
    // Pieces of a row that lie together in every layout.
    let piece = TILE_ROW / PIXEL;
    for y in 0..picture.height {
        for (number, pixels) in picture.row(y).chunks(piece).enumerate() {
            let bytes: Vec<u8> = pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
            let place = layout::offset(&surface, (number * TILE_ROW) as i64, y as i64);
            memory.write_bytes(place as usize, &bytes);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_differ_by_place_and_seed() {
        let one = Picture::pattern(64, 32, 1);
        assert_ne!(one, Picture::pattern(64, 32, 2));
        assert_ne!(one.row(3), one.row(4));
        assert_ne!(one.at(5, 3), one.at(6, 3));
        assert!(one.row(0).iter().all(|pixel| pixel >> 24 == 0xff));
    }

    #[test]
    fn what_is_painted_is_cut_at_the_edges_and_lets_through_where_it_is_clear() {
        let mut ground = Picture::new(4, 4, |_, _| 0xff00_0000);
        let sticker = Picture::new(2, 2, |x, _| if x == 0 { 0xff00_00ff } else { 0 });
        ground.paint(&sticker, 3, -1);
        ground.paint(&sticker, -1, 0);
        let blue: Vec<_> = (0..16).filter(|i| ground.at(i % 4, i / 4) != 0xff00_0000).collect();
        assert_eq!(blue, [3]);
    }
}
