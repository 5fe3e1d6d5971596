//! The CPU reaches objects through the aperture, more of them than fit in at once.

use std::path::PathBuf;

use crate::error::{Error, Result, expect_dword};
use crate::files;
use crate::gpu::{Batch, Device, Engine, Node, Object, View};
use crate::report::Reporter;
use crate::sys::Mapping;
use crate::uapi;

const MIB: u64 = 1 << 20;
/// Each object: as much as i915 binds at least when a page of it is touched (`MIN_CHUNK_PAGES` of
/// `gem/i915_gem_mman.c`).
const BYTES: u64 = MIB;
/// Dwords of an object that are used: in its first page, in its middle and in its last page.
const SPOTS: [usize; 3] = [1, (BYTES / 8) as usize, (BYTES / 4) as usize - 1];
const BATCH: u64 = 0x10_0000;
const OBJECT: u64 = 1 << 30;
const COPIES: u64 = 0x20_0000;

/// One result for each direction.
pub(super) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    let device = Device::open(Node::Render)?;
    let engine = device.engines()?.remove(0);
    let aperture = aperture_bytes()?;
    // One object more than fits, so that the first must go before the last can come.
    let count = aperture / BYTES + 1;
    let objects: Vec<Object> =
        (0..count).map(|_| device.object(BYTES as usize)).collect::<Result<_>>()?;
    let views: Vec<Mapping> =
        objects.iter().map(|object| object.map(View::Aperture)).collect::<Result<_>>()?;
    let gpu = Copier::new(&device, engine)?;
    reporter.result(Some("cpu to gpu"), cpu_to_gpu(&objects, &views, &gpu, aperture));
    reporter.result(Some("gpu to cpu"), gpu_to_cpu(&objects, &views, &gpu));
    Ok(())
}

/// The size of BAR 2, from the third line of the PCI device's `resource`.
pub(super) fn aperture_bytes() -> Result<u64> {
    let path: PathBuf = Node::Render.sysfs()?.join("device/resource");
    let text = files::read(&path)?;
    resource_bytes(&text, 2)
        .ok_or_else(|| Error::Wrong(format!("{} has no line for BAR 2", path.display())))
}

/// `0xSTART 0xEND 0xFLAGS`, a line a resource.
fn resource_bytes(text: &str, number: usize) -> Option<u64> {
    let mut words = text.lines().nth(number)?.split_whitespace();
    let mut next = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let (start, end) = (next()?, next()?);
    (end > start).then(|| end - start + 1)
}

/// A value of its own for each spot of each object.
fn value(pass: u32, object: usize, spot: usize) -> u32 {
    pass << 24 | (object as u32) << 8 | spot as u32
}

/// The CPU writes all objects through the aperture, the GPU copies what it finds.
fn cpu_to_gpu(
    objects: &[Object],
    views: &[Mapping],
    gpu: &Copier,
    aperture: u64,
) -> Result<String> {
    for (number, (object, view)) in objects.iter().zip(views).enumerate() {
        object.set_domain(uapi::DOMAIN_GTT)?;
        SPOTS.iter().enumerate().for_each(|(spot, at)| view.write(*at, value(1, number, spot)));
    }
    for (number, object) in objects.iter().enumerate() {
        let found = gpu.copy_out(object)?;
        for (spot, found) in found.into_iter().enumerate() {
            expect_dword(
                &format!("spot {spot} of object {number}"),
                found,
                value(1, number, spot),
            )?;
        }
    }
    Ok(format!("{} objects of {} MiB through {} MiB", objects.len(), BYTES / MIB, aperture / MIB))
}

/// The GPU writes all objects, the CPU reads them through the aperture.
fn gpu_to_cpu(objects: &[Object], views: &[Mapping], gpu: &Copier) -> Result<String> {
    for (number, object) in objects.iter().enumerate() {
        gpu.store(object, [0, 1, 2].map(|spot| value(2, number, spot)))?;
    }
    for (number, (object, view)) in objects.iter().zip(views).enumerate() {
        object.set_domain(uapi::DOMAIN_GTT)?;
        for (spot, at) in SPOTS.iter().enumerate() {
            let what = format!("spot {spot} of object {number}");
            expect_dword(&what, view.read(*at), value(2, number, spot))?;
        }
    }
    Ok(format!("{} objects", objects.len()))
}

/// A context that copies between an object and one of its own.
struct Copier {
    context: crate::gpu::Context,
    code: Object,
    commands: Mapping,
    copies: Object,
    copied: Mapping,
}

impl Copier {
    fn new(device: &Device, engine: Engine) -> Result<Copier> {
        let (code, copies) = (device.object(4096)?, device.object(4096)?);
        let (commands, copied) = (code.open()?, copies.open()?);
        Ok(Copier { context: device.context(engine)?, code, commands, copies, copied })
    }

    /// What the GPU finds in the spots of `object`.
    fn copy_out(&self, object: &Object) -> Result<[u32; 3]> {
        let mut batch = Batch::default();
        for (number, spot) in SPOTS.iter().enumerate() {
            self.copied.write(number, 0);
            batch = batch.copy(COPIES + 4 * number as u64, OBJECT + 4 * *spot as u64);
        }
        self.run(object, batch)?;
        Ok([0, 1, 2].map(|number| self.copied.read(number)))
    }

    /// Has the GPU write `values` into the spots of `object`, from memory to memory.
    fn store(&self, object: &Object, values: [u32; 3]) -> Result<()> {
        let mut batch = Batch::default();
        for (number, (spot, value)) in SPOTS.iter().zip(values).enumerate() {
            self.copied.write(number, value);
            batch = batch.copy(OBJECT + 4 * *spot as u64, COPIES + 4 * number as u64);
        }
        self.run(object, batch)
    }

    fn run(&self, object: &Object, batch: Batch) -> Result<()> {
        batch.end().write_to(&self.commands);
        let objects = [object.at(OBJECT).written(), self.copies.at(COPIES).written()];
        self.context.submit(&objects, self.code.at(BATCH))?;
        self.copies.wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aperture_is_the_third_resource() {
        let text = "0x00000000fd000000 0x00000000fdffffff 0x0000000000140204\n\
                    0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
                    0x00000000e0000000 0x00000000efffffff 0x000000000014220c\n";
        assert_eq!(resource_bytes(text, 2), Some(256 * MIB));
        assert_eq!(resource_bytes(text, 1), None);
        assert_eq!(resource_bytes(text, 3), None);
    }
}
