//! Drawing a run of pixels. Fills and plain copies go by bytes; everything else pixel by pixel.

use super::blit::{Blit, MonoBits, MonoSource, PATTERN_SIZE, Pattern, Run, Source};
use super::rop::Rop;
use super::surface::{Place, Surface};
use crate::bus::Bus;
use crate::engine::{Engine, Stop};
use crate::memory::BulkAccess;

/// Bytes that a run of a fill or copy moves at most, where they go through a buffer.
const RUN_BYTES: usize = 4096;
/// The same where they do not.
const DIRECT_BYTES: usize = 64 << 10;
/// Pixels that a run of another blit draws at most.
const RUN_PIXELS: usize = 1024;
/// Bytes of copies that take as long as a simple command.
const BYTES_PER_UNIT: usize = 64;
/// Bytes of fills that do.
const FILLED_PER_UNIT: usize = 256;
/// Pixels of other blits that do.
const PIXELS_PER_UNIT: usize = 2;
/// What a run costs at least.
const RUN_UNITS: usize = 2;

/// Ways to draw, fastest first.
enum Way {
    /// The same color everywhere.
    Fill(u32),
    /// The source as it is.
    Copy { surface: Surface, x: i32, y: i32 },
    /// By raster operation, colors and masks of each pixel.
    Pixels,
}

/// The operands of a run, a pixel an element.
struct Operands {
    pattern: [u32; RUN_PIXELS],
    source: [u32; RUN_PIXELS],
    destination: [u32; RUN_PIXELS],
    /// Bits that are written.
    mask: [u32; RUN_PIXELS],
}

