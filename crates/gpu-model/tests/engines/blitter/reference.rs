//! What a blit does, said in the slowest and plainest way: pixel by pixel, bit by bit, from memory as it
//! was before. It knows nothing of packets.

/// How bytes lie in a surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Linear,
    X,
    Y,
}

/// A surface; `base` is an offset into memory, `pitch` in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surface {
    pub(crate) base: i64,
    pub(crate) pitch: i64,
    pub(crate) layout: Layout,
}

impl Surface {
    /// Where byte `x` of row `y` is.
    pub(crate) fn byte(&self, x: i64, y: i64) -> i64 {
        let (tile_width, tile_height) = match self.layout {
            Layout::Linear => return self.base + y * self.pitch + x,
            Layout::X => (512, 8),
            Layout::Y => (128, 32),
        };
        let tiles_in_a_row = self.pitch / tile_width;
        let tile = y.div_euclid(tile_height) * tiles_in_a_row + x.div_euclid(tile_width);
        let (x, y) = (x.rem_euclid(tile_width), y.rem_euclid(tile_height));
        let inside = match self.layout {
            Layout::Y => (x >> 4 << 9) | (y << 4) | (x & 15),
            _ => (y << 9) | x,
        };
        self.base + tile * 4096 + inside
    }
}

/// Bits at an offset into memory; bit 7 of a byte comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits {
    pub(crate) base: i64,
    pub(crate) first: i64,
    pub(crate) stride: i64,
}

/// An operand with two colors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Colors {
    pub(crate) background: u32,
    pub(crate) foreground: u32,
    pub(crate) transparent: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    None,
    Color { surface: Surface, x: i64, y: i64 },
    Mono { bits: Bits, colors: Colors },
}

#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    None,
    Solid(u32),
    /// 64 pixels.
    Color(Vec<u32>),
    Mono {
        rows: [u8; 8],
        colors: Colors,
    },
}

/// Left, top, right, bottom; the last two lie outside.
pub(crate) type Rectangle = (i64, i64, i64, i64);

#[derive(Clone, Debug)]
pub(crate) struct Blit {
    /// 0: 8 bits; 1: 565; 2: 1555; 3: 8888.
    pub(crate) depth: u32,
    pub(crate) rop: u8,
    pub(crate) write_alpha: bool,
    pub(crate) write_rgb: bool,
    pub(crate) destination: Surface,
    pub(crate) rectangle: Rectangle,
    pub(crate) clip: Option<Rectangle>,
    pub(crate) source: Source,
    pub(crate) pattern: Pattern,
    pub(crate) seeds: (i64, i64),
    /// Mode, low, high.
    pub(crate) chroma: Option<(u32, u32, u32)>,
}

impl Blit {
    pub(crate) fn pixel_bytes(&self) -> i64 {
        [1, 2, 2, 4][self.depth as usize]
    }

    /// Draws; `memory` holds everything. Returns how many pixels lay in the rectangle.
    pub(crate) fn draw(&self, memory: &mut [u8]) -> u64 {
        let (left, top, right, bottom) = self.rectangle;
        let (mut pixels, mut written) = (0, Vec::new());
        for y in top..bottom {
            for x in left..right {
                pixels += 1;
                if let Some((left, top, right, bottom)) = self.clip
                    && (x < left || x >= right || y < top || y >= bottom)
                {
                    continue;
                }
                self.draw_pixel(x, y, memory, &mut written);
            }
        }
        for (at, byte) in written {
            memory[at] = byte;
        }
        pixels
    }

    /// What becomes of a pixel: bytes and where they go.
    fn draw_pixel(&self, x: i64, y: i64, before: &[u8], written: &mut Vec<(usize, u8)>) {
        let destination = self.load(before, &self.destination, x, y);
        let Some(pattern) = self.pattern(x, y) else {
            return;
        };
        let Some(source) = self.source(x, y, before) else {
            return;
        };
        if !self.passes_chroma(source, destination) {
            return;
        }
        let mut result = 0;
        for bit in 0..8 * self.pixel_bytes() {
            let of = |value: u32| value >> bit & 1;
            let entry = of(pattern) << 2 | of(source) << 1 | of(destination);
            result |= (u32::from(self.rop) >> entry & 1) << bit;
        }
        for n in 0..self.pixel_bytes() {
            let is_written = match (self.depth, n) {
                (3, 3) => self.write_alpha,
                (3, _) => self.write_rgb,
                _ => true,
            };
            if is_written {
                let at = self.destination.byte(x * self.pixel_bytes() + n, y);
                written.push((at as usize, (result >> (8 * n)) as u8));
            }
        }
    }

    fn load(&self, memory: &[u8], surface: &Surface, x: i64, y: i64) -> u32 {
        (0..self.pixel_bytes()).fold(0, |value, n| {
            let at = surface.byte(x * self.pixel_bytes() + n, y);
            value | u32::from(memory[at as usize]) << (8 * n)
        })
    }

    /// The pattern's pixel; `None` where it is transparent.
    fn pattern(&self, x: i64, y: i64) -> Option<u32> {
        let column = (x + self.seeds.0).rem_euclid(8);
        let row = (y + self.seeds.1).rem_euclid(8);
        match &self.pattern {
            Pattern::None => Some(0),
            Pattern::Solid(color) => Some(*color),
            Pattern::Color(pixels) => Some(pixels[(8 * row + column) as usize]),
            Pattern::Mono { rows, colors } => {
                color(rows[row as usize] >> (7 - column) & 1 != 0, colors)
            }
        }
    }

    /// The source's pixel; `None` where it is transparent.
    fn source(&self, x: i64, y: i64, memory: &[u8]) -> Option<u32> {
        let (dx, dy) = (x - self.rectangle.0, y - self.rectangle.1);
        match &self.source {
            Source::None => Some(0),
            Source::Color { surface, x, y } => Some(self.load(memory, surface, x + dx, y + dy)),
            Source::Mono { bits, colors } => {
                let at = bits.first + dy * bits.stride + dx;
                let byte = memory[(bits.base + at / 8) as usize];
                color(byte >> (7 - at % 8) & 1 != 0, colors)
            }
        }
    }

    fn passes_chroma(&self, source: u32, destination: u32) -> bool {
        let Some((mode, low, high)) = self.chroma else {
            return true;
        };
        let fields: &[(u32, u32)] = match self.depth {
            0 => &[(0, 8)],
            1 => &[(0, 5), (5, 6), (11, 5)],
            2 => &[(0, 5), (5, 5), (10, 5), (15, 1)],
            _ => &[(0, 8), (8, 8), (16, 8), (24, 8)],
        };
        let compared = if mode & 2 != 0 { fields.len() } else { fields.len().min(3) };
        let in_range = |color: u32| {
            fields[..compared].iter().all(|&(at, size)| {
                let of = |value: u32| value >> at & ((1 << size) - 1);
                of(low) <= of(color) && of(color) <= of(high)
            })
        };
        match (mode & 1 != 0, mode & 4 != 0) {
            (false, _) => true,
            (true, true) => in_range(destination),
            (true, false) if matches!(self.source, Source::Color { .. }) => !in_range(source),
            (true, false) => true,
        }
    }
}

fn color(bit: bool, colors: &Colors) -> Option<u32> {
    match bit {
        true => Some(colors.foreground),
        false if colors.transparent => None,
        false => Some(colors.background),
    }
}
