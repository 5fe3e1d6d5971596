//! How a plane's pixels lie in memory.

use std::sync::LazyLock;

use gen8_spec::registers::planes as regs;

use super::picture::Pixel;
use super::yuv::Yuv;

/// A format, named as in [`regs::DSPCNTR`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Indexed,
    Bgrx565,
    /// The last byte of a pixel is alpha, where a plane has any.
    Bgrx888,
    Rgbx888,
    Bgrx101010,
    Rgbx101010,
    Bgrx161616,
    Rgbx161616,
    Yuv422(Yuv),
}

/// What an index stands for.
pub(super) type Palette = [Pixel; 256];

impl Format {
    /// The format of a primary plane's control; `None` for those that do not exist.
    pub(super) fn of_primary(control: u32) -> Option<Format> {
        // A primary plane does not show alpha.
        match control >> regs::PLANE_FORMAT_SHIFT & regs::PLANE_FORMAT_MASK {
            regs::FORMAT_INDEXED => Some(Format::Indexed),
            regs::FORMAT_BGRX565 => Some(Format::Bgrx565),
            regs::FORMAT_BGRX888 | regs::FORMAT_BGRA888 => Some(Format::Bgrx888),
            regs::FORMAT_RGBX888 | regs::FORMAT_RGBA888 => Some(Format::Rgbx888),
            regs::FORMAT_BGRX101010 | regs::FORMAT_BGRA101010 => Some(Format::Bgrx101010),
            regs::FORMAT_RGBX101010 | regs::FORMAT_RGBA101010 => Some(Format::Rgbx101010),
            regs::FORMAT_RGBX161616 => Some(Format::Rgbx161616),
            _ => None,
        }
    }

    /// The format of a sprite's control; `None` for those that do not exist, and for two that no
    /// driver uses: YUV 4:4:4 and the extended range of ten bits.
    pub(super) fn of_sprite(control: u32) -> Option<Format> {
        let rgbx = control & regs::SPRITE_ORDER_RGBX != 0;
        let order = |bgrx: Format, other: Format| Some(if rgbx { other } else { bgrx });
        match control >> regs::SPRITE_FORMAT_SHIFT & regs::SPRITE_FORMAT_MASK {
            regs::SPRITE_FORMAT_YUV422 => Some(Format::Yuv422(Yuv::of(control))),
            regs::SPRITE_FORMAT_101010 => order(Format::Bgrx101010, Format::Rgbx101010),
            regs::SPRITE_FORMAT_888 => order(Format::Bgrx888, Format::Rgbx888),
            regs::SPRITE_FORMAT_161616 => order(Format::Bgrx161616, Format::Rgbx161616),
            _ => None,
        }
    }

    /// Bytes of a pixel.
    pub(super) fn bytes(self) -> u32 {
        match self {
            Format::Indexed => 1,
            Format::Bgrx565 | Format::Yuv422(_) => 2,
            Format::Bgrx161616 | Format::Rgbx161616 => 8,
            Format::Bgrx888 | Format::Rgbx888 | Format::Bgrx101010 | Format::Rgbx101010 => 4,
        }
    }

    /// Whether pixels lie in memory as in a picture, but for their last byte.
    pub(super) fn is_plain(self) -> bool {
        self == Format::Bgrx888
    }

    /// Makes pixels of the bytes of a row. The last byte of a pixel has no meaning.
    pub(super) fn decode(self, bytes: &[u8], row: &mut [Pixel], palette: Option<&Palette>) {
        match self {
            Format::Indexed => each(bytes, row, |[index]| match palette {
                Some(palette) => palette[usize::from(index)],
                None => [index; 4],
            }),
            Format::Bgrx888 => each(bytes, row, |pixel| pixel),
            Format::Rgbx888 => each(bytes, row, |[red, green, blue, _]| [blue, green, red, 0]),
            Format::Bgrx101010 => each(bytes, row, |pixel| tens(pixel, [2, 12, 22])),
            Format::Rgbx101010 => each(bytes, row, |pixel| tens(pixel, [22, 12, 2])),
            Format::Bgrx565 => each(bytes, row, bgrx565),
            Format::Bgrx161616 => halves(bytes, row, [0, 16, 32]),
            Format::Rgbx161616 => halves(bytes, row, [32, 16, 0]),
            Format::Yuv422(yuv) => yuv.decode(bytes, row),
        }
    }
}

/// Makes a pixel of each `N` bytes.
fn each<const N: usize>(bytes: &[u8], row: &mut [Pixel], convert: impl Fn([u8; N]) -> Pixel) {
    let (pixels, _) = bytes.as_chunks();
    for (&bytes, pixel) in pixels.iter().zip(row) {
        *pixel = convert(bytes);
    }
}

/// Of fields of ten bits the upper eight, which begin at these bits: blue, green and red.
fn tens(bytes: [u8; 4], fields: [u32; 3]) -> Pixel {
    let [blue, green, red] = fields.map(|low| (u32::from_le_bytes(bytes) >> low) as u8);
    [blue, green, red, 0]
}

/// Fields of five and six bits are filled up with their own highest bits, so that all ones are white.
fn bgrx565(bytes: [u8; 2]) -> Pixel {
    let word = u16::from_le_bytes(bytes);
    let five = |field: u16| ((field & 0x1f) << 3 | (field & 0x1f) >> 2) as u8;
    let green = word >> 5 & 0x3f;
    [five(word), (green << 2 | green >> 4) as u8, five(word >> 11), 0]
}

/// Half floats from 0 to 1, which begin at these bits: blue, green and red.
fn halves(bytes: &[u8], row: &mut [Pixel], fields: [u32; 3]) {
    let colors: &[u8] = &HALVES;
    // A table has all of them.
    let color = |bits: u16| colors.get(usize::from(bits)).copied().unwrap_or(0);
    each(bytes, row, |pixel| {
        let qword = u64::from_le_bytes(pixel);
        let [blue, green, red] = fields.map(|low| color((qword >> low) as u16));
        [blue, green, red, 0]
    });
}

/// The color of every half float: to calculate it takes longer than all else that is done to a pixel.
static HALVES: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..=u16::MAX).map(|bits| eight_bits(half(bits))).collect());

/// The value of a half float; what is no number is 0.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff) / 1024.0);
    let magnitude = match exponent {
        0 => fraction * 2_f32.powi(-14),
        31 if fraction != 0.0 => 0.0,
        31 => f32::INFINITY,
        _ => (1.0 + fraction) * 2_f32.powi(exponent - 15),
    };
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}

/// Eight bits of a color from 0 to 1; what is less or more is cut off.
pub(super) fn eight_bits(color: f32) -> u8 {
    // A conversion to an integer saturates.
    (color * 255.0).round() as u8
}