impl Blit {
    /// Draws until `units` are spent or all is drawn; returns the units that were spent.
    pub(super) fn draw(
        &mut self,
        units: usize,
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<usize, Stop> {
        let way = self.way();
        let most = match way {
            Way::Pixels => RUN_PIXELS,
            Way::Fill(_) if self.destination.has_lines() => DIRECT_BYTES / self.depth.bytes(),
            Way::Copy { surface, .. } if self.is_direct(&surface) => {
                DIRECT_BYTES / self.depth.bytes()
            }
            Way::Fill(_) | Way::Copy { .. } => RUN_BYTES / self.depth.bytes(),
        };
        let memory = bus.memory.bulk(self.bytes());
        let mut spent = 0;
        while spent < units
            && let Some(run) = self.next_run(most)
        {
            spent += RUN_UNITS;
            match way {
                Way::Fill(color) => {
                    self.fill(run, color, &memory, engine, bus)?;
                    spent += run.pixels * self.depth.bytes() / FILLED_PER_UNIT;
                }
                Way::Copy { surface, x, y } => {
                    let source = (&surface, self.related(run, (x, y)));
                    self.copy(run, source, &memory, engine, bus)?;
                    spent += run.pixels * self.depth.bytes() / BYTES_PER_UNIT;
                }
                Way::Pixels => {
                    self.pixels(run, engine, bus)?;
                    spent += run.pixels / PIXELS_PER_UNIT;
                }
            }
            self.advance(run);
        }
        Ok(spent)
    }

    /// Bytes that are drawn in all.
    fn bytes(&self) -> u64 {
        let pixels = |from: i32, to: i32| u64::try_from(to - from).unwrap_or(0);
        let rows = pixels(self.area.top, self.area.bottom);
        rows * pixels(self.area.left, self.area.right) * self.depth.bytes() as u64
    }

    /// Whether all is drawn.
    pub(super) fn is_done(&self) -> bool {
        self.next_run(1).is_none()
    }

    /// How to draw this blit.
    fn way(&self) -> Way {
        if self.chroma.is_some() || self.write_mask != self.depth.mask() || self.leaves_pixels() {
            return Way::Pixels;
        }
        let rop = self.rop;
        match (&self.pattern, &self.source) {
            (_, &Source::Color { surface, x, y }) if rop == Rop::SOURCE => {
                Way::Copy { surface, x, y }
            }
            (&Pattern::Solid(color), _) if !rop.uses_source() && !rop.uses_destination() => {
                Way::Fill(rop.apply(color, 0, 0))
            }
            _ if !rop.uses_pattern() && !rop.uses_source() && !rop.uses_destination() => {
                Way::Fill(rop.apply(0, 0, 0))
            }
            _ => Way::Pixels,
        }
    }

    /// Whether bits of a monochrome operand can leave pixels as they are.
    fn leaves_pixels(&self) -> bool {
        let source = matches!(&self.source, Source::Mono(mono) if mono.colors.transparent);
        let pattern = matches!(&self.pattern, Pattern::Mono { colors, .. } if colors.transparent);
        source || pattern
    }

    /// Where a pixel that is at `run` in the destination is in an operand whose upper left corner
    /// is `corner`.
    fn related(&self, run: Run, corner: (i32, i32)) -> Place {
        let x = i64::from(corner.0) + i64::from(run.x) - i64::from(self.origin.0);
        let y = i64::from(corner.1) + i64::from(run.y) - i64::from(self.origin.1);
        Place { x: x * self.depth.bytes() as i64, y }
    }

    /// Where a run is in the destination.
    fn place(&self, run: Run) -> Place {
        Place { x: i64::from(run.x) * self.depth.bytes() as i64, y: run.y.into() }
    }

    fn fill(
        &self,
        run: Run,
        color: u32,
        memory: &BulkAccess<'_>,
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let len = run.pixels * self.depth.bytes();
        let pattern = self.repeated(color);
        if self.destination.has_lines() {
            return self.destination.fill(self.place(run), len, pattern, memory, engine, bus);
        }
        let mut bytes = [0; RUN_BYTES];
        for qword in bytes.chunks_exact_mut(size_of::<u64>()) {
            qword.copy_from_slice(&pattern.to_le_bytes());
        }
        self.destination.write(self.place(run), &bytes[..len.min(RUN_BYTES)], engine, bus)
    }

    /// Eight bytes of a color.
    fn repeated(&self, color: u32) -> u64 {
        let color = u64::from(color & self.depth.mask());
        match self.depth.bytes() {
            1 => color * 0x0101_0101_0101_0101,
            2 => color * 0x0001_0001_0001_0001,
            _ => color * 0x0000_0001_0000_0001,
        }
    }

    /// Whether a copy needs no buffer. From right to left a run is moved as a whole, as it may
    /// overlap itself.
    fn is_direct(&self, source: &Surface) -> bool {
        !self.leftwards && self.destination.takes_from(source)
    }

    fn copy(
        &self,
        run: Run,
        (source, from): (&Surface, Place),
        memory: &BulkAccess<'_>,
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let (to, len) = (self.place(run), run.pixels * self.depth.bytes());
        if self.is_direct(source) {
            return self.destination.copy(to, (source, from), len, memory, engine, bus);
        }
        let (mut bytes, len) = ([0; RUN_BYTES], len.min(RUN_BYTES));
        source.read(from, &mut bytes[..len], engine, bus)?;
        self.destination.write(to, &bytes[..len], engine, bus)
    }

    /// Draws a run by its operands. Operands that do not count are not read.
    fn pixels(&self, run: Run, engine: &mut Engine, bus: &mut Bus<'_>) -> Result<(), Stop> {
        let mut operands = Operands {
            pattern: [0; RUN_PIXELS],
            source: [0; RUN_PIXELS],
            destination: [0; RUN_PIXELS],
            mask: [self.write_mask; RUN_PIXELS],
        };
        self.load_pattern(run, &mut operands);
        self.load_source(run, &mut operands, engine, bus)?;
        let chroma = self.chroma.is_some_and(|chroma| chroma.destination);
        if self.rop.uses_destination() || chroma {
            let pixels = &mut operands.destination[..run.pixels];
            self.load_pixels(&self.destination, self.place(run), pixels, engine, bus)?;
        }
        self.apply_chroma(run, &mut operands);
        self.store(run, &operands, engine, bus)
    }

    fn load_pattern(&self, run: Run, operands: &mut Operands) {
        let place = |at: i32| at.rem_euclid(PATTERN_SIZE as i32) as usize;
        let (row, first) = (place(run.y + self.seeds.y), place(run.x + self.seeds.x));
        let column = |n: usize| (first + n) % PATTERN_SIZE;
        match &self.pattern {
            Pattern::Solid(color) => operands.pattern = [*color; RUN_PIXELS],
            Pattern::Color(pixels) => {
                for (n, pixel) in operands.pattern[..run.pixels].iter_mut().enumerate() {
                    *pixel = pixels[row][column(n)];
                }
            }
            Pattern::Mono { rows, colors } => {
                let drawn = operands.pattern.iter_mut().zip(&mut operands.mask);
                for (n, (pixel, mask)) in drawn.take(run.pixels).enumerate() {
                    let bit = rows[row] << column(n) & 0x80 != 0;
                    *pixel = colors.of(bit);
                    if !colors.draws(bit) {
                        *mask = 0;
                    }
                }
            }
        }
    }

    fn load_source(
        &self,
        run: Run,
        operands: &mut Operands,
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        match &self.source {
            Source::Color { surface, x, y } if self.reads_source() => {
                let from = self.related(run, (*x, *y));
                let pixels = &mut operands.source[..run.pixels];
                self.load_pixels(surface, from, pixels, engine, bus)
            }
            Source::Mono(mono) if self.rop.uses_source() || mono.colors.transparent => {
                self.expand(run, mono, operands, engine, bus)
            }
            _ => Ok(()),
        }
    }

    /// Whether pixels of the source decide anything.
    fn reads_source(&self) -> bool {
        self.rop.uses_source() || self.chroma.is_some_and(|chroma| !chroma.destination)
    }

    /// Expands a monochrome source to colors.
    fn expand(
        &self,
        run: Run,
        mono: &MonoSource,
        operands: &mut Operands,
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let row = i64::from(run.y) - i64::from(self.origin.1);
        let column = i64::from(run.x) - i64::from(self.origin.0);
        // Not negative: what is drawn lies inside the packet's rectangle.
        let first = mono.first + row as u64 * mono.stride + column as u64;
        let mut bytes = [0; RUN_PIXELS / 8 + 1];
        let len = (first % 8 + run.pixels as u64).div_ceil(8) as usize;
        let bytes = &mut bytes[..len];
        match &mono.bits {
            MonoBits::Memory(surface) => {
                let place = Place { x: (first / 8) as i64, y: 0 };
                surface.read(place, bytes, engine, bus)?;
            }
            MonoBits::Inline(data) => {
                let start = (first / 8) as usize;
                if let Some(data) = data.get(start..start + len) {
                    bytes.copy_from_slice(data);
                }
            }
        }
        let drawn = operands.source.iter_mut().zip(&mut operands.mask);
        for (n, (pixel, mask)) in drawn.take(run.pixels).enumerate() {
            let at = (first % 8) as usize + n;
            let bit = bytes[at / 8] << (at % 8) & 0x80 != 0;
            *pixel = mono.colors.of(bit);
            if !mono.colors.draws(bit) {
                *mask = 0;
            }
        }
        Ok(())
    }

    /// Takes the pixels out that the range of colors protects.
    fn apply_chroma(&self, run: Run, operands: &mut Operands) {
        let Some(chroma) = self.chroma else {
            return;
        };
        let judged = match chroma.destination {
            true => &operands.destination,
            false if matches!(self.source, Source::Color { .. }) => &operands.source,
            false => return,
        };
        for (color, mask) in judged.iter().zip(&mut operands.mask).take(run.pixels) {
            if chroma.contains(*color, self.depth) != chroma.destination {
                *mask = 0;
            }
        }
    }

    fn load_pixels(
        &self,
        surface: &Surface,
        at: Place,
        pixels: &mut [u32],
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let size = self.depth.bytes();
        let mut bytes = [0; RUN_PIXELS * size_of::<u32>()];
        let bytes = &mut bytes[..pixels.len() * size];
        surface.read(at, bytes, engine, bus)?;
        for (pixel, stored) in pixels.iter_mut().zip(bytes.chunks_exact(size)) {
            let mut dword = [0; size_of::<u32>()];
            dword[..size].copy_from_slice(stored);
            *pixel = u32::from_le_bytes(dword);
        }
        Ok(())
    }

    /// Writes the result, and nothing but the bytes that the masks name.
    fn store(
        &self,
        run: Run,
        operands: &Operands,
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let size = self.depth.bytes();
        let mut bytes = [0; RUN_PIXELS * size_of::<u32>()];
        let mut masks = [0; RUN_PIXELS * size_of::<u32>()];
        let stored = bytes.chunks_exact_mut(size).zip(masks.chunks_exact_mut(size));
        for (n, (pixel, mask)) in stored.take(run.pixels).enumerate() {
            let source = operands.source[n];
            let result = self.rop.apply(operands.pattern[n], source, operands.destination[n]);
            pixel.copy_from_slice(&result.to_le_bytes()[..size]);
            mask.copy_from_slice(&operands.mask[n].to_le_bytes()[..size]);
        }
        let at = self.place(run);
        let mut start = 0;
        for same in masks[..run.pixels * size].chunk_by(|a, b| a == b) {
            let end = start + same.len();
            if same[0] != 0 {
                let x = at.x + start as i64;
                self.destination.write(Place { x, ..at }, &bytes[start..end], engine, bus)?;
            }
            start = end;
        }
        Ok(())
    }
}
