//! Numbers as bytes: seven bits a byte, the low ones first; the eighth says that more follow.

use crate::error::Wrong;

/// Most bytes of a number.
const LONGEST: usize = 10;

#[inline]
pub(crate) fn put_u64(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Small numbers of either sign are short.
pub(crate) fn put_i64(to: &mut Vec<u8>, value: i64) {
    put_u64(to, (value << 1 ^ value >> 63).cast_unsigned());
}

pub(crate) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Takes numbers out of bytes.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(all: &'a [u8], at: usize) -> Bytes<'a> {
        Bytes { all, at }
    }

    /// How many were taken.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Wrong> {
        let end = self.at.checked_add(len).ok_or(Wrong::Ends)?;
        let bytes = self.all.get(self.at..end).ok_or(Wrong::Ends)?;
        self.at = end;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        self.take(N)?.try_into().map_err(|_| Wrong::Ends)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Wrong> {
        let byte = *self.all.get(self.at).ok_or(Wrong::Ends)?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Wrong> {
        let mut value = 0;
        for n in 0..LONGEST {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * n as u32;
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return Err(Wrong::Number);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Wrong::Number)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Wrong> {
        let value = self.u64()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A number that fits.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Wrong> {
        T::try_from(self.u64()?).map_err(|_| Wrong::Number)
    }

    /// Bytes with their number before them, `most` at most.
    pub(crate) fn counted(&mut self, most: usize) -> Result<&'a [u8], Wrong> {
        let len: usize = self.small()?;
        if len > most {
            return Err(Wrong::TooMany { declared: len as u64, most: most as u64 });
        }
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_round_trip() {
        let edges = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in edges.chain([u64::MAX]) {
            let mut bytes = Vec::new();
            put_u64(&mut bytes, value);
            put_i64(&mut bytes, value.cast_signed());
            let mut from = Bytes::new(&bytes, 0);
            assert_eq!(from.u64().unwrap(), value);
            assert_eq!(from.i64().unwrap(), value.cast_signed());
            assert_eq!(from.at(), bytes.len());
        }
    }

    #[test]
    fn small_numbers_of_either_sign_take_a_byte() {
        for value in -64..64 {
            let mut bytes = Vec::new();
            put_i64(&mut bytes, value);
            assert_eq!(bytes.len(), 1, "{value}");
        }
    }

    #[test]
    fn numbers_that_end_early_or_never_are_errors() {
        assert!(matches!(Bytes::new(&[0x80; 3], 0).u64(), Err(Wrong::Ends)));
        assert!(matches!(Bytes::new(&[0x80; 11], 0).u64(), Err(Wrong::Number)));
        let mut too_large = [0xff; 10];
        too_large[9] = 2;
        assert!(matches!(Bytes::new(&too_large, 0).u64(), Err(Wrong::Number)));
    }

    #[test]
    fn declared_lengths_are_not_trusted() {
        let mut bytes = Vec::new();
        put_u64(&mut bytes, u64::MAX);
        let wrong = Bytes::new(&bytes, 0).counted(10).unwrap_err();
        assert!(matches!(wrong, Wrong::TooMany { declared: u64::MAX, most: 10 }));
        assert!(matches!(Bytes::new(&[5, 1, 2], 0).counted(10), Err(Wrong::Ends)));
    }
}
