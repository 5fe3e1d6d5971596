//! Sequence numbers: 32 bits that wrap; 0 is reserved for "none".

/// Whether `current` is `seqno` or a later one (i915 `i915_seqno_passed`): right as long as the
/// two are less than 2^31 apart.
pub const fn seqno_passed(current: u32, seqno: u32) -> bool {
    current.wrapping_sub(seqno) as i32 >= 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_survives_the_wrap() {
        assert!(seqno_passed(5, 5));
        assert!(seqno_passed(6, 5));
        assert!(!seqno_passed(5, 6));
        assert!(seqno_passed(2, 0xffff_fff0));
        assert!(!seqno_passed(0xffff_fff0, 2));
    }
}
