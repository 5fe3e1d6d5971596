//! `who-wrote`: the known writes of a register, of a page-table entry, of a dword of memory.

use gen8_spec::PAGE_SHIFT;
use observe::provenance::{Place as Written, Write};
use serde::{Deserialize, Serialize};

use super::super::subject::NotWatched;
use super::place::{Place, PlaceError};
use super::registers::{self, RegisterError};
use super::{Subject, copy, walk};

/// Bytes of an entry of page tables.
const ENTRY_BYTES: u8 = 8;
/// Bytes of a dword.
const DWORD_BYTES: u8 = 4;

/// What was written: exactly one of `register`, `pte`, `ggtt_pte`, `memory` and `ggtt_memory`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wanted {
    /// A register, by name or by offset in BAR0; of an array or of all engines, each.
    pub(crate) register: Option<String>,
    /// The entry in which the walk of this address ends, in the tables that one of the next three names.
    pub(crate) pte: Option<u64>,
    pub(crate) space: Option<u64>,
    pub(crate) engine: Option<String>,
    pub(crate) root: Option<Vec<u64>>,
    /// The entry of the GGTT that maps this address.
    pub(crate) ggtt_pte: Option<u64>,
    /// The dword at this physical address.
    pub(crate) memory: Option<u64>,
    /// The dword behind this GGTT address, as of a context image.
    pub(crate) ggtt_memory: Option<u64>,
}

/// The answer.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct WhoWrote {
    pub(crate) places: Vec<History>,
}

/// The writes of one place.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct History {
    /// The place in words.
    pub(crate) place: String,
    /// Those that are known, oldest first.
    pub(crate) writes: Vec<Write>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WhoWroteError {
    #[error("expected exactly one of register, pte, ggtt_pte, memory and ggtt_memory")]
    What,
    #[error("space, engine and root say where a pte is looked up, and nothing else")]
    NoPte,
    #[error("the walk of {0:#x} reads no entry at all")]
    NoEntry(u64),
    #[error("the GGTT does not map {0:#x}")]
    NotMapped(u64),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(transparent)]
    NotWatched(#[from] NotWatched),
}

/// Finds them.
pub(in crate::control) fn who_wrote(
    wanted: &Wanted,
    subject: &Subject,
) -> Result<WhoWrote, WhoWroteError> {
    let provenance = &subject.watch.close()?.provenance;
    let history = |(place, written)| History { place, writes: provenance.who_wrote(written) };
    let places = places(wanted, subject)?;
    Ok(WhoWrote { places: places.into_iter().map(history).collect() })
}

/// What is meant, in words and for the observer.
fn places(wanted: &Wanted, subject: &Subject) -> Result<Vec<(String, Written)>, WhoWroteError> {
    let Wanted { register, pte, space, engine, root, ggtt_pte, memory, ggtt_memory } = wanted;
    let place = Place { space: *space, engine: engine.clone(), root: root.clone() };
    if pte.is_none() && !place.is_empty() {
        return Err(WhoWroteError::NoPte);
    }
    match (register, pte, ggtt_pte, memory, ggtt_memory) {
        (Some(name), None, None, None, None) => registers_called(name, subject),
        (None, Some(address), None, None, None) => Ok(vec![entry(*address, &place, subject)?]),
        (None, None, Some(address), None, None) => {
            let index = address >> PAGE_SHIFT;
            Ok(vec![(format!("GGTT entry {index:#x}"), Written::Ggtt(index))])
        }
        (None, None, None, Some(address), None) => Ok(vec![dword(*address)]),
        (None, None, None, None, Some(address)) => {
            let physical = subject.device.look(|gpu| gpu.ggtt().translate(*address));
            let physical = physical.map_err(|_| WhoWroteError::NotMapped(*address))?;
            Ok(vec![dword(physical)])
        }
        _ => Err(WhoWroteError::What),
    }
}

fn registers_called(
    name: &str,
    subject: &Subject,
) -> Result<Vec<(String, Written)>, WhoWroteError> {
    let named = registers::Wanted { names: vec![name.to_owned()] };
    let registers = registers::of(&named, &mut copy(subject))?.registers;
    let place = |register: registers::Register| {
        let registers::Register { block, name, offset, .. } = register;
        (format!("{block}.{name} ({offset:#x})"), Written::Register(offset))
    };
    Ok(registers.into_iter().map(place).collect())
}

/// The entry in which a walk ends, whether it leads on from there or not.
fn entry(
    address: u64,
    place: &Place,
    subject: &Subject,
) -> Result<(String, Written), WhoWroteError> {
    let root = place.root(subject)?;
    let walk = walk::through_ppgtt(address, &root, &subject.memory());
    let step = walk.steps.last().ok_or(WhoWroteError::NoEntry(address))?;
    let at = step.entry_address;
    let text = format!("{} entry {} at {at:#x}, for {address:#x}", step.table, step.index);
    Ok((text, Written::Memory(at, ENTRY_BYTES)))
}

fn dword(address: u64) -> (String, Written) {
    let address = address & !u64::from(DWORD_BYTES - 1);
    (format!("memory at {address:#x}"), Written::Memory(address, DWORD_BYTES))
}
