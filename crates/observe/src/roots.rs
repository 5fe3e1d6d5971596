//! Where the walks begin: the root of each address space, put together from hints, from what
//! engines loaded and from context images.

use gen8_spec::context_image::{
    LRI_HEADER_0, LRI_HEADER_1, RCS_LRI_0, RCS_LRI_1, XCS_LRI_0, XCS_LRI_1, pdp_ldw, pdp_udw,
};
use gen8_spec::debug_page::PageKind;
use gen8_spec::pte::ADDRESS_MASK;
use ppgtt::{Levels, PageTableRoot, PhysicalMemory};

use crate::engines::Engines;
use crate::ownership::{Ownership, Vm};

/// PDP values in the image of a living context.
pub(crate) struct ImagePdps {
    pub(crate) context: u32,
    pub(crate) pdps: [u64; 4],
}

/// The PDPs in all context images that hints name. The register-state page of an image is known by
/// its two LRI headers; pages without them (PPHWSP, engine state, images never written) are
/// passed over.
pub(crate) fn image_pdps<M: PhysicalMemory>(memory: &M, ownership: &Ownership) -> Vec<ImagePdps> {
    let mut found = Vec::new();
    for (&context, pages) in &ownership.images {
        let pdps = pages.iter().filter_map(|&page| read_image(memory, page));
        found.extend(pdps.map(|pdps| ImagePdps { context, pdps }));
    }
    found
}

fn read_image<M: PhysicalMemory>(memory: &M, page: u64) -> Option<[u64; 4]> {
    let header = |index| memory.read_u32(page + 4 * index as u64);
    let headers = (header(LRI_HEADER_0)?, header(LRI_HEADER_1)?);
    if headers != (RCS_LRI_0, RCS_LRI_1) && headers != (XCS_LRI_0, XCS_LRI_1) {
        return None;
    }
    let value = |index: usize| memory.read_u32(page + 4 * (index as u64 + 1)).map(u64::from);
    let mut pdps = [0; 4];
    for (n, pdp) in pdps.iter_mut().enumerate() {
        *pdp = value(pdp_udw(n))? << 32 | value(pdp_ldw(n))?;
    }
    Some(pdps)
}

/// The root of a hinted address space; `None` while it has no table to begin with.
pub(crate) fn vm_root(
    ownership: &Ownership,
    images: &[ImagePdps],
    id: u32,
    vm: &Vm,
) -> Option<PageTableRoot> {
    match vm.levels {
        Levels::Four => {
            let hinted = || tables_of_kind(ownership, id, PageKind::Pml4).next();
            let pml4 = Some(vm.root).filter(|&root| root != 0).or_else(hinted)?;
            Some(PageTableRoot::FourLevel(pml4))
        }
        Levels::Three => {
            let root = PageTableRoot::ThreeLevel(directory_slots(ownership, images, id, vm));
            root.tables().next().is_some().then_some(root)
        }
    }
}

/// The four page directories. Which 1 GiB a directory serves is known only from what was loaded
/// and from context images; others take the free slots in order of address, so that their tables
/// and mappings are found even if the top two bits of the addresses are a guess.
fn directory_slots(ownership: &Ownership, images: &[ImagePdps], id: u32, vm: &Vm) -> [u64; 4] {
    let mut slots = [0; 4];
    let of_contexts = images
        .iter()
        .filter(|image| ownership.contexts.get(&image.context) == Some(&id))
        .map(|image| image.pdps);
    for pdps in vm.loaded.into_iter().chain(of_contexts) {
        for (slot, pdp) in slots.iter_mut().zip(pdps) {
            // The image may be newer than what was loaded: a directory beats scratch.
            let pdp = pdp & ADDRESS_MASK;
            match ownership.pages.get(pdp) {
                Some(use_) if use_.live_table_of() == Some(id) && use_.kind == PageKind::Pd => {
                    *slot = pdp;
                }
                Some(use_) if use_.live_table_of().is_some() && *slot == 0 => *slot = pdp,
                _ => {}
            }
        }
    }
    for directory in tables_of_kind(ownership, id, PageKind::Pd) {
        if !slots.contains(&directory)
            && let Some(slot) = slots.iter_mut().find(|slot| is_free(ownership, **slot))
        {
            *slot = directory;
        }
    }
    slots
}

fn is_free(ownership: &Ownership, slot: u64) -> bool {
    slot == 0 || ownership.pages.get(slot).is_none_or(|use_| use_.kind != PageKind::Pd)
}

fn tables_of_kind(
    ownership: &Ownership,
    vm: u32,
    kind: PageKind,
) -> impl Iterator<Item = u64> + '_ {
    let tables = ownership.tables.get(&vm).into_iter().flatten();
    tables.filter(move |&(_, &other)| other == kind).map(|(&page, _)| page)
}

/// Loaded roots that belong to nobody whom a hint names, each address space once.
pub(crate) fn unknown_roots(ownership: &Ownership, engines: &Engines) -> Vec<PageTableRoot> {
    let mut unknown: Vec<PageTableRoot> = Vec::new();
    for (_, loaded) in engines.loaded() {
        let root = loaded.root;
        let Some(first) = root.tables().next() else { continue };
        let named = root.tables().any(|page| ownership.pages.get(page).is_some());
        let met = unknown.iter().any(|other| other.tables().next() == Some(first));
        if !named && !met {
            unknown.push(root);
        }
    }
    unknown
}
