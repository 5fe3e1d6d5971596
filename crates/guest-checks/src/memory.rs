//! Whether the guest's memory is what it was.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::files;
use crate::gpu::Node;

/// Growth that is no leak: slabs that are partly full, the kernel's other work. Measured: up to some
/// hundred KiB.
const NOISE_KIB: u64 = 1024;
const PAGE_KIB: u64 = 4;
/// What one context costs at the very least that was never freed: the five table pages of a
/// four-level address space with one page mapped (a ring and a context image come on top).
const LEAST_LEAK_KIB: u64 = 5 * PAGE_KIB;

/// What the kernel has in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// `MemFree` and the free pages that each CPU keeps for itself (up to 5 MiB in all), in KiB.
    pub(crate) free_kib: u64,
    /// `SUnreclaim`: the kernel's own small allocations, in KiB.
    pub(crate) slab_kib: u64,
    /// i915's count of objects that have memory, where debugfs tells it.
    pub(crate) objects: Option<u64>,
}

impl Sample {
    /// Waits for what is being freed in the background and then looks.
    pub(crate) fn take() -> Result<Sample> {
        settle()?;
        Ok(Sample { objects: objects()?, ..meminfo()? })
    }
}

/// Asks i915 to retire and free all it can, drops the caches, and waits until no more comes free.
fn settle() -> Result<()> {
    let drop_caches = Node::debugfs()?.join("i915_gem_drop_caches");
    if drop_caches.exists() {
        // DROP_UNBOUND | DROP_BOUND | DROP_RETIRE | DROP_ACTIVE | DROP_FREED | DROP_SHRINK_ALL |
        // DROP_IDLE of drivers/gpu/drm/i915/i915_debugfs.c. Objects stay; only caches go.
        files::write(&drop_caches, "0x7f")?;
    }
    files::write(Path::new("/proc/sys/vm/drop_caches"), "3")?;
    shrink_slabs();
    let mut best = meminfo()?.free_kib;
    let mut quiet = 0;
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(100));
        let free = meminfo()?.free_kib;
        quiet = if free > best { 0 } else { quiet + 1 };
        best = best.max(free);
        if quiet == 5 {
            break;
        }
    }
    Ok(())
}

/// Has every slab cache give up what it keeps for later: in 7.x up to some MiB in all.
fn shrink_slabs() {
    let Ok(caches) = fs::read_dir("/sys/kernel/slab") else { return };
    for cache in caches.flatten() {
        // One that has gone meanwhile keeps nothing.
        files::write(&cache.path().join("shrink"), "1").ok();
    }
}

fn meminfo() -> Result<Sample> {
    let text = files::read(Path::new("/proc/meminfo"))?;
    let field = |name: &str| {
        meminfo_field(&text, name)
            .ok_or_else(|| Error::Wrong(format!("/proc/meminfo has no {name}")))
    };
    let kept = pages_kept_by_cpus(&files::read(Path::new("/proc/zoneinfo"))?) * PAGE_KIB;
    Ok(Sample { free_kib: field("MemFree")? + kept, slab_kib: field("SUnreclaim")?, objects: None })
}

/// `/proc/zoneinfo` has a line `count: N` a zone and CPU.
fn pages_kept_by_cpus(text: &str) -> u64 {
    let counts = text.lines().filter_map(|line| line.trim().strip_prefix("count:"));
    counts.filter_map(|count| count.trim().parse::<u64>().ok()).sum()
}

fn meminfo_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `i915_gem_objects` begins with `37 shrinkable [0 free] objects, 471040 bytes`.
fn objects() -> Result<Option<u64>> {
    let path = Node::debugfs()?.join("i915_gem_objects");
    if !path.exists() {
        return Ok(None);
    }
    Ok(files::read(&path)?.split_whitespace().next().and_then(|count| count.parse().ok()))
}

/// Two samples with work between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// Ahead of the work.
    pub(crate) before: Sample,
    /// Behind it.
    pub(crate) after: Sample,
    /// How often the work was done.
    pub(crate) cycles: u32,
}

/// What two samples say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// No leak of the smallest kind once a cycle.
    Flat,
    /// Less is free than noise explains, or i915 has more objects.
    Grown,
    /// Too few cycles: a leak would hide in the noise.
    Unknown,
}

impl Growth {
    /// Judges.
    pub(crate) fn judge(&self) -> Memory {
        let lost = self.before.free_kib.saturating_sub(self.after.free_kib);
        if lost > NOISE_KIB || self.after.objects > self.before.objects {
            return Memory::Grown;
        }
        // Twice, since noise can also hide a leak.
        if u64::from(self.cycles) * LEAST_LEAK_KIB <= 2 * NOISE_KIB {
            return Memory::Unknown;
        }
        Memory::Flat
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Growth { before, after, .. } = self;
        write!(f, "free {} -> {} KiB, ", before.free_kib, after.free_kib)?;
        write!(f, "SUnreclaim {} -> {} KiB", before.slab_kib, after.slab_kib)?;
        if let (Some(before), Some(after)) = (before.objects, after.objects) {
            write!(f, ", objects {before} -> {after}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(lost_kib: u64, more_objects: u64, cycles: u32) -> Growth {
        let before = Sample { free_kib: 900_000, slab_kib: 10_000, objects: Some(40) };
        let after = Sample {
            free_kib: before.free_kib - lost_kib,
            objects: Some(40 + more_objects),
            ..before
        };
        Growth { before, after, cycles }
    }

    #[test]
    fn the_smallest_leak_once_a_cycle_is_seen() {
        for cycles in [103, 200, 10_000] {
            assert_eq!(growth(0, 0, cycles).judge(), Memory::Flat);
            assert_eq!(
                growth(u64::from(cycles) * LEAST_LEAK_KIB, 0, cycles).judge(),
                Memory::Grown
            );
        }
    }

    #[test]
    fn noise_is_no_leak_and_an_object_too_many_is_one() {
        assert_eq!(growth(NOISE_KIB, 0, 1000).judge(), Memory::Flat);
        assert_eq!(growth(0, 1, 1000).judge(), Memory::Grown);
    }

    #[test]
    fn too_few_cycles_prove_nothing() {
        assert_eq!(growth(0, 0, 100).judge(), Memory::Unknown);
        assert_eq!(growth(NOISE_KIB + 1, 0, 100).judge(), Memory::Grown);
    }

    #[test]
    fn free_pages_of_every_cpu_and_zone_count() {
        let text = "Node 0, zone DMA\n  pagesets\n    cpu: 0\n              count: 3\n\
                    \n    cpu: 1\n              count:    40\n              high:  7\n";
        assert_eq!(pages_kept_by_cpus(text), 43);
    }

    #[test]
    fn fields_of_meminfo_are_found_by_their_whole_name() {
        let text = "MemTotal:  9 kB\nMemFree:          123 kB\nSUnreclaim:  7 kB\n";
        assert_eq!(meminfo_field(text, "MemFree"), Some(123));
        assert_eq!(meminfo_field(text, "Mem"), None);
    }
}
