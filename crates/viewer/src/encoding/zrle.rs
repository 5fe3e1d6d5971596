//! ZRLE (RFC 6143, 7.7.6): tiles of 64 x 64 pixels, through one zlib stream a connection.
//!
//! Of its kinds of tiles three are made: one colour, up to 16 colours packed, and plain pixels. Zlib
//! finds the runs that the other kinds are for.

use gpu_model::display::Pixel;
use miniz_oxide::DataFormat;
use miniz_oxide::deflate::CompressionLevel;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output};

use super::Pixels;
use crate::area::Area;
use crate::pixel_format::PixelFormat;

/// Pixels of a tile's side.
const TILE: u16 = 64;
/// Colours that a packed tile can have.
const MOST_COLOURS: usize = 16;
/// The fastest of zlib's levels that still searches: screens are full of repetition.
const LEVEL: CompressionLevel = CompressionLevel::BestSpeed;

/// The stream of a connection.
pub(super) struct Zrle {
    compressor: CompressorOxide,
    /// Tiles before they are compressed.
    tiles: Vec<u8>,
}

impl Default for Zrle {
    fn default() -> Self {
        let compressor = CompressorOxide::with_format_and_level(DataFormat::Zlib, LEVEL);
        Zrle { compressor, tiles: Vec::new() }
    }
}

impl Zrle {
    /// Appends the pixels of an area: a length, and so much of the stream.
    pub(super) fn put(
        &mut self,
        format: PixelFormat,
        area: Area,
        pixels: &impl Pixels,
        out: &mut Vec<u8>,
    ) {
        self.tiles.clear();
        for y in (0..area.height).step_by(TILE.into()) {
            for x in (0..area.width).step_by(TILE.into()) {
                let width = TILE.min(area.width - x);
                let height = TILE.min(area.height - y);
                let tile = Area { x: area.x + x, y: area.y + y, width, height };
                put_tile(format, tile, pixels, &mut self.tiles);
            }
        }
        let length = out.len();
        out.extend([0; 4]);
        let flush = TDEFLFlush::Sync; // The viewer can read all of it now.
        compress_to_output(&mut self.compressor, &self.tiles, flush, |bytes| {
            out.extend_from_slice(bytes);
            true
        });
        let bytes = (out.len() - length - 4) as u32;
        out[length..length + 4].copy_from_slice(&bytes.to_be_bytes());
    }
}

fn put_tile(format: PixelFormat, tile: Area, pixels: &impl Pixels, out: &mut Vec<u8>) {
    let rows = || (0..tile.height).map(|row| pixels.row(tile, row));
    let mut palette = Palette::default();
    if !rows().flatten().all(|&pixel| palette.index(pixel).is_some()) {
        out.push(0);
        return rows().flatten().for_each(|&pixel| format.put_compressed(pixel, out));
    }
    let colours = palette.colours();
    out.push(colours.len() as u8);
    colours.iter().for_each(|&pixel| format.put_compressed(pixel, out));
    let bits = match colours.len() {
        1 => return,
        2 => 1,
        3 | 4 => 2,
        _ => 4,
    };
    for row in rows() {
        for pixels in row.chunks(8 / bits) {
            let packed = pixels.iter().enumerate().fold(0, |packed, (at, &pixel)| {
                let index = palette.index(pixel).unwrap_or_default();
                packed | index << (8 - bits * (at + 1))
            });
            out.push(packed as u8);
        }
    }
}

/// The colours of a tile, as long as they are few.
#[derive(Default)]
struct Palette {
    colours: [Pixel; MOST_COLOURS],
    count: usize,
    /// The last one found: neighbours are alike.
    last: usize,
}

impl Palette {
    /// The number of a colour, which is new if there is room.
    fn index(&mut self, colour: Pixel) -> Option<usize> {
        if self.count > 0 && self.colours[self.last] == colour {
            return Some(self.last);
        }
        let known = self.colours().iter().position(|&other| other == colour);
        let index = known.unwrap_or(self.count);
        *self.colours.get_mut(index)? = colour;
        self.count = self.count.max(index + 1);
        self.last = index;
        Some(index)
    }

    fn colours(&self) -> &[Pixel] {
        &self.colours[..self.count]
    }
}
