//! Engines (command streamers) and where each lives.

/// An engine of a Broadwell GPU. `Vcs1` exists on GT3 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EngineId {
    /// Render.
    Rcs,
    /// Blitter (copy).
    Bcs,
    /// First video engine.
    Vcs,
    /// Second video engine (BSD2).
    Vcs1,
    /// Video enhancement.
    Vecs,
}

/// Number of engines that the largest SKU has.
pub const ENGINE_COUNT: usize = 5;

impl EngineId {
    /// All engines in index order.
    pub const ALL: [EngineId; ENGINE_COUNT] =
        [EngineId::Rcs, EngineId::Bcs, EngineId::Vcs, EngineId::Vcs1, EngineId::Vecs];

    /// Dense index, `0..ENGINE_COUNT`.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The engine of a dense index.
    pub const fn from_index(index: usize) -> Option<EngineId> {
        if index < ENGINE_COUNT { Some(EngineId::ALL[index]) } else { None }
    }

    /// i915's engine name.
    pub const fn name(self) -> &'static str {
        match self {
            EngineId::Rcs => "rcs0",
            EngineId::Bcs => "bcs0",
            EngineId::Vcs => "vcs0",
            EngineId::Vcs1 => "vcs1",
            EngineId::Vecs => "vecs0",
        }
    }

    /// Base of the ring register block in BAR0 (i915 `gt/intel_engine_regs.h`). genxml's VCS2 base
    /// of 0x12000 is wrong; VCS1 is at 0x1c000.
    pub const fn mmio_base(self) -> u32 {
        match self {
            EngineId::Rcs => 0x0_2000,
            EngineId::Bcs => 0x2_2000,
            EngineId::Vcs => 0x1_2000,
            EngineId::Vcs1 => 0x1_c000,
            EngineId::Vecs => 0x1_a000,
        }
    }

    /// Bit of this engine's domain in GDRST (i915 `gt/intel_gt_regs.h`).
    pub const fn reset_domain(self) -> u32 {
        match self {
            EngineId::Rcs => 1 << 1,
            EngineId::Vcs => 1 << 2,
            EngineId::Bcs => 1 << 3,
            EngineId::Vecs => 1 << 4,
            EngineId::Vcs1 => 1 << 7,
        }
    }

    /// Value of the engine field (bits 14:12) in GEN8_RING_FAULT_REG.
    pub const fn fault_id(self) -> u32 {
        match self {
            EngineId::Rcs => 0,
            EngineId::Vcs => 1,
            EngineId::Vcs1 => 2,
            EngineId::Vecs => 3,
            EngineId::Bcs => 4,
        }
    }

    /// The engine that MI_SEMAPHORE_SIGNAL's target field names (genxml `MI_SEMAPHORE_SIGNAL`).
    pub const fn from_semaphore_target(target: u32) -> Option<EngineId> {
        match target {
            0 => Some(EngineId::Rcs),
            1 => Some(EngineId::Vcs),
            2 => Some(EngineId::Bcs),
            3 => Some(EngineId::Vecs),
            4 => Some(EngineId::Vcs1),
            _ => None,
        }
    }

    /// TLB-invalidate register of this engine (RTCR, BTCR, M1TCR, M2TCR, VTCR).
    pub const fn tlb_invalidate_register(self) -> u32 {
        match self {
            EngineId::Rcs => 0x4260,
            EngineId::Vcs => 0x4264,
            EngineId::Vcs1 => 0x4268,
            EngineId::Bcs => 0x426c,
            EngineId::Vecs => 0x4270,
        }
    }

    /// Pages of a logical-ring context image, PPHWSP included
    /// (i915 `GEN8_LR_CONTEXT_RENDER_SIZE`, `GEN8_LR_CONTEXT_OTHER_SIZE`).
    pub const fn context_image_pages(self) -> u64 {
        match self {
            EngineId::Rcs => 20,
            _ => 2,
        }
    }
}
