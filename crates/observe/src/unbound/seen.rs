//! What the engines use, from the device's events.

use gen8_spec::PAGE_SIZE;
use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use gpu_model::{Event, GuestRam, Site, Space};
use ppgtt::{Access, PageTableRoot, VA_BITS, walk};

use super::waiting::{Deed, Use, Waiting};
use crate::engines;

/// Addresses at which scratch is looked for.
const PROBES: usize = 4;
/// Address bits of three levels: four page directories of 1 GiB.
const THREE_LEVEL_BITS: u32 = 32;

#[derive(Debug)]
pub(super) struct Seen {
    pub(super) waiting: Waiting,
    /// When an engine loaded page tables first.
    pub(super) first_load_ns: Option<u64>,
    engines: [Engine; ENGINE_COUNT],
    ram: GuestRam,
}

#[derive(Clone, Copy, Debug, Default)]
struct Engine {
    /// The first table of what it loaded last.
    root: u64,
    /// Where that leads at addresses at which hardly anything is ever bound.
    scratch: [Option<u64>; PROBES],
    batch: Option<u64>,
}

impl Seen {
    pub(super) fn new(ram: GuestRam) -> Seen {
        let (waiting, engines) = Default::default();
        Seen { waiting, first_load_ns: None, engines, ram }
    }

    pub(super) fn memory(&mut self, ram: &GuestRam) {
        self.ram = ram.clone();
    }

    pub(super) fn event(&mut self, now_ns: u64, event: &Event) {
        match *event {
            Event::PdpLoaded { engine, levels, pdps, .. } => {
                self.first_load_ns.get_or_insert(now_ns);
                if let Some(root) = engines::root(levels, pdps) {
                    let known = &mut self.engines[engine.index()];
                    known.root = root.tables().next().unwrap_or_default();
                    known.scratch = scratch(&self.ram, &root);
                }
            }
            Event::BatchStarted { site, address, level: 1, .. } => {
                self.engines[site.engine.index()].batch = Some(address);
            }
            Event::Accessed { site, space, address, physical, write, fetch } => {
                let deed = match (write, fetch) {
                    (true, _) => Deed::Wrote,
                    (_, true) => Deed::Fetched,
                    _ => Deed::Read,
                };
                self.used(now_ns, site, deed, (space, address, physical));
            }
            Event::ContextLoaded { engine, context, image, page, .. } => {
                self.image(now_ns, (engine, context), Deed::LoadedContext, (image, page));
            }
            Event::ContextSaved { engine, context, image, page, .. } => {
                self.image(now_ns, (engine, context), Deed::SavedContext, (image, page));
            }
            Event::FunctionReset => *self = Seen::new(self.ram.clone()),
            _ => {}
        }
    }

    fn image(
        &mut self,
        now_ns: u64,
        (engine, context): (EngineId, u32),
        deed: Deed,
        (image, page): (u64, u64),
    ) {
        let site = Site { engine, context, address: image, in_batch: false };
        self.used(now_ns, site, deed, (Space::Ggtt, image, page));
    }

    fn used(&mut self, at_ns: u64, site: Site, deed: Deed, place: (Space, u64, u64)) {
        let engine = &self.engines[site.engine.index()];
        let (space, address, physical) = place;
        let page = physical & !(PAGE_SIZE - 1);
        let (root, is_scratch) = match space {
            Space::Ggtt => (0, false),
            Space::Ppgtt => (engine.root, engine.scratch.contains(&Some(page))),
        };
        let batch = engine.batch.filter(|_| site.in_batch);
        self.waiting.push(Use { at_ns, site, deed, batch, space, root, address, page, is_scratch });
    }
}

/// Where page tables lead at the last page of each quarter of the address space. Where one of these is
/// bound, the others are not.
fn scratch(ram: &GuestRam, root: &PageTableRoot) -> [Option<u64>; PROBES] {
    let bits = match root {
        PageTableRoot::ThreeLevel(_) => THREE_LEVEL_BITS,
        PageTableRoot::FourLevel(_) => VA_BITS,
    };
    core::array::from_fn(|quarter| {
        let end = (quarter as u64 + 1) << (bits - 2);
        Some(walk(ram, root, end - PAGE_SIZE, Access::Read).ok()?.page())
    })
}
