//! Surfaces: rows of bytes in the address space of the engine, linear or tiled.
//!
//! Everything goes by spans, pieces of a row that lie in one page: one translation, one access to
//! guest memory.

use gen8_spec::PAGE_SIZE;
use gen8_spec::tiling::{TILE_BYTES, Tiling};
use ppgtt::{Access, VA_BITS};

use crate::bus::Bus;
use crate::engine::{Engine, Piece, Space, Stop};
use crate::event::WriteKind;
use crate::memory::{BulkAccess, Missing};

/// Addresses wrap at 48 bits.
const VA_MASK: u64 = (1 << VA_BITS) - 1;
/// Offset in a page.
const PAGE_MASK: u64 = PAGE_SIZE - 1;

/// A surface. Coordinates are in bytes and rows from its base; they may be negative.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Surface {
    space: Space,
    base: u64,
    pitch: i64,
    tiling: Option<Tiling>,
}

/// A place in a surface.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Place {
    /// Bytes from the left edge.
    pub(super) x: i64,
    /// Row.
    pub(super) y: i64,
}

/// Bytes of a row, side by side there, in one page.
#[derive(Clone, Copy, Debug)]
struct Span {
    address: u64,
    len: usize,
}

impl Surface {
    /// A surface whose pitch is in bytes. A tiled one starts at a page, and its rows are whole
    /// tiles: address and pitch bits below are ignored.
    pub(super) fn new(space: Space, base: u64, pitch: i64, tiling: Option<Tiling>) -> Surface {
        match tiling {
            None => Surface { space, base, pitch, tiling },
            Some(format) => Surface {
                space,
                base: base & !(TILE_BYTES - 1),
                pitch: pitch & !(format.width() as i64 - 1),
                tiling,
            },
        }
    }

    /// Bytes in a row, from an address on.
    pub(super) fn row(space: Space, base: u64) -> Surface {
        Surface::new(space, base, 0, None)
    }

    /// Whether a span is contiguous in memory.
    pub(super) fn has_lines(&self) -> bool {
        self.tiling != Some(Tiling::Y)
    }

    /// The first span of `len` bytes from `at`.
    fn span(&self, at: Place, len: usize) -> Span {
        let offset = match self.tiling {
            None => at.y.wrapping_mul(self.pitch).wrapping_add(at.x),
            Some(format) => format.offset(self.pitch, at.x, at.y),
        };
        let address = self.base.wrapping_add_signed(offset) & VA_MASK;
        let room = match self.tiling {
            None => PAGE_SIZE - address % PAGE_SIZE,
            Some(format) => format.width() - (at.x as u64 & (format.width() - 1)),
        };
        Span { address, len: len.min(room as usize) }
    }

    /// Reads bytes of a row.
    pub(super) fn read(
        &self,
        at: Place,
        buffer: &mut [u8],
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let mut done = 0;
        while done < buffer.len() {
            let span = self.span(at.right(done), buffer.len() - done);
            let Some(piece) = buffer.get_mut(done..done + span.len) else {
                break;
            };
            match engine.locate(self.space, span.address, Access::Read, bus)? {
                None => piece.fill(0),
                Some(physical) => {
                    let read = match self.has_lines() {
                        true => bus.memory.read_bytes(physical, piece),
                        false => bus.memory.read_columns(physical, piece),
                    };
                    if !read {
                        piece.fill(0);
                        engine.missing(self.space, span.address, physical, Access::Read, bus)?;
                    }
                }
            }
            done += span.len;
        }
        Ok(())
    }

