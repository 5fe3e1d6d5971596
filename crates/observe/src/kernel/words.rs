//! What is said of a kernel's address spaces and VMAs.

use super::{KernelDeed, KernelSpace, KernelVma, Moment};
use crate::finding::Finding;

/// `vm ffff8d4c426ee000 of x [104]`, or the GGTT.
pub(crate) fn name(space: &KernelSpace) -> String {
    match space.created {
        Some(_) => format!("vm {:x} of {}", space.vm, space.maker),
        None => "the GGTT".to_owned(),
    }
}

/// When something happened.
pub(crate) fn moment(moment: Moment) -> String {
    format!(
        "{:.6} s of guest time, {} ns of device time",
        moment.guest_us as f64 / 1e6,
        moment.at_ns
    )
}

/// A finding with what is known of the VMA.
pub(crate) fn with_vma(finding: Finding, vma: &KernelVma) -> Finding {
    let object = format!("{:x}, {} bytes at {:#x}", vma.object, vma.bytes, vma.offset);
    let finding = finding.fact("object", object);
    let finding = with_deed(finding, "bound", "the kernel's stack", &vma.bound);
    let deeds = [("unbound", &vma.unbound), ("destroyed", &vma.destroyed)];
    deeds.into_iter().fold(finding, |finding, (what, deed)| match deed {
        Some(deed) => with_deed(finding, what, "the kernel's stack then", deed),
        None => finding,
    })
}

fn with_deed(finding: Finding, what: &str, stack: &str, deed: &KernelDeed) -> Finding {
    let finding = finding.fact(what, format!("by {} at {}", deed.by, moment(deed.at)));
    match deed.stack.is_empty() {
        true => finding,
        false => finding.fact(stack, deed.stack.join(" < ")),
    }
}
