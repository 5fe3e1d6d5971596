//! The GGTT's entries, for who looks at all of them.

use super::Held;

/// Entries that are copied with the device locked: half a MiB of them.
const AT_ONCE: usize = 1 << 16;

/// Hands out every entry with its index, present or not. What is written meanwhile may be seen or not.
pub(crate) fn each_entry(device: &Held, mut look: impl FnMut(u64, u64)) {
    let mut first = 0;
    loop {
        let entries: Vec<u64> = device.look(|gpu| {
            let all = gpu.ggtt().entries();
            all.iter().take(first + AT_ONCE).skip(first).copied().collect()
        });
        for (index, &entry) in (first as u64..).zip(&entries) {
            look(index, entry);
        }
        first += AT_ONCE;
        if entries.len() < AT_ONCE {
            return;
        }
    }
}
