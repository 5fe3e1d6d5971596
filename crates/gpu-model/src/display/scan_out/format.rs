//! How a plane's pixels lie in memory.

use gen8_spec::registers::outputs as regs;

use super::picture::Pixel;

/// A format, named as in [`regs::DSPCNTR`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Bgrx565,
    Bgrx888,
    Rgbx888,
    Bgrx101010,
    Rgbx101010,
}

impl Format {
    /// The format of a primary plane's control; `None` for those that the model does not draw.
    pub(super) fn of_primary(control: u32) -> Option<Format> {
        // A primary plane does not show alpha.
        match control >> regs::PLANE_FORMAT_SHIFT & regs::PLANE_FORMAT_MASK {
            regs::FORMAT_BGRX565 => Some(Format::Bgrx565),
            regs::FORMAT_BGRX888 | regs::FORMAT_BGRA888 => Some(Format::Bgrx888),
            regs::FORMAT_RGBX888 | regs::FORMAT_RGBA888 => Some(Format::Rgbx888),
            regs::FORMAT_BGRX101010 => Some(Format::Bgrx101010),
            regs::FORMAT_RGBX101010 => Some(Format::Rgbx101010),
            _ => None,
        }
    }

    /// Bytes of a pixel.
    pub(super) fn bytes(self) -> usize {
        match self {
            Format::Bgrx565 => 2,
            _ => 4,
        }
    }

    /// Whether pixels lie in memory as in a picture, but for their last byte.
    pub(super) fn is_plain(self) -> bool {
        self == Format::Bgrx888
    }

    /// Makes pixels of the bytes of a row. The last byte of a pixel has no meaning.
    pub(super) fn decode(self, bytes: &[u8], row: &mut [Pixel]) {
        match self {
            Format::Bgrx888 => each(bytes, row, |pixel| pixel),
            Format::Rgbx888 => each(bytes, row, |[red, green, blue, _]| [blue, green, red, 0]),
            Format::Bgrx101010 => each(bytes, row, |pixel| tens(pixel, [2, 12, 22])),
            Format::Rgbx101010 => each(bytes, row, |pixel| tens(pixel, [22, 12, 2])),
            Format::Bgrx565 => each(bytes, row, bgrx565),
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

/// Of fields of ten bits the upper eight, which begin at these bits.
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
