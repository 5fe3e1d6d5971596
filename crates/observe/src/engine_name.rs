//! Engines by their names, for serde.

use gen8_spec::engine::EngineId;
use serde::{Deserialize, Deserializer, Serializer, de};

pub(crate) fn serialize<S: Serializer>(
    engine: &EngineId,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(engine.name())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<EngineId, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = EngineId::ALL.into_iter().find(|engine| engine.name() == name);
    known.ok_or_else(|| de::Error::custom(format_args!("expected an engine, not {name:?}")))
}
