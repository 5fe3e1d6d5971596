//! PIPE_CRC: a value for each frame, by which software tells whether two pictures are the same.
//!
//! Hardware's polynomial is in no document. The value here says the same: equal pictures have equal
//! values, whatever planes, tilings and formats they are made of, and others have others, but for one
//! pair in four thousand millions.

use core::hash::{Hash, Hasher};

use gen8_spec::registers::planes as regs;

use super::scan_out::{Pixel, PlaneId, Scanner, Screen};

/// What a pipe's CRC keeps from frame to frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Crc {
    scanner: Scanner,
    /// A value of each row.
    rows: Vec<u64>,
}

/// The rows' values say what the scanner saw.
impl Hash for Crc {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rows.hash(state);
    }
}

impl Crc {
    /// The value of a frame. `control` is PIPE_CRC_CTL.
    pub(super) fn of_frame(&mut self, control: u32, screen: Screen) -> u32 {
        let screen = match control >> regs::PIPE_CRC_SOURCE_SHIFT & regs::PIPE_CRC_SOURCE_MASK {
            regs::PIPE_CRC_SOURCE_PRIMARY => screen.only(PlaneId::Primary),
            regs::PIPE_CRC_SOURCE_SPRITE => screen.only(PlaneId::Sprite),
            // The fourth source does not exist.
            _ => screen,
        };
        let changes = self.scanner.update(&screen);
        let picture = self.scanner.picture();
        self.rows.resize(picture.height as usize, 0);
        for y in changes.rows.into_iter().flatten() {
            if let Some(row) = self.rows.get_mut(y as usize) {
                *row = of_row(picture.row(y));
            }
        }
        let all = self.rows.iter().copied().fold(SEED, mix);
        // A value of 0 looks like none.
        ((all ^ all >> 32) as u32).max(1)
    }
}

/// Where a value begins; an odd number with its bits strewn (the golden ratio's).
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Pixels that are looked at side by side: the processor does so many multiplications at once.
const LANES: usize = 4;

/// Takes one more word into a value. Of two different words at the same place come two different
/// values. A multiplication carries bits up only; the rotation brings them down again.
fn mix(value: u64, word: u64) -> u64 {
    (value ^ word).wrapping_mul(SEED).rotate_left(29)
}

/// The value of a row.
fn of_row(row: &[Pixel]) -> u64 {
    let mut lanes = [SEED; LANES];
    for pixels in row.chunks(LANES) {
        for (lane, &pixel) in lanes.iter_mut().zip(pixels) {
            *lane = mix(*lane, u32::from_le_bytes(pixel).into());
        }
    }
    lanes.into_iter().fold(SEED, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bit_of_a_row_reaches_the_lower_half_of_what_follows() {
        let [value, other] = [0, 1 << 63].map(|row| mix(mix(SEED, row), SEED));
        assert_ne!(value as u32, other as u32);
    }
}
