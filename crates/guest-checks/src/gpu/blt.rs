//! 2D packets of the blitter: Intel PRM for Broadwell, volumes 2a and 10. A [`Blit`] says what to
//! draw; its operands choose the packet that can.

mod packets;

/// How a surface's pixels lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Linear,
    X,
    Y,
}

impl Layout {
    /// All of them, in the order of `I915_TILING_*`.
    pub(crate) const ALL: [Layout; 3] = [Layout::Linear, Layout::X, Layout::Y];
}

/// Pixels in memory. A tiled surface starts at a page and has a pitch of whole tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surface {
    pub(crate) address: u64,
    /// Bytes from a row to the next.
    pub(crate) pitch: i32,
    pub(crate) layout: Layout,
}

/// How a pixel is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    Bits8,
    Rgb565,
    Argb1555,
    Argb8888,
}

impl Depth {
    /// All of them, in the order of their codes.
    pub(crate) const ALL: [Depth; 4] =
        [Depth::Bits8, Depth::Rgb565, Depth::Argb1555, Depth::Argb8888];

    /// Bytes of a pixel.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Depth::Bits8 => 1,
            Depth::Rgb565 | Depth::Argb1555 => 2,
            Depth::Argb8888 => 4,
        }
    }
}

/// Pixels from (left, top) up to but without (right, bottom).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rectangle {
    pub(crate) left: i16,
    pub(crate) top: i16,
    pub(crate) right: i16,
    pub(crate) bottom: i16,
}

/// Where bits or a pattern are.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    At(u64),
    /// In the packet.
    Inline(Vec<u8>),
}

/// The colors of bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Colors {
    pub(crate) background: u32,
    pub(crate) foreground: u32,
    /// A 0 leaves the pixel as it is.
    pub(crate) transparent: bool,
}

/// The source operand.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    None,
    /// The pixel (x, y) goes to the upper left corner.
    Pixels {
        surface: Surface,
        at: (i16, i16),
    },
    /// Bits, `first` being the number of the first one in its byte, from the left.
    Bits {
        data: Data,
        first: u32,
        colors: Colors,
    },
}

/// The pattern operand, eight by eight pixels.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    None,
    Solid(u32),
    Pixels(Data),
    Bits {
        rows: [u8; 8],
        colors: Colors,
        /// The background everywhere, whatever the bits.
        solid: bool,
    },
}

/// Which pixels are drawn, by their color: source pixels outside of a range, or destination pixels
/// in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chroma {
    pub(crate) low: u32,
    pub(crate) high: u32,
    pub(crate) alpha: bool,
    pub(crate) destination: bool,
}

/// The family of packets that draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// XY_…: everything in one packet.
    Xy,
    /// COLOR_BLT and SRC_COPY_BLT, from (0, 0).
    Plain,
    /// XY_SETUP_BLT and XY_PIXEL_BLT, XY_SCANLINES_BLT, XY_TEXT_BLT or XY_TEXT_IMMEDIATE_BLT.
    Setup {
        /// Of a text: its rows start at bytes, not at bits.
        byte_packed: bool,
    },
}

/// A blit.
#[derive(Clone, Debug)]
pub(crate) struct Blit {
    pub(crate) form: Form,
    pub(crate) target: Surface,
    pub(crate) depth: Depth,
    /// Bit `P << 2 | S << 1 | D` is the result for these bits of pattern, source and destination.
    pub(crate) rop: u8,
    pub(crate) area: Rectangle,
    pub(crate) clip: Option<Rectangle>,
    /// Of pixels of 32 bits: whether the parts are written.
    pub(crate) alpha: bool,
    pub(crate) rgb: bool,
    pub(crate) source: Source,
    pub(crate) pattern: Pattern,
    /// Column and row of the pattern at (0, 0).
    pub(crate) seeds: (u32, u32),
    pub(crate) chroma: Option<Chroma>,
}