    /// Writes bytes of a row.
    pub(super) fn write(
        &self,
        at: Place,
        bytes: &[u8],
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let mut done = 0;
        while done < bytes.len() {
            let span = self.span(at.right(done), bytes.len() - done);
            let Some(piece) = bytes.get(done..done + span.len) else {
                break;
            };
            if let Some(physical) = engine.locate(self.space, span.address, Access::Write, bus)? {
                let written = match self.has_lines() {
                    true => bus.memory.write_bytes(physical, piece),
                    false => bus.memory.write_columns(physical, piece),
                };
                if written {
                    self.tell_write(span, physical, engine, bus);
                } else {
                    engine.missing(self.space, span.address, physical, Access::Write, bus)?;
                }
            }
            done += span.len;
        }
        Ok(())
    }

    /// Fills `len` bytes of a row with `pattern`, repeated from the first of them on. For surfaces
    /// that have lines.
    pub(super) fn fill(
        &self,
        at: Place,
        len: usize,
        pattern: u64,
        memory: &BulkAccess<'_>,
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let mut done = 0;
        while done < len {
            let span = self.span(at.right(done), len - done);
            if let Some(physical) = engine.locate(self.space, span.address, Access::Write, bus)? {
                let turned = pattern.rotate_right(8 * (done % size_of::<u64>()) as u32);
                if memory.fill(physical, turned, span.len as u64) {
                    self.tell_write(span, physical, engine, bus);
                } else {
                    engine.missing(self.space, span.address, physical, Access::Write, bus)?;
                }
            }
            done += span.len;
        }
        Ok(())
    }

    /// Bytes were drawn, from physical address `physical` on.
    #[inline(always)]
    fn tell_write(&self, span: Span, physical: u64, engine: &Engine, bus: &mut Bus<'_>) {
        if bus.events.wants(WriteKind::Blit.group()) {
            self.tell_drawn(span, physical, engine, bus);
        }
    }

    #[cold]
    fn tell_drawn(&self, span: Span, physical: u64, engine: &Engine, bus: &mut Bus<'_>) {
        let (space, value) = (self.space, None);
        let piece = if self.has_lines() {
            Piece { space, address: span.address, physical, len: span.len as u64, value }
        } else {
            let (address, physical) = (span.address & !PAGE_MASK, physical & !PAGE_MASK);
            Piece { space, address, physical, len: PAGE_SIZE, value }
        };
        engine.tell_write(WriteKind::Blit, piece, bus);
    }

    /// Whether [`Surface::copy`] can copy from `source` to here: both have lines, and lie in the
    /// PPGTT, where what cannot be read stops the engine. (In the GGTT it reads 0.)
    pub(super) fn takes_from(&self, source: &Surface) -> bool {
        [self, source].iter().all(|surface| surface.has_lines() && surface.space == Space::Ppgtt)
    }

    /// Copies `len` bytes of a row of `source` from left to right, page to page.
    pub(super) fn copy(
        &self,
        at: Place,
        (source, from): (&Surface, Place),
        len: usize,
        memory: &BulkAccess<'_>,
        engine: &mut Engine,
        bus: &mut Bus<'_>,
    ) -> Result<(), Stop> {
        let mut done = 0;
        while done < len {
            let target = self.span(at.right(done), len - done);
            let span = source.span(from.right(done), target.len);
            let read = engine.locate(source.space, span.address, Access::Read, bus)?;
            let write = engine.locate(self.space, target.address, Access::Write, bus)?;
            if let (Some(read), Some(write)) = (read, write) {
                match memory.copy(write, read, span.len as u64) {
                    Ok(()) => {
                        let written = Span { address: target.address, len: span.len };
                        self.tell_write(written, write, engine, bus);
                    }
                    Err(Missing::Source) => {
                        engine.missing(source.space, span.address, read, Access::Read, bus)?;
                    }
                    Err(Missing::Destination) => {
                        engine.missing(self.space, target.address, write, Access::Write, bus)?;
                    }
                }
            }
            done += span.len;
        }
        Ok(())
    }
}

impl Place {
    /// The place so many bytes to the right.
    fn right(self, bytes: usize) -> Place {
        Place { x: self.x + bytes as i64, y: self.y }
    }
}
