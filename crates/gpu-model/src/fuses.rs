//! Fuses and straps: which slices, subslices and EUs a part has, and what its display lacks.

use gen8_spec::mmio;

use crate::config::GpuConfig;
use crate::display;

/// Reads a fuse of the part; `None` when `offset` is not a fuse. Fuses ignore writes.
///
/// Display straps read 0 when nothing is fused off and nothing connected, as in the probe trace of a
/// stock i915.
pub fn read(config: &GpuConfig, offset: u32) -> Option<u32> {
    let [eu0, eu1, eu2] = config.sku.eu_disable();
    let fused_off = |disabled| if config.display_fused_off { disabled } else { 0 };
    Some(match offset {
        mmio::FUSE2 => config.sku.fuse2(),
        mmio::EU_DISABLE0 => eu0,
        mmio::EU_DISABLE1 => eu1,
        mmio::EU_DISABLE2 => eu2,
        mmio::FUSE_STRAP => fused_off(mmio::FUSE_STRAP_DISPLAY_DISABLED),
        mmio::SFUSE_STRAP => {
            let ports = display::straps(config.effective_outputs());
            fused_off(mmio::SFUSE_STRAP_DISPLAY_DISABLED) | ports
        }
        mmio::FUSE_STRAP3 => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gen8_spec::sku::{self, Sku};

    /// Slices, subslices a slice and EUs a subslice of the driver's model (i915
    /// `gt/intel_sseu.c`, `bdw_sseu_info_init`).
    const SLICES: u32 = 3;
    const SUBSLICES: u32 = 3;
    const EUS: u32 = 8;

    /// Counts EUs as i915 does from the fuses.
    fn eus_seen_by_driver(sku: Sku) -> u32 {
        let config = GpuConfig::new(sku);
        let fuse = |offset| read(&config, offset).expect("a fuse");
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
        assert_eq!(read(&GpuConfig::new(sku::SKUS[0]), mmio::GDRST), None);
    }

    #[test]
    fn both_display_straps_tell_of_a_display_that_is_fused_off_and_of_nothing_else() {
        for (display_fused_off, straps) in [(false, [0, 0]), (true, [1 << 30, 1 << 7])] {
            let config = GpuConfig { display_fused_off, ..GpuConfig::new(sku::SKUS[0]) };
            let seen = [mmio::FUSE_STRAP, mmio::SFUSE_STRAP].map(|offset| read(&config, offset));
            assert_eq!(seen, straps.map(Some));
            assert_eq!(read(&config, mmio::FUSE_STRAP3), Some(0));
        }
    }
}
