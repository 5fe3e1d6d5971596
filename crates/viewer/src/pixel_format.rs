//! How a viewer wants its pixels (RFC 6143, 7.4).

use gpu_model::display::Pixel;
use thiserror::Error;

/// Bytes of a format in messages.
pub(crate) const FORMAT_BYTES: usize = 16;

/// A true-colour format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PixelFormat {
    bits: u8,
    depth: u8,
    big_endian: bool,
    red: Channel,
    green: Channel,
    blue: Channel,
}

/// Where a colour is in a pixel, and its largest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Channel {
    max: u16,
    shift: u8,
}

/// A format that no pixels can be made in.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum FormatError {
    /// Neither 8, 16 nor 32.
    #[error("pixels of {0} bits: expected 8, 16 or 32")]
    Bits(u8),
    /// A colour map, which would be ours to set.
    #[error("colours by a map: expected true colours")]
    Map,
    /// A colour has no room.
    #[error("a colour up to {max} at bit {shift} of {bits}")]
    Channel { max: u16, shift: u8, bits: u8 },
}

/// Which bytes of a pixel of 32 bits the colours are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Significant {
    /// Some in the lowest and some in the highest.
    All,
    Low,
    High,
}

impl Channel {
    fn parse(max: [u8; 2], shift: u8, bits: u8) -> Result<Channel, FormatError> {
        let max = u16::from_be_bytes(max);
        let fits = shift < bits && u64::from(max) << shift >> bits == 0;
        if fits {
            Ok(Channel { max, shift })
        } else {
            Err(FormatError::Channel { max, shift, bits })
        }
    }

    /// The colour's bits of a pixel.
    fn place(self, value: u8) -> u32 {
        ((u32::from(value) * u32::from(self.max) + 127) / 255) << self.shift
    }

    fn mask(self) -> u32 {
        u32::from(self.max) << self.shift
    }
}

impl PixelFormat {
    /// What we propose: a [`Pixel`] as it is.
    pub(crate) const OURS: PixelFormat = PixelFormat {
        bits: 32,
        depth: 24,
        big_endian: false,
        red: Channel { max: 255, shift: 16 },
        green: Channel { max: 255, shift: 8 },
        blue: Channel { max: 255, shift: 0 },
    };

    /// Reads a format as it lies in a message.
    pub(crate) fn parse(bytes: &[u8; FORMAT_BYTES]) -> Result<PixelFormat, FormatError> {
        let [bits, depth, big_endian, true_colour, r0, r1, g0, g1, b0, b1, red, green, blue, ..] =
            *bytes;
        if !matches!(bits, 8 | 16 | 32) {
            return Err(FormatError::Bits(bits));
        }
        if true_colour == 0 {
            return Err(FormatError::Map);
        }
        Ok(PixelFormat {
            bits,
            depth,
            big_endian: big_endian != 0,
            red: Channel::parse([r0, r1], red, bits)?,
            green: Channel::parse([g0, g1], green, bits)?,
            blue: Channel::parse([b0, b1], blue, bits)?,
        })
    }

    /// The format as it lies in a message.
    pub(crate) fn bytes(self) -> [u8; FORMAT_BYTES] {
        let [red, green, blue] = [self.red, self.green, self.blue];
        let [[r0, r1], [g0, g1], [b0, b1]] = [red, green, blue].map(|c| c.max.to_be_bytes());
        let (endian, shifts) = (u8::from(self.big_endian), [red.shift, green.shift, blue.shift]);
        let [rs, gs, bs] = shifts;
        [self.bits, self.depth, endian, 1, r0, r1, g0, g1, b0, b1, rs, gs, bs, 0, 0, 0]
    }

    /// The value of a pixel in this format.
    fn value(self, [blue, green, red, _]: Pixel) -> u32 {
        self.red.place(red) | self.green.place(green) | self.blue.place(blue)
    }

    /// Appends a pixel.
    pub(crate) fn put(self, pixel: Pixel, out: &mut Vec<u8>) {
        let value = self.value(pixel);
        match (self.bits, self.big_endian) {
            (8, _) => out.push(value as u8),
            (16, true) => out.extend((value as u16).to_be_bytes()),
            (16, false) => out.extend((value as u16).to_le_bytes()),
            (_, true) => out.extend(value.to_be_bytes()),
            (_, false) => out.extend(value.to_le_bytes()),
        }
    }

