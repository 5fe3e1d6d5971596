//! Where the pixels of a surface lie (Intel PRM for Broadwell, volume 5, "Tiling"; there is no
//! swizzling).

use crate::gpu::blt::{Layout, Surface};

/// Where the byte `x` of row `y` is, from the beginning of a surface.
pub(in crate::checks) fn offset(surface: &Surface, x: i64, y: i64) -> i64 {
    let pitch = i64::from(surface.pitch);
    match surface.layout {
        Layout::Linear => y * pitch + x,
        Layout::X => {
            let tile = y.div_euclid(8) * (pitch / 512) + x.div_euclid(512);
            tile * 4096 + y.rem_euclid(8) * 512 + x.rem_euclid(512)
        }
        Layout::Y => {
            let tile = y.div_euclid(32) * (pitch / 128) + x.div_euclid(128);
            let (column, byte) = (x.rem_euclid(128) / 16, x.rem_euclid(16));
            tile * 4096 + column * 512 + y.rem_euclid(32) * 16 + byte
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_the_pictures_of_the_manual() {
        let at = |layout, pitch| Surface { address: 0, pitch, layout };
        // X: 512 bytes by 8 rows. Y: 128 bytes by 32 rows, in columns of 16 bytes.
        assert_eq!(offset(&at(Layout::X, 1024), 513, 9), 3 * 4096 + 512 + 1);
        assert_eq!(offset(&at(Layout::X, 1024), -1, -1), -3 * 4096 + 4095);
        assert_eq!(offset(&at(Layout::Y, 256), 145, 33), 3 * 4096 + 512 + 16 + 1);
        assert_eq!(offset(&at(Layout::Linear, -64), 3, 2), -125);
    }
}
