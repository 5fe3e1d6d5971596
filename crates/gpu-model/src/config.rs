//! What kind of GPU to build.

use gen8_spec::pci;
use gen8_spec::sku::{self, Sku};

use crate::display::Output;

/// GMCH_CTRL of the default configuration: GGMS 3 (8 MiB of PTEs, a GGTT of 4 GiB) and no stolen
/// memory.
const GMCH_CTRL_4_GIB_GGTT: u16 = 3 << 6;

/// Defects that can be switched on, so that the suite can prove that it would notice them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mutations {
    /// TLB entries stay whatever the guest does.
    pub tlb_never_invalidates: bool,
    /// The PTE of this PPGTT address is cleared in memory as soon as an engine has used it.
    pub pte_lost: Option<u64>,
    /// The PTE of this PPGTT address is written back as it was used, after software changed it.
    pub pte_restored: Option<u64>,
    /// Writes of the PTE of this GGTT address are dropped.
    pub ggtt_write_lost: Option<u64>,
    /// An engine does not load the address space again that it loaded first (a driver's own): it keeps
    /// the one that it has.
    pub first_root_not_loaded_again: bool,
    /// A context whose image has moved since a context was last saved at its place in the GGTT is saved to the old
    /// page as well, if nobody seems to use that.
    pub context_saved_to_old_page: bool,
}

impl Mutations {
    /// Whether any of them is about PTEs that were walked to.
    #[inline]
    pub(crate) fn spoils_ptes(&self) -> bool {
        self.pte_lost.is_some() || self.pte_restored.is_some()
    }
}

/// The fixed properties of a GPU: what a reset does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuConfig {
    /// The part.
    pub sku: Sku,
    /// Bytes of the aperture (BAR2): a power of two from 128 MiB to 4 GiB.
    pub aperture_size: u64,
    /// GMCH_CTRL (configuration offset 0x50): decides the sizes of GGTT and stolen memory.
    pub gmch_ctrl: u16,
    /// BDSM (configuration offset 0x5c): where the firmware put the stolen memory, a multiple of
    /// 1 MiB; 0 if it put it nowhere.
    pub stolen_base: u32,
    /// Whether the part has no display, as the display straps tell.
    pub display_fused_off: bool,
    /// The ports and what is connected there at power-on, in their order. Nothing on a part without
    /// display.
    pub outputs: Vec<Output>,
    /// Defects for mutation checks; none by default.
    pub mutations: Mutations,
}

impl GpuConfig {
    /// The usual configuration of `sku`: 256 MiB aperture, 4 GiB GGTT, no stolen memory.
    pub fn new(sku: Sku) -> Self {
        Self {
            sku,
            aperture_size: pci::BAR2_SIZE,
            gmch_ctrl: GMCH_CTRL_4_GIB_GGTT,
            stolen_base: 0,
            display_fused_off: false,
            outputs: Vec::new(),
            mutations: Mutations::default(),
        }
    }

    /// The usual configuration of the part with this PCI device id, if there is such a part.
    pub fn by_device_id(device_id: u16) -> Option<Self> {
        sku::by_device_id(device_id).map(Self::new)
    }

    /// The outputs that the part really has at power-on.
    pub(crate) fn effective_outputs(&self) -> &[Output] {
        if self.display_fused_off { &[] } else { &self.outputs }
    }

    /// The aperture size brought into the range that the BAR can express.
    pub fn effective_aperture_size(&self) -> u64 {
        self.aperture_size
            .checked_next_power_of_two()
            .unwrap_or(APERTURE_MAX)
            .clamp(APERTURE_MIN, APERTURE_MAX)
    }
}

/// Smallest aperture.
const APERTURE_MIN: u64 = 128 << 20;
/// Largest aperture.
const APERTURE_MAX: u64 = 4 << 30;
