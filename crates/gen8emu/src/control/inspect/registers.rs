//! `registers`: what registers hold, by name.

use gen8_spec::engine::EngineId;
use gen8_spec::registers::names;
use gpu_model::Gpu;
use serde::{Deserialize, Serialize};
use strsim::damerau_levenshtein;

use super::{Subject, copy};

/// Names in one question.
const MOST_NAMES: usize = 64;
/// Letters of a name that are compared with others.
const LETTERS: usize = 40;
/// Names that are offered in place of an unknown one.
const NEAREST: usize = 3;

/// Which registers.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// `HEAD`, `rcs0.HEAD`, `rcs0`, `FENCE_LO[3]` or an offset in BAR0; none: all that are not 0.
    pub(crate) names: Vec<String>,
}

/// The answer.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Registers {
    /// By offset.
    pub(crate) registers: Vec<Register>,
}

/// One register.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Register {
    /// The engine or the part of the device.
    pub(crate) block: String,
    pub(crate) name: String,
    /// In BAR0.
    pub(crate) offset: u32,
    /// What software would read; `None` if this device does not have it.
    pub(crate) value: Option<u32>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    #[error(
        "there is no register '{name}': expected a name such as {nearest}, a block or an offset in BAR0"
    )]
    Unknown { name: String, nearest: String },
    #[error("{0} names are too many: expected at most {MOST_NAMES}")]
    TooMany(usize),
}

/// A register as it can be asked for.
struct Known {
    block: &'static str,
    /// Without the index.
    array: &'static str,
    name: String,
    offset: u32,
}

/// Reads them.
pub(in crate::control) fn registers(
    wanted: &Wanted,
    subject: &Subject,
) -> Result<Registers, RegisterError> {
    of(wanted, &mut copy(subject))
}

/// Reads those of a copy of the device.
pub(super) fn of(wanted: &Wanted, device: &mut Gpu) -> Result<Registers, RegisterError> {
    if wanted.names.len() > MOST_NAMES {
        return Err(RegisterError::TooMany(wanted.names.len()));
    }
    let engines: Vec<EngineId> = device.engines().iter().map(gpu_model::Engine::id).collect();
    let known = known(&engines);
    let unknown = |name: &&String| !known.iter().any(|register| register.is_called(name));
    if let Some(name) = wanted.names.iter().find(unknown) {
        let nearest = nearest(name, &known);
        return Err(RegisterError::Unknown { name: name.clone(), nearest });
    }
    let all = wanted.names.is_empty();
    let is_wanted = |known: &Known| all || wanted.names.iter().any(|name| known.is_called(name));
    let chosen = known.into_iter().filter(is_wanted);
    let mut registers: Vec<Register> = chosen
        .map(|Known { block, name, offset, .. }| Register {
            block: block.to_owned(),
            name,
            offset,
            value: device.register(offset),
        })
        .collect();
    if all {
        registers.retain(|register| register.value.unwrap_or(0) != 0);
    }
    Ok(Registers { registers })
}

/// Every register with a name, by offset: reading one may have an effect on another, the same each time.
fn known(engines: &[EngineId]) -> Vec<Known> {
    let own = engines.iter().flat_map(|&engine| {
        names::engine().map(move |name| (engine.name(), engine.mmio_base(), name))
    });
    let shared = names::device().map(|(block, name)| (block, 0, name));
    let mut known: Vec<Known> = own
        .chain(shared)
        .flat_map(|(block, base, array)| {
            array.offsets().map(move |(index, offset)| {
                let index = if array.count > 1 { format!("[{index}]") } else { String::new() };
                let name = format!("{}{index}", array.name);
                Known { block, array: array.name, name, offset: base + offset }
            })
        })
        .collect();
    known.sort_by_key(|register| register.offset);
    // An engine answers first in its block, whatever else has a rule there.
    known.dedup_by_key(|register| register.offset);
    known
}

impl Known {
    /// Whether somebody who says `name` means this one, small letters or large.
    fn is_called(&self, name: &str) -> bool {
        let named = |name: &str| {
            name.eq_ignore_ascii_case(&self.name) || name.eq_ignore_ascii_case(self.array)
        };
        let in_block = || {
            let (block, name) = name.split_once('.')?;
            Some(block.eq_ignore_ascii_case(self.block) && named(name))
        };
        named(name)
            || name.eq_ignore_ascii_case(self.block)
            || in_block() == Some(true)
            || offset(name) == Some(self.offset)
    }
}

/// An offset in BAR0, as it is usually written.
fn offset(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The names that are most like `name`, or the one that is nearest to an offset.
fn nearest(name: &str, known: &[Known]) -> String {
    if let Some(offset) = offset(name) {
        let near = known.iter().min_by_key(|register| register.offset.abs_diff(offset));
        return near.map_or_else(String::new, |near| format!("{}.{}", near.block, near.name));
    }
    let name: String = name.chars().take(LETTERS).collect();
    let name = name.to_ascii_uppercase();
    let name = name.rsplit('.').next().unwrap_or_default();
    let name = name.split('[').next().unwrap_or_default();
    let mut names: Vec<&str> = known.iter().map(|register| register.array).collect();
    names.sort_unstable();
    names.dedup();
    names.sort_by_key(|known| damerau_levenshtein(name, &known.to_ascii_uppercase()));
    names.truncate(NEAREST);
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use gen8_spec::{PAGE_SHIFT, debug_page, pci};
    use gpu_model::{GpuConfig, GuestRam};

    use super::*;

    /// A part with all engines and with outputs.
    fn gpu() -> Gpu {
        let mut config = GpuConfig::by_device_id(0x1626).unwrap();
        config.outputs = vec!["hdmi=640x480".parse().unwrap()];
        Gpu::new(config, GuestRam::empty())
    }

    #[test]
    fn every_register_that_the_device_answers_has_a_name_and_every_name_is_answered() {
        let mut gpu = gpu();
        let mut known = known(&EngineId::ALL).into_iter().peekable();
        let mut nameless = Vec::new();
        for offset in (0..pci::BAR0_GGTT_OFFSET as u32).step_by(4) {
            let answers = gpu.register(offset).is_some();
            let name = known.next_if(|register| register.offset == offset);
            match name {
                Some(register) => assert!(answers, "{}.{}", register.block, register.name),
                None if answers => nameless.push(offset),
                None => {}
            }
        }
        assert!(known.peek().is_none(), "names are in BAR0's half of registers, and none twice");
        // The page of our own that no hardware has.
        nameless.retain(|offset| offset >> PAGE_SHIFT != debug_page::BASE >> PAGE_SHIFT);
        assert!(nameless.is_empty(), "{nameless:x?}");
    }

    #[test]
    fn a_wrong_name_gets_the_names_like_it() {
        let known = known(&[EngineId::Rcs]);
        assert!(nearest("rcs0.haed", &known).starts_with("HEAD, "));
        assert!(nearest("FENCE_L0[3]", &known).starts_with("FENCE_LO, FENCE_HI, "));
        assert_eq!(nearest("0x2035", &known), "rcs0.HEAD");
        assert_eq!(nearest(&"é".repeat(10_000), &known).split(", ").count(), NEAREST);
    }
}
