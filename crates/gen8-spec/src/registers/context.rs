//! Registers that belong to a context: saved and restored with it, or writable from a batch that
//! is not privileged (IGT `gem_ctx_isolation`, its Gen8 lists; i915 `gt/intel_workarounds.c`).

use crate::engine::EngineId;
use crate::mmio::ring as reg;

/// A run of registers, four bytes apart: first BAR0 offset and number.
pub type Run = (u32, u32);

/// Render registers that user batches may write; all belong to the context. General-purpose
/// registers are not listed: every engine has them.
pub static RENDER_USER: &[Run] = &[
    (0x20c0, 1),
    (0x2158, 1),
    (0x2290, 2),
    (0x22c8, 2),
    (0x22d8, 2),
    (0x22f0, 2),
    (0x22f8, 2),
    (0x2300, 18),
    (0x2348, 4),
    (0x2360, 2),
    (0x2400, 8),
    (0x2420, 1),
    (0x2430, 5),
    (0x2448, 4),
    (0x2500, 3),
    (0x5200, 8),
    (0x5240, 8),
    (0x5280, 4),
    (0x7000, 3),
    (0x7034, 1),
    (0xe400, 2),
];

/// Render registers of the context that only privileged commands write: i915 sets its context
/// workarounds there in the first request.
pub static RENDER_PRIVILEGED: &[Run] = &[(0x7300, 1), (0xe184, 1), (0xe4f0, 2)];

/// Registers of the blitter's block that user batches may write.
pub static BLITTER_USER: &[Run] = &[(0x2_2000 + reg::BCS_SWCTRL, 1)];

/// What batches without privilege may write on `engine`, apart from general-purpose registers.
pub fn user_runs(engine: EngineId) -> &'static [Run] {
    match engine {
        EngineId::Rcs => RENDER_USER,
        EngineId::Bcs => BLITTER_USER,
        _ => &[],
    }
}

/// The offsets in `runs`, in order.
pub fn offsets(runs: &'static [Run]) -> impl Iterator<Item = u32> {
    runs.iter().flat_map(|&(first, count)| (0..count).map(move |n| first + 4 * n))
}

/// Whether `offset` is in one of `runs`.
pub fn contains(runs: &[Run], offset: u32) -> bool {
    runs.iter().any(|&(first, count)| {
        offset & 3 == 0 && offset.checked_sub(first).is_some_and(|at| at < 4 * count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_list_and_match_the_same_offsets() {
        assert!(offsets(RENDER_USER).all(|offset| contains(RENDER_USER, offset)));
        assert!(contains(RENDER_USER, 0x241c));
        // Counters of the pixel pipelines are 64 bits wide, that of the third as well.
        for counter in [0x22c8, 0x22d8, 0x22f0, 0x22f8, 0x2448, 0x2450] {
            assert!(contains(RENDER_USER, counter) && contains(RENDER_USER, counter + 4));
        }
        assert!(!contains(RENDER_USER, 0x2030));
        assert!(!contains(RENDER_USER, 0x2401));
    }
}
