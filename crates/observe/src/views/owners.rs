//! Whose page is whose: an object has the same pages wherever it is bound, and shares none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use gen8_spec::pte::{ADDRESS_MASK, PRESENT};
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};

use super::difference::Kind;
use crate::finding::Finding;
use crate::kernel::words::{name, with_vma};
use crate::kernel::{KernelSnapshot, KernelSpace, KernelVma, Pointer};
use crate::spaces::{MappedPage, SpaceContent};

/// What was seen of objects that user space made. Others may share pages: those of a user's own
/// memory do.
pub(super) struct Owners<'a> {
    kernel: &'a KernelSnapshot,
    at_ns: u64,
    /// The pages of an object where it was met first.
    objects: HashMap<Pointer, (Vec<u64>, &'a KernelSpace)>,
    /// Whose a page is.
    pages: HashMap<u64, Pointer>,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Owners<'a> {
    pub(super) fn new(kernel: &'a KernelSnapshot, at_ns: u64) -> Owners<'a> {
        let (objects, pages) = (HashMap::new(), HashMap::new());
        Owners { kernel, at_ns, objects, pages, findings: Vec::new() }
    }

    /// The VMAs of an address space, by its page tables.
    pub(super) fn space(&mut self, kernel: &'a KernelSpace, device: &SpaceContent) {
        for vma in kernel.vmas.values() {
            let first = device.pages.partition_point(|page| page.va < vma.offset);
            let mapped = device.pages[first..].iter().take_while(|page| page.va < end(vma));
            let pages: Vec<u64> = mapped.map(|&MappedPage { page, .. }| page).collect();
            self.vma(kernel, vma, pages);
        }
    }

    /// The VMAs of the GGTT, by its entries.
    pub(super) fn ggtt(&mut self, kernel: &'a KernelSpace, entries: &[u64]) {
        for vma in kernel.vmas.values() {
            let index = |address: u64| usize::try_from(address >> PAGE_SHIFT).unwrap_or(usize::MAX);
            let Some(mapped) = entries.get(index(vma.offset)..index(end(vma))) else { continue };
            let present = mapped.iter().filter(|&&entry| entry & PRESENT != 0);
            self.vma(kernel, vma, present.map(|entry| entry & ADDRESS_MASK).collect());
        }
    }

    /// Takes what a VMA's PTEs name. A view of a part of an object, and what is not wholly mapped,
    /// which is told elsewhere, are left out.
    fn vma(&mut self, space: &'a KernelSpace, vma: &'a KernelVma, pages: Vec<u64>) {
        let Some(object) = self.kernel.objects.get(&vma.object) else { return };
        let whole = vma.bytes.div_ceil(PAGE_SIZE);
        if object.bytes != vma.bytes || pages.len() as u64 != whole {
            return;
        }
        match self.objects.entry(vma.object) {
            Entry::Occupied(known) => {
                let (first, at) = known.get();
                if *first != pages {
                    let what = format!(
                        "object {:x} has other pages in {} than in {}",
                        vma.object,
                        name(space),
                        name(at)
                    );
                    self.findings.push(with_vma(Kind::OtherPages.finding(self.at_ns, what), vma));
                }
            }
            Entry::Vacant(new) => {
                let taken = pages.iter().find_map(|&page| {
                    let owner = *self.pages.entry(page).or_insert(vma.object);
                    (owner != vma.object).then_some((page, owner))
                });
                if let Some((page, owner)) = taken {
                    let what = format!(
                        "page {page:#x} is mapped as object {:x} in {}, and as object {owner:x} elsewhere",
                        vma.object,
                        name(space)
                    );
                    self.findings.push(with_vma(Kind::SharedPage.finding(self.at_ns, what), vma));
                }
                new.insert((pages, space));
            }
        }
    }
}

fn end(vma: &KernelVma) -> u64 {
    vma.offset + vma.bytes
}
