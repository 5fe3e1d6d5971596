//! An object that is larger than the aperture: the kernel maps parts of it, each with a fence of its
//! own, and must drop some to map others.

use super::tiled::Tiled;
use crate::checks::gem::random::Random;
use crate::checks::mmap_gtt::aperture_bytes;
use crate::error::{Error, Result};
use crate::gpu::Device;
use crate::gpu::blt::Layout;

/// What the kernel maps at least of an object (`MIN_CHUNK_PAGES` of `gem/i915_gem_mman.c`).
const CHUNK: usize = 1 << 20;
/// Chunks more than fit.
const MORE: usize = 16;
/// The largest aperture for which there is memory enough.
const LARGEST: usize = 256 << 20;

/// Touches every part in a random order, so that some must go; then some of them with another tiling.
pub(super) fn run(device: &Device) -> Result<String> {
    let aperture = aperture_bytes()? as usize;
    if aperture > LARGEST {
        return Err(Error::NotHere(format!("an aperture of {} MiB", aperture >> 20)));
    }
    let chunks = aperture / CHUNK + MORE;
    let mut random = Random::new(6);
    let mut tiled = Tiled::new(device, chunks * CHUNK, Layout::X, 4096)?;
    for (layout, pitch, touched) in [(Layout::X, 8192, chunks), (Layout::Y, 1024, chunks / 8)] {
        tiled.retile(layout, pitch)?;
        let mut order: Vec<usize> = (0..chunks).collect();
        for last in (1..chunks).rev() {
            order.swap(last, random.within(0, last as i32 + 1) as usize);
        }
        let spots: Vec<(usize, Vec<u8>)> = order
            .into_iter()
            .take(touched)
            .map(|n| (n * CHUNK + random.within(0, CHUNK as i32 - 24) as usize, random.bytes(24)))
            .collect();
        for (seen, bytes) in &spots {
            tiled.rows.write_bytes(*seen, bytes);
            tiled.expect_pages(*seen, bytes)?;
        }
        for (seen, bytes) in spots.iter().step_by(8) {
            tiled.expect_rows(*seen, bytes)?;
        }
    }
    let mib = |bytes: usize| bytes >> 20;
    Ok(format!("{} MiB through an aperture of {}", mib(chunks * CHUNK), mib(aperture)))
}
