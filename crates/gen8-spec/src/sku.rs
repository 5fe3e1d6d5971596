//! The Broadwell family by PCI device id (kernel `include/drm/i915_pciids.h`, Mesa
//! `intel_device_info`).

use crate::engine::EngineId;

/// GT class of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gt {
    /// 1 slice × 2 subslices × 6 EU.
    Gt1,
    /// 1 slice × 3 subslices × 8 EU.
    Gt2,
    /// 2 slices × 3 subslices × 8 EU, with a second video engine.
    Gt3,
    /// Reserved ids: i915 treats them as GT3 without the second video engine.
    Reserved,
}

/// A part of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sku {
    /// PCI device id.
    pub device_id: u16,
    /// GT class.
    pub gt: Gt,
    /// ULT or ULX package (i915 counts ULX as ULT on BDW); decides which PCH is accepted.
    pub ult: bool,
}

impl core::fmt::Display for Sku {
    /// `Broadwell GT2 (8086:1616)`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let gt = match self.gt {
            Gt::Gt1 => "GT1",
            Gt::Gt2 => "GT2",
            Gt::Gt3 => "GT3",
            Gt::Reserved => "reserved",
        };
        write!(f, "Broadwell {gt} (8086:{:04x})", self.device_id)
    }
}

const fn sku(device_id: u16, gt: Gt, ult: bool) -> Sku {
    Sku { device_id, gt, ult }
}

/// Every Broadwell id that i915 knows.
pub const SKUS: [Sku; 24] = [
    sku(0x1602, Gt::Gt1, false),
    sku(0x1606, Gt::Gt1, true),
    sku(0x160a, Gt::Gt1, false),
    sku(0x160b, Gt::Gt1, true),
    sku(0x160d, Gt::Gt1, false),
    sku(0x160e, Gt::Gt1, true),
    sku(0x1612, Gt::Gt2, false),
    sku(0x1616, Gt::Gt2, true),
    sku(0x161a, Gt::Gt2, false),
    sku(0x161b, Gt::Gt2, true),
    sku(0x161d, Gt::Gt2, false),
    sku(0x161e, Gt::Gt2, true),
    sku(0x1622, Gt::Gt3, false),
    sku(0x1626, Gt::Gt3, true),
    sku(0x162a, Gt::Gt3, false),
    sku(0x162b, Gt::Gt3, true),
    sku(0x162d, Gt::Gt3, false),
    sku(0x162e, Gt::Gt3, true),
    sku(0x1632, Gt::Reserved, false),
    sku(0x1636, Gt::Reserved, true),
    sku(0x163a, Gt::Reserved, false),
    sku(0x163b, Gt::Reserved, true),
    sku(0x163d, Gt::Reserved, false),
    sku(0x163e, Gt::Reserved, true),
];

/// The part with this PCI device id.
pub fn by_device_id(device_id: u16) -> Option<Sku> {
    SKUS.iter().copied().find(|s| s.device_id == device_id)
}

impl Sku {
    /// Whether this part has `engine`.
    pub const fn has_engine(self, engine: EngineId) -> bool {
        !matches!(engine, EngineId::Vcs1) || matches!(self.gt, Gt::Gt3)
    }

    /// Number of slices.
    pub const fn slices(self) -> u32 {
        match self.gt {
            Gt::Gt1 | Gt::Gt2 => 1,
            Gt::Gt3 | Gt::Reserved => 2,
        }
    }

    /// FUSE2: slice enable 27:25, subslice disable 23:21.
    pub const fn fuse2(self) -> u32 {
        match self.gt {
            Gt::Gt1 => 0b001 << 25 | 1 << 23,
            Gt::Gt2 => 0b001 << 25,
            Gt::Gt3 | Gt::Reserved => 0b011 << 25,
        }
    }

    /// EU_DISABLE0..2: one bit an EU, eight EUs a subslice, three subslices a slice.
    pub const fn eu_disable(self) -> [u32; 3] {
        match self.gt {
            Gt::Gt1 => [0x00ff_c0c0, 0, 0],
            _ => [0, 0, 0],
        }
    }

    /// Number of execution units.
    pub const fn eu_count(self) -> u32 {
        match self.gt {
            Gt::Gt1 => 12,
            Gt::Gt2 => 24,
            Gt::Gt3 | Gt::Reserved => 48,
        }
    }
}
