//! Tiled surfaces: where the byte at (x, y) lies (i915 `gem/i915_gem_tiling.c`; PRM Vol 5, "Tiling").
//! Broadwell does not swizzle address bits (i915 reports `I915_BIT_6_SWIZZLE_NONE`).

/// Bytes in a tile of either format.
pub const TILE_BYTES: u64 = 4096;
/// Bytes in a column of a Y tile: what is contiguous in a row.
pub const Y_COLUMN_BYTES: u64 = 16;

/// A tile format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tiling {
    /// 512 bytes by 8 rows, row after row.
    X,
    /// 128 bytes by 32 rows, in columns of 16 bytes.
    Y,
}

impl Tiling {
    /// log2 of [`Tiling::width`].
    const fn width_shift(self) -> u32 {
        match self {
            Tiling::X => 9,
            Tiling::Y => 7,
        }
    }

    /// log2 of [`Tiling::height`].
    const fn height_shift(self) -> u32 {
        TILE_BYTES.ilog2() - self.width_shift()
    }

    /// Bytes in a row of a tile; pitches are multiples of it.
    pub const fn width(self) -> u64 {
        1 << self.width_shift()
    }

    /// Rows in a tile.
    pub const fn height(self) -> u64 {
        1 << self.height_shift()
    }

    /// Bytes that lie side by side in memory as in the picture.
    pub const fn run(self) -> u64 {
        match self {
            Tiling::X => 512,
            Tiling::Y => Y_COLUMN_BYTES,
        }
    }

    /// Offset in the tile of its byte (x, y): `x` below [`Tiling::width`], `y` below
    /// [`Tiling::height`].
    pub const fn within(self, x: u64, y: u64) -> u64 {
        match self {
            Tiling::X => y * 512 + x,
            Tiling::Y => {
                x / Y_COLUMN_BYTES * (Y_COLUMN_BYTES * 32) + y * Y_COLUMN_BYTES + x % Y_COLUMN_BYTES
            }
        }
    }

    /// Offset in a surface of the byte (x, y), from its pitch in bytes, which is a multiple of
    /// [`Tiling::width`]. Coordinates before the origin lie in tiles before it.
    pub const fn offset(self, pitch: i64, x: i64, y: i64) -> i64 {
        let (width, height) = (self.width() - 1, self.height() - 1);
        // Arithmetic shifts round down, also below 0.
        let tile_row = (y >> self.height_shift() << self.height_shift()) * pitch;
        let tile = (x >> self.width_shift()) * TILE_BYTES as i64;
        let within = self.within(x as u64 & width, y as u64 & height);
        tile_row + tile + within as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_tile_is_eight_rows_of_512_bytes() {
        assert_eq!(Tiling::X.offset(1024, 511, 0), 511);
        assert_eq!(Tiling::X.offset(1024, 0, 1), 512);
        assert_eq!(Tiling::X.offset(1024, 512, 0), 4096);
        assert_eq!(Tiling::X.offset(1024, 0, 8), 8192);
    }

    #[test]
    fn y_tile_is_eight_columns_of_32_rows() {
        assert_eq!(Tiling::Y.offset(256, 15, 0), 15);
        assert_eq!(Tiling::Y.offset(256, 16, 0), 512);
        assert_eq!(Tiling::Y.offset(256, 0, 1), 16);
        assert_eq!(Tiling::Y.offset(256, 128, 0), 4096);
        assert_eq!(Tiling::Y.offset(256, 0, 32), 8192);
    }

    #[test]
    fn coordinates_before_the_origin_lie_before_the_surface() {
        assert_eq!(Tiling::X.offset(1024, -1, 0), 511 - 4096);
        assert_eq!(Tiling::X.offset(1024, 0, -1), 7 * 512 - 8192);
    }
}
