//! Names of registers.

use gen8_spec::engine::EngineId;
use gen8_spec::registers::names;

/// Name of the register at `offset` of BAR0, with its engine if it is one's: `bcs0 TAIL`.
pub(crate) fn register_name(offset: u64) -> Option<String> {
    let offset = u32::try_from(offset).ok()?;
    let at = |name: names::Name, base: u32| {
        let mut offsets = name.offsets();
        offsets.any(|(_, at)| base + at == offset).then_some(name.name)
    };
    let engines = EngineId::ALL.into_iter().flat_map(|engine| {
        let base = engine.mmio_base();
        names::engine()
            .filter_map(move |name| Some(format!("{} {}", engine.name(), at(name, base)?)))
    });
    let device = names::device().filter_map(|(_, name)| Some(at(name, 0)?.to_owned()));
    device.chain(engines).next()
}
