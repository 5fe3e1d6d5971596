//! Numbers that look random and are the same every time.

/// A generator: xorshift of 64 bits.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// One that begins at `seed`.
    pub(super) fn new(seed: u64) -> Random {
        // Zero would stay zero.
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 32 bits.
    pub(super) fn dword(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 24) as u32
    }

    /// From `low` up to but without `high`.
    pub(super) fn within(&mut self, low: i32, high: i32) -> i32 {
        low + (u64::from(self.dword()) % (high - low) as u64) as i32
    }

    /// Heads or tails.
    pub(super) fn coin(&mut self) -> bool {
        self.dword() & 1 != 0
    }

    /// One of them.
    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.within(0, choices.len() as i32) as usize]
    }

    /// So many bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 4);
        while bytes.len() < count {
            bytes.extend(self.dword().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}
