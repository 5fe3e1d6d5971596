//! Ternary raster operations: eight bits that are a truth table.

use gen8_spec::commands::blt;

/// A raster operation. Bit `P << 2 | S << 1 | D` is the result for these bits of pattern, source and
/// destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rop(pub(super) u8);

impl Rop {
    /// The source as it is.
    pub(super) const SOURCE: Rop = Rop(blt::ROP_SOURCE as u8);

    /// Whether the result depends on the pattern.
    pub(super) fn uses_pattern(self) -> bool {
        (self.0 >> 4 ^ self.0) & 0x0f != 0
    }

    /// Whether the result depends on the source.
    pub(super) fn uses_source(self) -> bool {
        (self.0 >> 2 ^ self.0) & 0x33 != 0
    }

    /// Whether the result depends on the destination.
    pub(super) fn uses_destination(self) -> bool {
        (self.0 >> 1 ^ self.0) & 0x55 != 0
    }

    /// All bits at once: picks by pattern among picks by source among picks by destination.
    #[inline]
    pub(super) fn apply(self, pattern: u32, source: u32, destination: u32) -> u32 {
        let entry = |bit: u32| 0_u32.wrapping_sub(u32::from(self.0) >> bit & 1);
        let by_destination = |bit| pick(destination, entry(bit + 1), entry(bit));
        let by_source = |bit| pick(source, by_destination(bit + 2), by_destination(bit));
        pick(pattern, by_source(4), by_source(0))
    }
}

/// Bits of `one` where `selector` is set, of `zero` elsewhere.
#[inline]
fn pick(selector: u32, one: u32, zero: u32) -> u32 {
    selector & one | !selector & zero
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The eight combinations of three bits, in bits 0 to 7 of each operand.
    const PATTERN: u32 = 0xf0;
    const SOURCE: u32 = 0xcc;
    const DESTINATION: u32 = 0xaa;

    #[test]
    fn every_operation_reads_its_result_from_its_own_table() {
        for code in 0..=255 {
            assert_eq!(Rop(code).apply(PATTERN, SOURCE, DESTINATION) & 0xff, u32::from(code));
        }
    }

    #[test]
    fn an_operand_is_used_if_and_only_if_changing_it_changes_a_result() {
        for code in 0..=255 {
            let rop = Rop(code);
            let with =
                |p: u32, s: u32, d: u32| rop.apply(PATTERN ^ p, SOURCE ^ s, DESTINATION ^ d) & 0xff;
            let plain = with(0, 0, 0);
            assert_eq!(rop.uses_pattern(), with(0xff, 0, 0) != plain, "{code:#x}");
            assert_eq!(rop.uses_source(), with(0, 0xff, 0) != plain, "{code:#x}");
            assert_eq!(rop.uses_destination(), with(0, 0, 0xff) != plain, "{code:#x}");
        }
    }
}
