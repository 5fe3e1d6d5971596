//! Fuses and straps: which slices, subslices and EUs a part has, and what its display lacks.

use gen8_spec::mmio;
use gen8_spec::sku::Sku;

/// Reads a fuse of `sku`; `None` when `offset` is not a fuse. Fuses ignore writes.
///
/// Display straps read 0: nothing is fused off, as in the probe trace of a stock i915.
pub fn read(sku: Sku, offset: u32) -> Option<u32> {
    let [eu0, eu1, eu2] = sku.eu_disable();
    Some(match offset {
        mmio::FUSE2 => sku.fuse2(),
        mmio::EU_DISABLE0 => eu0,
        mmio::EU_DISABLE1 => eu1,
        mmio::EU_DISABLE2 => eu2,
        mmio::FUSE_STRAP | mmio::FUSE_STRAP3 | mmio::SFUSE_STRAP => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen8_spec::sku;

    /// Slices, subslices a slice and EUs a subslice of the driver's model (i915
    /// `gt/intel_sseu.c`, `bdw_sseu_info_init`).
    const SLICES: u32 = 3;
    const SUBSLICES: u32 = 3;
    const EUS: u32 = 8;

    /// Counts EUs as i915 does from the fuses.
    fn eus_seen_by_driver(sku: Sku) -> u32 {
        let fuse = |offset| read(sku, offset).expect("a fuse");
        let fuse2 = fuse(mmio::FUSE2);
        let disabled = u128::from(fuse(mmio::EU_DISABLE0))
            | u128::from(fuse(mmio::EU_DISABLE1)) << 32
            | u128::from(fuse(mmio::EU_DISABLE2)) << 64;
        let mut count = 0;
        for slice in 0..SLICES {
            for subslice in 0..SUBSLICES {
                let present = fuse2 >> (25 + slice) & 1 == 1 && fuse2 >> (21 + subslice) & 1 == 0;
                let shift = (slice * SUBSLICES + subslice) * EUS;
                let missing = (disabled >> shift) as u8;
                count += if present { EUS - missing.count_ones() } else { 0 };
            }
        }
        count
    }

    #[test]
    fn driver_counts_the_eus_of_every_part() {
        for sku in sku::SKUS {
            assert_eq!(eus_seen_by_driver(sku), sku.eu_count(), "{:#x}", sku.device_id);
        }
    }

    #[test]
    fn other_registers_are_no_fuses() {
        assert_eq!(read(sku::SKUS[0], mmio::GDRST), None);
    }
}
