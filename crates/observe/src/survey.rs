//! Walks one address space and lays what it finds beside the hints.

use std::collections::{BTreeMap, BTreeSet};

use gen8_spec::debug_page::PageKind;
use ppgtt::{Leaf, PageTableRoot, PhysicalMemory, TableCensus, TableCounts};

use crate::census_finding::{CensusFinding, StaleReason};
use crate::ownership::Ownership;
use crate::snapshot::{AddressSpaceCensus, MappedRange, ObjectCensus};

/// Findings kept of each kind and address space; one defect can show in every PTE.
const FINDINGS_KEPT: usize = 16;

/// Neighbouring PTEs that map the same object.
struct Run {
    va: u64,
    len: u64,
    page: u64,
    object: Option<u32>,
    stale: Option<StaleReason>,
}

/// What is known of one address space.
pub(crate) struct Survey {
    pub(crate) space: AddressSpaceCensus,
    pub(crate) findings: Vec<CensusFinding>,
    /// Its page-table pages, walked or hinted.
    pub(crate) pages: BTreeSet<u64>,
    /// Mappings with an owner (one per object) and without (one per range).
    pub(crate) bound: usize,
    /// Of these, the ones for which no hint says that a VMA exists.
    pub(crate) bound_without_vma: usize,
}

/// Surveys the address space `vm` (`None`: no hint names it) from `root`, if it has one.
pub(crate) fn survey<M: PhysicalMemory>(
    memory: &M,
    ownership: &Ownership,
    vm: Option<u32>,
    levels: u32,
    root: Option<PageTableRoot>,
) -> Survey {
    let mut runs = Vec::new();
    let census = root.map(|root| {
        let mut cursor = ownership.pages.cursor();
        ppgtt::census(memory, &root, |leaf| {
            if let Some(run) = classify(ownership, vm, leaf, cursor.get(leaf.page)) {
                append(&mut runs, run);
            }
        })
    });
    let mut findings = Vec::new();
    let (counts, pages) = count_pages(ownership, vm, census.as_ref());
    if let Some(census) = &census {
        report_problems(vm, census, &mut findings);
        if let Some(vm) = vm {
            compare_tables(ownership, vm, census, &mut findings);
        }
    }
    report_stale(vm, &runs, &mut findings);

    let contexts = contexts_of(ownership, vm);
    let orphan = vm.is_some_and(|vm| vm != 0) && contexts.is_empty();
    let objects = objects_of(ownership, vm, &runs);
    if let Some(vm) = vm.filter(|_| orphan) {
        findings.push(CensusFinding::OrphanVm { vm, pages: pages.len() });
        for object in &objects {
            let first = object.ranges.first();
            let orphan = first.map(|range| (object.object, range.va));
            findings.extend(orphan.map(|(object, va)| CensusFinding::OrphanMapping {
                vm,
                object,
                va,
            }));
        }
    }
    // The driver's own address space has bindings like the GGTT's: none of a context's.
    let bindings_that = |counts: &dyn Fn(&ObjectCensus) -> bool| -> usize {
        let objects = objects.iter().filter(|object| vm != Some(0) && counts(object));
        objects.map(bindings).sum()
    };
    Survey {
        bound: bindings_that(&|_| true),
        bound_without_vma: bindings_that(&|object| !object.vma),
        space: AddressSpaceCensus {
            vm,
            levels,
            root: root.map_or_else(Vec::new, |root| match root {
                PageTableRoot::FourLevel(pml4) => vec![pml4],
                PageTableRoot::ThreeLevel(pdps) => pdps.to_vec(),
            }),
            contexts,
            orphan,
            tables: counts.into(),
            pages: pages.len(),
            objects,
        },
        findings,
        pages,
    }
}

/// VMAs that a mapped object stands for: one, but each range for pages without a known owner.
fn bindings(object: &ObjectCensus) -> usize {
    match object.object {
        Some(_) => object.ranges.len().min(1),
        None => object.ranges.len(),
    }
}

/// What a mapped page is; `None` for a scratch page that the walk did not recognise.
fn classify(
    ownership: &Ownership,
    vm: Option<u32>,
    leaf: Leaf,
    use_: Option<crate::pages::PageUse>,
) -> Option<Run> {
    let (object, stale) = match use_ {
        Some(use_) if use_.kind == PageKind::Object => {
            let stale = if use_.freed {
                Some(StaleReason::PageFreed)
            } else {
                let has_vma = |vm| vm == 0 || ownership.vmas.contains(&(vm, use_.owner));
                vm.filter(|&vm| !has_vma(vm)).map(|_| StaleReason::NoVma)
            };
            (Some(use_.owner), stale)
        }
        Some(use_) if use_.kind == PageKind::ScratchPage && !use_.freed => return None,
        Some(use_) if use_.freed => (None, Some(StaleReason::PageFreed)),
        Some(_) => (None, Some(StaleReason::NoObject)),
        None => (None, vm.map(|_| StaleReason::NoObject)),
    };
    Some(Run { va: leaf.va, len: 1 << leaf.page_shift, page: leaf.page, object, stale })
}

