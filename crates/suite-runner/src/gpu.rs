//! The state in which a test leaves the GPU and the kernel.

use std::fs;
use std::path::PathBuf;

/// "The kernel died recently": bit of `/proc/sys/kernel/tainted` (Linux, `TAINT_DIE`).
const DIED: u64 = 1 << 7;
/// All engines, for a reset that i915 is asked for by hand (`i915_wedged` of debugfs).
const ALL_ENGINES: &str = "0xffffffff";

/// i915 has given the GPU up.
pub(crate) fn is_wedged() -> bool {
    files().iter().any(|file| fs::read_to_string(file).is_ok_and(|state| state.trim() == "1"))
}

/// Why the next test would not find what it may expect, after an attempt to mend it.
pub(crate) fn unfit() -> Option<&'static str> {
    let tainted = fs::read_to_string("/proc/sys/kernel/tainted").unwrap_or_default();
    if tainted.trim().parse::<u64>().unwrap_or(0) & DIED != 0 {
        return Some("the kernel has died in a thread");
    }
    if is_wedged() {
        for file in files() {
            fs::write(file, ALL_ENGINES).ok(); // Whether it helps is asked next.
        }
        return is_wedged().then_some("i915 has given the GPU up");
    }
    None
}

fn files() -> Vec<PathBuf> {
    let devices = fs::read_dir("/sys/kernel/debug/dri").into_iter().flatten().flatten();
    devices.map(|device| device.path().join("i915_wedged")).filter(|file| file.exists()).collect()
}
