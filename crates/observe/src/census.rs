//! The observer: listens to the device, and walks guest memory at every checkpoint.

use std::collections::BTreeSet;

use gen8_spec::PAGE_SIZE;
use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;
use gpu_model::{Event, Observer};
use ppgtt::{PageTableRoot, PhysicalMemory};

use crate::census_finding::CensusFinding;
use crate::engines::{self, Engines};
use crate::log::CensusLog;
use crate::ownership::Ownership;
use crate::roots::{ImagePdps, image_pdps, unknown_roots, vm_root};
use crate::snapshot::CensusSnapshot;
use crate::survey::{Survey, survey};

/// Findings by events that are kept between two checkpoints.
const FINDINGS_KEPT: usize = 256;

/// The leak census, an [`Observer`] of the device.
///
/// Give it a handle of its own to guest memory, and keep a clone of the log: the device owns the
/// observer. Without hints there are no checkpoints; [`Census::snapshot`] then reports from the
/// loaded roots alone.
#[derive(Debug)]
pub struct Census<M> {
    memory: M,
    log: CensusLog,
    ownership: Ownership,
    engines: Engines,
    /// Found by events since the last checkpoint.
    pending: Vec<CensusFinding>,
}

impl<M: PhysicalMemory> Census<M> {
    /// A census over `memory` that puts its snapshots into `log`.
    pub fn new(memory: M, log: CensusLog) -> Self {
        Census {
            memory,
            log,
            ownership: Ownership::default(),
            engines: Engines::default(),
            pending: Vec::new(),
        }
    }

    /// The state now. Findings by events stay for the next checkpoint.
    pub fn snapshot(&self, label: u32) -> CensusSnapshot {
        let images = image_pdps(&self.memory, &self.ownership);
        let surveys = self.surveys(&images);
        let vmas = self.ownership.vmas.iter().filter(|&&(vm, _)| vm != 0).count();
        let mut findings = self.pending.clone();
        self.check_images(&images, &mut findings);
        self.check_lone_tables(&mut findings);

        let mut pages: BTreeSet<u64> =
            self.ownership.tables.values().flat_map(|tables| tables.keys().copied()).collect();
        pages.extend(surveys.iter().flat_map(|survey| &survey.pages));
        CensusSnapshot {
            run: self.ownership.run,
            label,
            vms: surveys.len(),
            vmas: vmas + surveys.iter().map(|survey| survey.bound_without_vma).sum::<usize>(),
            vmas_bound: surveys.iter().map(|survey| survey.bound).sum(),
            pages: pages.len(),
            contexts: self.ownership.contexts.len(),
            address_spaces: {
                let (spaces, found): (Vec<_>, Vec<_>) =
                    surveys.into_iter().map(|survey| (survey.space, survey.findings)).unzip();
                findings.extend(found.into_iter().flatten());
                spaces
            },
            findings,
        }
    }

    /// Every address space: hinted ones by id, then the loaded roots that no hint names.
    fn surveys(&self, images: &[ImagePdps]) -> Vec<Survey> {
        let hinted = self.ownership.vms.iter().map(|(&id, vm)| {
            let root = vm_root(&self.ownership, images, id, vm);
            survey(&self.memory, &self.ownership, Some(id), vm.levels.number(), root)
        });
        let unknown = unknown_roots(&self.ownership, &self.engines).into_iter().map(|root| {
            let levels = root.levels().number();
            survey(&self.memory, &self.ownership, None, levels, Some(root))
        });
        hinted.chain(unknown).collect()
    }

    /// A context image must not name the tables of another VM than its context's.
    fn check_images(&self, images: &[ImagePdps], findings: &mut Vec<CensusFinding>) {
        for image in images {
            let Some(&vm) = self.ownership.contexts.get(&image.context) else { continue };
            for pdp in PageTableRoot::ThreeLevel(image.pdps).tables() {
                let Some(use_) = self.ownership.pages.get(pdp).filter(|use_| !use_.freed) else {
                    continue;
                };
                if use_.root_of().is_some_and(|owner| owner != vm) {
                    let what = "in the image of a context that uses another VM";
                    let vm = Some(vm);
                    findings.push(CensusFinding::HintDisagreement { vm, page: pdp, what });
                }
            }
        }
    }

