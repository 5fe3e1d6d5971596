//! The debugfs file that the IGT test reads.

use alloc::string::String;
use core::fmt::Write;

use crate::gem::Gem;
use crate::hardware::Hardware;
use crate::object::{Object, WriteDomain};
use crate::slab::Id;

impl<H: Hardware> Gem<H> {
    /// `i915_gem_gtt`: one line per object on the bound list, then the total.
    ///
    /// The test greps for `(name: N)`: its line is there exactly as long as the object has a
    /// binding, so the exporter must not bind it.
    pub fn debugfs_gem_gtt(&self) -> String {
        let mut text = String::new();
        let (mut count, mut bytes, mut gtt) = (0, 0, 0);
        for &object in &self.mm.bound {
            let Ok(record) = self.objects.get(object) else { continue };
            count += 1;
            bytes += record.size;
            gtt += self.bound_size(record);
            self.describe_object(&mut text, object, record);
            text.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Total {count} objects, {bytes} bytes, {gtt} GTT size");
        text
    }

    fn bound_size(&self, object: &Object) -> u64 {
        let vmas = object.vmas.iter().filter_map(|&vma| self.vmas.get(vma).ok());
        vmas.filter(|vma| vma.node.is_some()).map(|vma| vma.size).sum()
    }

    /// One line in the shape of i915's `describe_obj` (4.9).
    fn describe_object(&self, text: &mut String, key: Id<Object>, object: &Object) {
        let vmas = || object.vmas.iter().filter_map(|&vma| self.vmas.get(vma).ok());
        let pins: u32 = vmas().map(|vma| vma.pin_count).sum();
        let flag = |on: bool, c: char| if on { c } else { ' ' };
        let (read, write) = match object.write_domain {
            WriteDomain::None | WriteDomain::Gpu => (0x02, 0x00),
            WriteDomain::Cpu => (0x01, 0x01),
            WriteDomain::Gtt => (0x40, 0x40),
        };
        let _ = write!(
            text,
            "{key:?}: {}{}{}{} {:8}KiB {read:02x} {write:02x} [ ",
            flag(object.active != 0, '*'),
            flag(pins > 0, 'p'),
            flag(vmas().any(|vma| vma.vm == self.ggtt), 'g'),
            flag(object.has_pages, 'M'),
            object.size / 1024,
        );
        for engine in self.hw.engines() {
            let seqno = object.last_read[engine.index()]
                .and_then(|request| self.requests.get(request).ok())
                .map_or(0, |request| request.seqno);
            let _ = write!(text, "{seqno:x} ");
        }
        let last_write = object
            .last_write
            .and_then(|request| self.requests.get(request).ok())
            .map_or(0, |request| request.seqno);
        let _ = write!(text, "] {last_write:x} LLC");
        if let Some(name) = object.name {
            let _ = write!(text, " (name: {})", name.0);
        }
        let _ = write!(text, " (pinned x {pins})");
        if object.pin_display {
            text.push_str(" (display)");
        }
        for vma in vmas() {
            let Some(start) = vma.node else { continue };
            let kind = if vma.vm == self.ggtt { "ggtt" } else { "ppgtt" };
            let _ = write!(text, " ({kind} offset: {start:08x}, size: {:08x}", vma.size);
            text.push_str(if vma.vm == self.ggtt { ", type: 0)" } else { ")" });
        }
    }
}
