//! `surface-mappings`: which address spaces map the pages that a pipe shows, or showed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use gen8_spec::pte::{ADDRESS_MASK, PRESENT};
use gen8_spec::registers::outputs::PIPE_COUNT;
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};
use observe::PageMappings;
use serde::{Deserialize, Serialize};

use super::entries::each_entry;
use super::{Held, Subject};

/// Sets of pages that are remembered at a time.
const MOST_REMEMBERED: usize = 16;
/// Bytes of a name.
const LONGEST_NAME: usize = 64;
/// Ranges of the GGTT that are told.
const RANGES_TOLD: usize = 64;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The pipe; else the first whose primary plane shows something.
    pipe: Option<usize>,
    /// Keep its pages under this name.
    remember: Option<String>,
    /// The pages that were kept under this name, instead of what shows now.
    remembered: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SurfaceError {
    #[error("'remembered' stands instead of 'pipe' and 'remember'")]
    Both,
    #[error("pipe {0} shows nothing")]
    PipeOff(usize),
    #[error("no pipe shows anything")]
    AllOff,
    #[error("nothing is remembered as '{0}'")]
    Unknown(String),
    #[error("a name has 1 to {LONGEST_NAME} bytes")]
    Name,
    #[error("{MOST_REMEMBERED} surfaces are remembered: take one of their names again")]
    TooMany,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Mappings {
    surface: Surface,
    ggtt: GgttMappings,
    #[serde(flatten)]
    address_spaces: PageMappings,
}

/// A surface, as it was shown.
#[derive(Clone, Debug, Serialize)]
struct Surface {
    pipe: usize,
    /// In the GGTT.
    address: u64,
    bytes: u64,
    /// Distinct pages of memory.
    #[serde(serialize_with = "count")]
    pages: BTreeSet<u64>,
}

fn count<S: serde::Serializer>(pages: &BTreeSet<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(pages.len() as u64)
}

/// Where the GGTT maps the pages.
#[derive(Debug, Default, PartialEq, Serialize)]
struct GgttMappings {
    ptes: u64,
    /// The first of them, by address; neighbours are one.
    ranges: Vec<GgttRange>,
}

/// A range of the GGTT.
#[derive(Debug, PartialEq, Serialize)]
struct GgttRange {
    address: u64,
    bytes: u64,
}

/// Surfaces that clients asked to remember.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<BTreeMap<String, Surface>>);

impl Remembered {
    fn get(&self, name: String) -> Result<Surface, SurfaceError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&name).cloned().ok_or(SurfaceError::Unknown(name))
    }

    fn keep(&self, name: String, surface: &Surface) -> Result<(), SurfaceError> {
        if !(1..=LONGEST_NAME).contains(&name.len()) {
            return Err(SurfaceError::Name);
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_REMEMBERED && !kept.contains_key(&name) {
            return Err(SurfaceError::TooMany);
        }
        kept.insert(name, surface.clone());
        Ok(())
    }
}

/// Looks who maps the surface. The device is locked for copies only; tables are memory.
pub(super) fn mappings(wanted: Wanted, subject: &Subject) -> Result<Mappings, SurfaceError> {
    let surface = match wanted {
        Wanted { remembered: Some(name), pipe: None, remember: None } => {
            subject.remembered.get(name)?
        }
        Wanted { remembered: Some(_), .. } => return Err(SurfaceError::Both),
        Wanted { remembered: None, pipe, remember } => {
            let surface = shown(pipe, &subject.device)?;
            if let Some(name) = remember {
                subject.remembered.keep(name, &surface)?;
            }
            surface
        }
    };
    let memory = subject.memory();
    let address_spaces = subject.watch.spaces.mappings(&memory, &surface.pages);
    Ok(Mappings { ggtt: ggtt_mappings(&subject.device, &surface.pages), surface, address_spaces })
}

/// What shows now.
fn shown(pipe: Option<usize>, device: &Held) -> Result<Surface, SurfaceError> {
    let mut pipes = match pipe {
        Some(pipe) => pipe..pipe.saturating_add(1),
        None => 0..PIPE_COUNT,
    };
    let shown = device.look(|gpu| pipes.find_map(|pipe| Some((pipe, gpu.surface(pipe)?))));
    let (pipe, surface) = shown.ok_or(pipe.map_or(SurfaceError::AllOff, SurfaceError::PipeOff))?;
    let pages = surface.pages.into_iter().collect();
    Ok(Surface { pipe, address: surface.address, bytes: surface.bytes, pages })
}

fn ggtt_mappings(device: &Held, pages: &BTreeSet<u64>) -> GgttMappings {
    let mut found = GgttMappings::default();
    each_entry(device, |index, entry| {
        if entry & PRESENT != 0 && pages.contains(&(entry & ADDRESS_MASK)) {
            found.add(index << PAGE_SHIFT);
        }
    });
    found
}

impl GgttMappings {
    /// One more page, behind those before.
    fn add(&mut self, address: u64) {
        self.ptes += 1;
        let room = self.ranges.len() < RANGES_TOLD;
        match self.ranges.last_mut() {
            Some(last) if last.address + last.bytes == address => last.bytes += PAGE_SIZE,
            _ if room => self.ranges.push(GgttRange { address, bytes: PAGE_SIZE }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_the_ggtt_are_joined_and_no_more_are_told_than_fit() {
        let mut found = GgttMappings::default();
        for address in [0x5000, 0x6000, 0x9000] {
            found.add(address);
        }
        let range = |address, bytes| GgttRange { address, bytes };
        assert_eq!(found.ranges, [range(0x5000, 0x2000), range(0x9000, 0x1000)]);
        (10..1000).for_each(|index| found.add(index * 2 * PAGE_SIZE));
        assert_eq!((found.ptes, found.ranges.len()), (993, RANGES_TOLD));
    }

    #[test]
    fn names_are_few_and_short() {
        let surface = Surface { pipe: 0, address: 0, bytes: 0, pages: BTreeSet::new() };
        let kept = Remembered::default();
        let keep = |name: &str| kept.keep(name.to_owned(), &surface);
        assert!(keep("").is_err() && keep(&"x".repeat(LONGEST_NAME + 1)).is_err());
        for number in 0..MOST_REMEMBERED {
            assert!(keep(&number.to_string()).is_ok());
        }
        assert!(matches!(keep("more"), Err(SurfaceError::TooMany)));
        assert!(keep("0").is_ok(), "a name may be used again");
        assert!(matches!(kept.get("more".into()), Err(SurfaceError::Unknown(_))));
    }
}
