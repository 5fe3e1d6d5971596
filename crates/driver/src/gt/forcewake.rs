//! Forcewake: keeps the render power well up while registers are used.
//!
//! i915 takes and drops it around accesses; this driver holds it from probe to shutdown, which
//! saves two register accesses for each use.

use gen8_spec::mmio::{FORCEWAKE_ACK_HSW, FORCEWAKE_MT, GT_THREAD_STATUS};
use gen8_spec::{masked_disable, masked_enable};

use super::hardware::Hardware;
use crate::Platform;

/// Bit of the request and the acknowledge register that this driver uses (i915 `FORCEWAKE_KERNEL`).
const KERNEL: u32 = 1 << 0;
/// i915 `FORCEWAKE_ACK_TIMEOUT_MS`.
const ACK_LIMIT_NS: u64 = 50_000_000;
/// Thread status bits that must be clear (i915 `__gen6_gt_wait_for_thread_c0`).
const THREAD_C0: u32 = 0x7;

/// Drops every request that firmware or an earlier driver left, then takes ours.
pub(super) fn take<P: Platform>(hw: &mut Hardware<P>) -> bool {
    hw.write(FORCEWAKE_MT, masked_disable(0xffff));
    if !hw.wait_register(FORCEWAKE_ACK_HSW, KERNEL, 0, ACK_LIMIT_NS) {
        return false;
    }
    hw.write(FORCEWAKE_MT, masked_enable(KERNEL));
    hw.wait_register(FORCEWAKE_ACK_HSW, KERNEL, KERNEL, ACK_LIMIT_NS)
        && hw.wait_register(GT_THREAD_STATUS, THREAD_C0, 0, ACK_LIMIT_NS)
}

/// Drops ours.
pub(super) fn release<P: Platform>(hw: &mut Hardware<P>) {
    hw.write(FORCEWAKE_MT, masked_disable(KERNEL));
}
