//! Fence registers: stretches of the GGTT that the CPU sees untiled through the aperture (i915
//! `gt/intel_ggtt_fencing.c`, `i965_write_fence_reg`; `gt/intel_gt_regs.h`).

use crate::PAGE_SIZE;
use crate::tiling::Tiling;

/// The fence is in use.
pub const VALID: u64 = 1 << 0;
/// Y tiles; else X tiles.
pub const TILING_Y: u64 = 1 << 1;
/// First page of the stretch, 31:12.
pub const START_MASK: u64 = 0xffff_f000;
/// Last page of the stretch, 63:44; shifted down it is an address.
pub const END_SHIFT: u32 = 32;
/// Pitch in units of [`PITCH_UNIT`], less one, 42:32.
pub const PITCH_SHIFT: u32 = 32;
/// Field of the pitch.
pub const PITCH_MASK: u64 = 0x7ff;
/// Bytes in a unit of the pitch.
pub const PITCH_UNIT: u64 = 128;

/// A fence in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// GGTT address of the first byte; whole pages.
    pub start: u64,
    /// GGTT address behind the last byte; whole pages.
    pub end: u64,
    /// Bytes from a row to the next; a multiple of [`PITCH_UNIT`].
    pub pitch: u64,
    /// Tile format.
    pub tiling: Tiling,
}

impl Fence {
    /// From both halves of the register; `None` when it is not valid.
    pub const fn decode(value: u64) -> Option<Fence> {
        if value & VALID == 0 {
            return None;
        }
        Some(Fence {
            start: value & START_MASK,
            end: (value >> END_SHIFT & START_MASK) + PAGE_SIZE,
            pitch: ((value >> PITCH_SHIFT & PITCH_MASK) + 1) * PITCH_UNIT,
            tiling: if value & TILING_Y != 0 { Tiling::Y } else { Tiling::X },
        })
    }

    /// The register's value.
    pub const fn encode(&self) -> u64 {
        let tiling = match self.tiling {
            Tiling::X => 0,
            Tiling::Y => TILING_Y,
        };
        let end = self.end.saturating_sub(PAGE_SIZE) & START_MASK;
        let pitch = (self.pitch / PITCH_UNIT).saturating_sub(1) & PITCH_MASK;
        self.start & START_MASK | end << END_SHIFT | pitch << PITCH_SHIFT | tiling | VALID
    }

    /// Whether the fence covers a GGTT address.
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// The GGTT address of what the CPU sees at `address`, which the fence covers, and for how many
    /// bytes both go on side by side.
    pub const fn detile(&self, address: u64) -> (u64, u64) {
        let offset = address - self.start;
        let (x, y) = (offset % self.pitch, offset / self.pitch);
        let tiled = self.tiling.offset(self.pitch as i64, x as i64, y as i64);
        let (run, row) = (self.tiling.run() - x % self.tiling.run(), self.pitch - x);
        (self.start.wrapping_add_signed(tiled), if run < row { run } else { row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FENCE: Fence = Fence { start: 0x10_0000, end: 0x14_0000, pitch: 1024, tiling: Tiling::X };

    #[test]
    fn register_round_trips_and_is_as_i915_writes_it() {
        // i965_write_fence_reg: end page and pitch / 128 - 1 above, start, tiling and valid below.
        assert_eq!(FENCE.encode(), 0x0013_f007_0010_0001);
        let y = Fence { tiling: Tiling::Y, ..FENCE };
        for fence in [FENCE, y] {
            assert_eq!(Fence::decode(fence.encode()), Some(fence));
        }
        assert_eq!(Fence::decode(FENCE.encode() & !VALID), None);
    }

    #[test]
    fn second_row_of_an_x_tile_lies_512_bytes_on() {
        assert_eq!(FENCE.detile(0x10_0000 + 1024), (0x10_0000 + 512, 512));
        assert_eq!(FENCE.detile(0x10_0000 + 515), (0x10_0000 + 4096 + 3, 509));
    }
}