    /// Table pages in use whose VM does not exist (VM 0 is the driver itself).
    fn check_lone_tables(&self, findings: &mut Vec<CensusFinding>) {
        for (&vm, tables) in &self.ownership.tables {
            if vm != 0 && !self.ownership.vms.contains_key(&vm) {
                let pages = tables.keys().take(FINDINGS_KEPT);
                findings.extend(pages.map(|&page| CensusFinding::TableOutlivesVm { vm, page }));
            }
        }
    }

    fn hint(&mut self, hint: Hint) {
        match hint {
            Hint::DriverStart => {
                self.engines.clear();
                self.pending.clear();
            }
            Hint::PageOwned { page, .. } if !self.is_ram_page(page) => {
                let what = "named in a hint, but is no page of RAM";
                self.find(CensusFinding::HintDisagreement { vm: None, page, what });
                return;
            }
            Hint::PageFreed { page } => self.check_freed(page),
            Hint::VmReleased { vm } => self.check_released(vm),
            Hint::Checkpoint { label } => {
                let snapshot = self.snapshot(label);
                self.pending.clear();
                self.log.push(snapshot);
            }
            _ => {}
        }
        if let Err(finding) = self.ownership.apply(hint) {
            self.find(finding);
        }
    }

    fn is_ram_page(&self, page: u64) -> bool {
        page.is_multiple_of(PAGE_SIZE) && self.memory.read_u64(page).is_some()
    }

    /// The engines that can still walk the tables of `vm`, and were not reported for it.
    fn walkers(&self, vm: u32) -> Vec<(EngineId, PageTableRoot)> {
        self.engines
            .loaded()
            .filter(|(_, loaded)| loaded.live && !loaded.reported)
            .filter(|(_, loaded)| self.ownership.vm_of_root(&loaded.root) == Some(vm))
            .map(|(engine, loaded)| (engine, loaded.root))
            .collect()
    }

    /// A table page goes: no engine may have it in the tree that it has loaded.
    fn check_freed(&mut self, page: u64) {
        let owner = self.ownership.pages.get(page).and_then(|use_| use_.live_table_of());
        let Some(vm) = owner else { return };
        for (engine, root) in self.walkers(vm) {
            let census = ppgtt::census(&self.memory, &root, |_| {});
            if census.pages().any(|reached| reached == page) {
                self.engines.mark_reported(engine);
                self.find(CensusFinding::PtFreedWhileLoaded { engine, vm, page });
            }
        }
    }

    /// A whole address space goes: no engine may have it loaded.
    fn check_released(&mut self, vm: u32) {
        for (engine, root) in self.walkers(vm) {
            let page = root.tables().next().unwrap_or_default();
            self.engines.mark_reported(engine);
            self.find(CensusFinding::PtFreedWhileLoaded { engine, vm, page });
        }
    }

    fn find(&mut self, finding: CensusFinding) {
        if self.pending.len() < FINDINGS_KEPT && !self.pending.contains(&finding) {
            self.pending.push(finding);
        }
    }
}

impl<M: PhysicalMemory + Send> Observer for Census<M> {
    fn event(&mut self, _now_ns: u64, event: &Event) {
        match *event {
            Event::Hint(hint) => self.hint(hint),
            Event::PdpLoaded { engine, levels, pdps, .. } => {
                if let Some(root) = engines::root(levels, pdps) {
                    self.engines.load(engine, root);
                    self.ownership.note_loaded(&root);
                }
            }
            Event::ContextSwitch { engine, status, .. } => self.engines.switch(engine, status),
            Event::Reset { domains } => self.engines.reset(domains),
            Event::StaleTlb { engine, address, used, current, .. } => {
                self.find(CensusFinding::StaleTlb { engine, va: address, used, current });
            }
            _ => {}
        }
    }
}
