//! What two partners differ in.

use gen8_spec::PAGE_SIZE;
use gen8_spec::pte::PRESENT;
use ppgtt::VaRange;

use super::difference::{Kind, device_name, range};
use super::ranges;
use crate::finding::Finding;
use crate::kernel::words::{moment, name, with_vma};
use crate::kernel::{KernelSpace, KernelVma};
use crate::spaces::SpaceContent;

/// An address space of the kernel's against the tables that are it.
pub(super) fn pair(kernel: &KernelSpace, device: &SpaceContent, at_ns: u64) -> Vec<Finding> {
    if device.problems > 0 {
        let what = format!(
            "{} lives, but its tables, {}, lead nowhere or in circles",
            name(kernel),
            device_name(device)
        );
        return vec![Kind::BrokenTables.finding(at_ns, what)];
    }
    let (bound, mapped) = (ranges::of_kernel(kernel), ranges::of_device(&device.pages));
    let absent = ranges::minus(&bound, &mapped);
    let present = ranges::minus(&mapped, &bound);
    let absent = absent.into_iter().map(|range| unmapped(kernel, range, at_ns));
    let tables = |finding: Finding| finding.fact("tables", device_name(device));
    let present = present.into_iter().map(|range| still_mapped(kernel, range, at_ns));
    absent.chain(present).map(tables).collect()
}

/// The GGTT's VMAs against its entries. i915 does not clear the entries of what it unbinds there
/// (`nop_clear_range` in `intel_ggtt.c`), so only what is bound is compared.
pub(super) fn ggtt(kernel: &KernelSpace, entries: &[u64], at_ns: u64) -> Vec<Finding> {
    let lacking = kernel.vmas.values().filter_map(|vma| {
        let index = |address: u64| usize::try_from(address / PAGE_SIZE).unwrap_or(usize::MAX);
        let (first, end) = (index(vma.offset), index(vma.offset + vma.bytes));
        // A guest may tell of addresses that no GGTT has.
        let there = entries.get(first..end.min(entries.len())).unwrap_or_default();
        let is_mapped = |entry: &u64| entry & PRESENT != 0;
        let mapped = there.iter().filter(|entry| is_mapped(entry)).count();
        if mapped == end - first {
            return None;
        }
        let hole = there.iter().position(|entry| !is_mapped(entry)).unwrap_or(there.len());
        let va = vma.offset + hole as u64 * PAGE_SIZE;
        let len = (end - first - mapped) as u64 * PAGE_SIZE;
        Some(unmapped(kernel, VaRange { va, len }, at_ns))
    });
    lacking.collect()
}

/// The tables of an address space that the kernel released, or never told of.
pub(super) fn orphan(device: &SpaceContent, owner: Option<&KernelSpace>, at_ns: u64) -> Finding {
    let told = match owner.and_then(|owner| owner.released.map(|at| (owner, at))) {
        Some((owner, _)) => format!("the kernel has released {}", name(owner)),
        None => "no address space of the kernel's lives there".to_owned(),
    };
    let (kind, rest) = match device.loaded_on.first() {
        Some(engine) => {
            let at_work = if device.live_on.contains(engine) { ", and is at work" } else { "" };
            (Kind::ReleasedButLoaded, format!("engine {engine} still has it loaded{at_work}"))
        }
        None => {
            let count = device.pages.len();
            (Kind::ReleasedButMapped, format!("its tables still map {count} pages"))
        }
    };
    let finding = kind.finding(at_ns, format!("{}: {told}, but {rest}", device_name(device)));
    let finding = finding.fact("last loaded", format!("{} ns of device time", device.last_ns));
    match owner.and_then(|owner| owner.released) {
        Some(at) => finding.fact("released", moment(at)),
        None => finding,
    }
}

/// An address space in which something is bound and that no engine loaded.
pub(super) fn never_loaded(kernel: &KernelSpace, at_ns: u64) -> Finding {
    let what = format!(
        "{} VMAs are bound in {}, but no tables that an engine loaded are it",
        kernel.vmas.len(),
        name(kernel)
    );
    let finding = Kind::BoundButNeverLoaded.finding(at_ns, what);
    match kernel.vmas.values().next() {
        Some(vma) => with_vma(finding, vma),
        None => finding,
    }
}

fn unmapped(kernel: &KernelSpace, absent: VaRange, at_ns: u64) -> Finding {
    let what = format!("{}: {} is bound, but there is no PTE", name(kernel), range(absent));
    let finding = Kind::BoundButUnmapped.finding(at_ns, what);
    match over(kernel.vmas.values(), absent) {
        Some(vma) => with_vma(finding, vma),
        None => finding,
    }
}

fn still_mapped(kernel: &KernelSpace, present: VaRange, at_ns: u64) -> Finding {
    // The latest of several that were there one after the other.
    let vma = over(kernel.unbound.iter().rev(), present);
    let (kind, told) = match vma {
        Some(vma) if vma.destroyed.is_some() => {
            (Kind::FreedWhileMapped, "is unbound and its object is destroyed")
        }
        Some(_) => (Kind::UnboundButMapped, "is unbound"),
        None => (Kind::UnboundButMapped, "has no VMA"),
    };
    let what = format!("{}: {} {told}, but the PTE is still there", name(kernel), range(present));
    let finding = kind.finding(at_ns, what);
    match vma {
        Some(vma) => with_vma(finding, vma),
        None => finding,
    }
}

/// The first of `vmas` that lies over `range`.
fn over<'a>(
    mut vmas: impl Iterator<Item = &'a KernelVma>,
    range: VaRange,
) -> Option<&'a KernelVma> {
    vmas.find(|vma| vma.offset < range.va + range.len && range.va < vma.offset + vma.bytes)
}
