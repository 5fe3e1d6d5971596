//! Pixels of a sprite in YUV 4:2:2, two and two with their colors in common.

use gen8_spec::registers::planes as regs;

use super::format::eight_bits;
use super::picture::Pixel;

/// How YUV lies in memory, and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Yuv {
    /// Where in four bytes are the first Y, U, the second Y and V.
    order: [usize; 4],
    /// By ITU-R BT.709, else by BT.601.
    bt709: bool,
    /// All of 255:0, else 235:16 and 240:16.
    full_range: bool,
    /// Sent as it is.
    raw: bool,
}

impl Yuv {
    /// What a sprite's control says.
    pub(super) fn of(control: u32) -> Yuv {
        let order = match control >> regs::SPRITE_YUV_ORDER_SHIFT & regs::SPRITE_YUV_ORDER_MASK {
            0 => [0, 1, 2, 3],
            1 => [1, 0, 3, 2],
            2 => [0, 3, 2, 1],
            _ => [1, 2, 3, 0],
        };
        Yuv {
            order,
            bt709: control & regs::SPRITE_YUV_BT709 != 0,
            full_range: control & regs::SPRITE_YUV_FULL_RANGE != 0,
            raw: control & regs::SPRITE_YUV_TO_RGB_DISABLE != 0,
        }
    }

    /// Makes two pixels of each four bytes.
    pub(super) fn decode(self, bytes: &[u8], row: &mut [Pixel]) {
        let (pairs, _) = bytes.as_chunks::<4>();
        for (pair, pixels) in pairs.iter().zip(row.chunks_mut(2)) {
            let [y0, u, y1, v] = self.order.map(|at| pair[at]);
            for (y, pixel) in [y0, y1].into_iter().zip(pixels) {
                *pixel = self.pixel(y, u, v);
            }
        }
    }

    fn pixel(self, y: u8, u: u8, v: u8) -> Pixel {
        if self.raw {
            return [u, y, v, 0];
        }
        let (floor, luma, chroma) = if self.full_range { (0, 255, 255) } else { (16, 219, 224) };
        let scaled = |value: u8, zero: i16, range: i16| {
            f32::from(i16::from(value) - zero) / f32::from(range)
        };
        let (y, u, v) = (scaled(y, floor, luma), scaled(u, 128, chroma), scaled(v, 128, chroma));
        // Weights of red and blue in Y; green has the rest.
        let (red, blue) = if self.bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let (r, b) = (y + 2.0 * (1.0 - red) * v, y + 2.0 * (1.0 - blue) * u);
        let g = (y - red * r - blue * b) / (1.0 - red - blue);
        [eight_bits(b), eight_bits(g), eight_bits(r), 0]
    }
}