    /// Appends a pixel as ZRLE does: three bytes of 32 bits if these have all of its colours
    /// (CPIXEL; RFC 6143, 7.7.5).
    pub(crate) fn put_compressed(self, pixel: Pixel, out: &mut Vec<u8>) {
        let value = match self.significant() {
            Significant::All => return self.put(pixel, out),
            Significant::Low => self.value(pixel),
            Significant::High => self.value(pixel) >> 8,
        };
        let [_, high, middle, low] = value.to_be_bytes();
        out.extend(if self.big_endian { [high, middle, low] } else { [low, middle, high] });
    }

    fn significant(self) -> Significant {
        let mask = self.red.mask() | self.green.mask() | self.blue.mask();
        match (self.bits, self.depth) {
            (32, ..=24) if mask >> 24 == 0 => Significant::Low,
            (32, ..=24) if mask & 0xff == 0 => Significant::High,
            _ => Significant::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORANGE: Pixel = [1, 0x80, 0xff, 9];

    fn parsed(bits: u8, depth: u8, big: u8, max: [u16; 3], shift: [u8; 3]) -> PixelFormat {
        let max = max.map(u16::to_be_bytes);
        let mut bytes = [0; FORMAT_BYTES];
        bytes[..4].copy_from_slice(&[bits, depth, big, 1]);
        bytes[4..10].copy_from_slice(max.as_flattened());
        bytes[10..13].copy_from_slice(&shift);
        let format = PixelFormat::parse(&bytes).unwrap();
        assert_eq!(format.bytes(), bytes);
        format
    }

    fn pixel(format: PixelFormat) -> (Vec<u8>, Vec<u8>) {
        let (mut full, mut compressed) = (Vec::new(), Vec::new());
        format.put(ORANGE, &mut full);
        format.put_compressed(ORANGE, &mut compressed);
        (full, compressed)
    }

    #[test]
    fn colours_go_to_their_places_in_both_byte_orders() {
        let rgb888 = ([255; 3], [16, 8, 0]);
        let high = ([255; 3], [24, 16, 8]);
        let rgb565 = ([31, 63, 31], [11, 5, 0]);
        let bgr233 = ([7, 7, 3], [0, 3, 6]);
        let deep = ([1023; 3], [20, 10, 0]);
        for ((bits, depth, big, (max, shift)), full, compressed) in [
            ((32, 24, 0, rgb888), &[1, 0x80, 0xff, 0][..], &[1, 0x80, 0xff][..]),
            ((32, 24, 1, rgb888), &[0, 0xff, 0x80, 1], &[0xff, 0x80, 1]),
            ((32, 24, 0, high), &[0, 1, 0x80, 0xff], &[1, 0x80, 0xff]),
            ((32, 24, 1, high), &[0xff, 0x80, 1, 0], &[0xff, 0x80, 1]),
            // A depth of 32 leaves no byte out.
            ((32, 32, 0, rgb888), &[1, 0x80, 0xff, 0], &[1, 0x80, 0xff, 0]),
            ((16, 16, 0, rgb565), &[0, 0xfc], &[0, 0xfc]),
            ((16, 16, 1, rgb565), &[0xfc, 0], &[0xfc, 0]),
            ((8, 8, 0, bgr233), &[0o47], &[0o47]),
            ((32, 30, 1, deep), &[0x3f, 0xf8, 0x08, 4], &[0x3f, 0xf8, 0x08, 4]),
        ] {
            let format = parsed(bits, depth, big, max, shift);
            assert_eq!(pixel(format), (full.to_vec(), compressed.to_vec()), "{format:?}");
        }
    }

    #[test]
    fn formats_that_no_pixel_can_have_are_refused() {
        let changed = |at: usize, to: u8| {
            let mut bytes = PixelFormat::OURS.bytes();
            bytes[at] = to;
            PixelFormat::parse(&bytes)
        };
        for bits in [0, 1, 15, 24, 33, 255] {
            assert_eq!(changed(0, bits), Err(FormatError::Bits(bits)));
        }
        assert_eq!(changed(3, 0), Err(FormatError::Map));
        let channel = |max, shift, bits| Err(FormatError::Channel { max, shift, bits });
        assert_eq!(changed(10, 32), channel(255, 32, 32));
        assert_eq!(changed(11, 255), channel(255, 255, 32));
        assert_eq!(changed(12, 25), channel(255, 25, 32));
        assert_eq!(changed(0, 8), channel(255, 16, 8));
        assert_eq!(changed(4, 1).map(|format| format.red.max), Ok(511));
    }
}
