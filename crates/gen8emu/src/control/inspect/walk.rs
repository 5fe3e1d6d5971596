//! `walk`: one address through the page tables, entry by entry. The walk is the device's own, with the
//! entries that it read.

use gen8_spec::PAGE_SHIFT;
use gen8_spec::pci::BAR0_GGTT_OFFSET;
use gpu_model::Gpu;
use ppgtt::{Level, Levels, PageTableRoot, PhysicalMemory, Trace};
use serde::{Deserialize, Serialize};

use super::Subject;
use super::place::{Place, PlaceError};

/// Bytes of an entry.
const ENTRY_SIZE: u64 = 8;
/// The tables of four levels, from the root on.
const LEVELS: [Level; 4] = [Level::Pml4, Level::Pdp, Level::Pd, Level::Pt];
/// The first table of three levels: a PDP register names a PD.
const FIRST_OF_THREE: usize = 2;

/// Which address, and where: exactly one of the others.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wanted {
    pub(crate) address: u64,
    /// An address space, by its number in `address-spaces`.
    pub(crate) space: Option<u64>,
    /// What an engine has loaded.
    pub(crate) engine: Option<String>,
    /// A PML4, or the four page directories of three levels.
    pub(crate) root: Option<Vec<u64>>,
    /// The GGTT.
    pub(crate) ggtt: bool,
}

/// The answer.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Walk {
    pub(crate) address: u64,
    /// The entries that were read, from the root on.
    pub(crate) steps: Vec<Step>,
    /// Where it ends, unless there is a fault.
    pub(crate) page: Option<Page>,
    /// Why there is no translation.
    pub(crate) fault: Option<String>,
}

/// One entry.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Step {
    /// `PML4`, `PDP`, `PD`, `PT`, or `GGTT`.
    pub(crate) table: String,
    /// Its index in the table.
    pub(crate) index: u64,
    /// Physical; of the GGTT, in BAR0.
    pub(crate) entry_address: u64,
    /// `None` outside of RAM.
    pub(crate) entry: Option<u64>,
}

/// The end of a walk.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Page {
    /// Where the byte is.
    pub(crate) physical: u64,
    /// Bytes that the leaf entry maps.
    pub(crate) bytes: u64,
    pub(crate) writable: bool,
    /// Index in the PAT; the GGTT has none.
    pub(crate) pat_index: Option<u32>,
    /// Whether the device finds memory there.
    pub(crate) in_ram: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError {
    #[error("expected exactly one of space, engine, root and ggtt")]
    Where,
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// Walks.
pub(in crate::control) fn walk(wanted: &Wanted, subject: &Subject) -> Result<Walk, WalkError> {
    let Wanted { address, space, engine, root, ggtt } = wanted;
    let place = Place { space: *space, engine: engine.clone(), root: root.clone() };
    match (ggtt, place.is_empty()) {
        (true, true) => Ok(subject.device.look(|gpu| through_ggtt(*address, gpu))),
        (false, false) => {
            let root = place.root(subject).map_err(|error| match error {
                PlaceError::Where => WalkError::Where,
                other => WalkError::Place(other),
            })?;
            Ok(through_ppgtt(*address, &root, &subject.memory()))
        }
        _ => Err(WalkError::Where),
    }
}

pub(super) fn through_ppgtt<M: PhysicalMemory>(
    address: u64,
    root: &PageTableRoot,
    memory: &M,
) -> Walk {
    let Trace { entries, result } = ppgtt::trace(memory, root, address);
    let first = match root.levels() {
        Levels::Three => FIRST_OF_THREE,
        Levels::Four => 0,
    };
    let steps = LEVELS.iter().skip(first).zip(entries);
    let steps = steps.map(|(level, (entry_address, entry))| {
        let index = level.index(address) as u64;
        Step { table: level.name().to_owned(), index, entry_address, entry }
    });
    let page = result.map(|translation| Page {
        physical: translation.physical,
        bytes: 1 << translation.page_shift,
        writable: translation.writable,
        pat_index: Some(translation.pat_index),
        in_ram: is_ram(memory, translation.physical),
    });
    let fault = page.as_ref().err().map(ToString::to_string);
    Walk { address, steps: steps.collect(), page: page.ok(), fault }
}

fn through_ggtt(address: u64, gpu: &Gpu) -> Walk {
    let index = address >> PAGE_SHIFT;
    let entry = usize::try_from(index).ok().and_then(|at| gpu.ggtt().entries().get(at)).copied();
    let step = entry.map(|entry| Step {
        table: "GGTT".to_owned(),
        index,
        entry_address: BAR0_GGTT_OFFSET + ENTRY_SIZE * index,
        entry: Some(entry),
    });
    let page = gpu.ggtt().translate(address).map(|physical| Page {
        physical,
        bytes: 1 << PAGE_SHIFT,
        writable: true,
        pat_index: None,
        in_ram: is_ram(gpu.memory(), physical),
    });
    let fault = page.as_ref().err().map(ToString::to_string);
    Walk { address, steps: step.into_iter().collect(), page: page.ok(), fault }
}

fn is_ram<M: PhysicalMemory>(memory: &M, physical: u64) -> bool {
    memory.read_u32(physical & !3).is_some()
}