fn append(runs: &mut Vec<Run>, next: Run) {
    match runs.last_mut() {
        Some(last)
            if last.va + last.len == next.va
                && last.object == next.object
                && last.stale == next.stale =>
        {
            last.len += next.len;
        }
        _ => runs.push(next),
    }
}

/// Page-table pages by kind and as a set: those walked, and those that only hints know.
pub(crate) fn count_pages(
    ownership: &Ownership,
    vm: Option<u32>,
    census: Option<&TableCensus>,
) -> (TableCounts, BTreeSet<u64>) {
    let mut counts = census.map_or_else(TableCounts::default, TableCensus::counts);
    let mut pages: BTreeSet<u64> = census.into_iter().flat_map(TableCensus::pages).collect();
    for (&page, &kind) in hinted_tables(ownership, vm) {
        if pages.insert(page) {
            counts.add(kind);
        }
    }
    (counts, pages)
}

fn hinted_tables(
    ownership: &Ownership,
    vm: Option<u32>,
) -> impl Iterator<Item = (&u64, &PageKind)> {
    vm.and_then(|vm| ownership.tables.get(&vm)).into_iter().flatten()
}

fn report_problems(vm: Option<u32>, census: &TableCensus, findings: &mut Vec<CensusFinding>) {
    let problems = census.problems.iter().take(FINDINGS_KEPT);
    findings.extend(
        problems.map(|problem| CensusFinding::BadTables { vm, problem: problem.to_string() }),
    );
}

/// The two opinions on which pages are tables of this address space.
fn compare_tables(
    ownership: &Ownership,
    vm: u32,
    census: &TableCensus,
    findings: &mut Vec<CensusFinding>,
) {
    let mut disagree = |page, what| {
        findings.push(CensusFinding::HintDisagreement { vm: Some(vm), page, what });
    };
    let walked: BTreeSet<u64> = census.pages().collect();
    for &page in &walked {
        // VM 0 owns scratch that address spaces share.
        match ownership.pages.get(page).map(|use_| (use_.live_table_of(), use_.freed)) {
            Some((Some(owner), _)) if owner == vm || owner == 0 => {}
            Some((Some(_), _)) => disagree(page, "its tables reach a table of another VM"),
            Some((None, true)) => disagree(page, "its tables reach a page that is free"),
            Some((None, false)) => disagree(page, "its tables reach a page that is no table"),
            None => disagree(page, "its tables reach a page that no hint names"),
        }
    }
    // Scratch need not be reached: a full directory has no unused entry.
    let real = |kind| matches!(kind, PageKind::Pt | PageKind::Pd | PageKind::Pdp | PageKind::Pml4);
    for (&page, _) in hinted_tables(ownership, Some(vm)).filter(|&(_, &kind)| real(kind)) {
        if !walked.contains(&page) {
            disagree(page, "hinted as its table, but its tables do not reach it");
        }
    }
}

fn report_stale(vm: Option<u32>, runs: &[Run], findings: &mut Vec<CensusFinding>) {
    let stale = runs.iter().filter_map(|run| run.stale.map(|reason| (run, reason)));
    findings.extend(stale.take(FINDINGS_KEPT).map(|(run, reason)| CensusFinding::StalePte {
        vm,
        va: run.va,
        page: run.page,
        object: run.object,
        reason,
    }));
}

fn contexts_of(ownership: &Ownership, vm: Option<u32>) -> Vec<u32> {
    let contexts = ownership.contexts.iter();
    contexts.filter(|&(_, &of)| Some(of) == vm).map(|(&context, _)| context).collect()
}

fn objects_of(ownership: &Ownership, vm: Option<u32>, runs: &[Run]) -> Vec<ObjectCensus> {
    let mut objects: BTreeMap<Option<u32>, ObjectCensus> = BTreeMap::new();
    if let Some(vm) = vm {
        for &(_, object) in ownership.vmas.range((vm, 0)..=(vm, u32::MAX)) {
            let object = Some(object);
            objects.insert(object, ObjectCensus { object, vma: true, ranges: Vec::new() });
        }
    }
    for &Run { va, len, object, .. } in runs {
        let census = objects.entry(object);
        let census =
            census.or_insert_with(|| ObjectCensus { object, vma: false, ranges: Vec::new() });
        census.ranges.push(MappedRange { va, len });
    }
    objects.into_values().collect()
}
