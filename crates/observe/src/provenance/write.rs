//! What is known of a write: when, by whom, what stood there, and what the engines did meanwhile.

use core::fmt;

use gen8_spec::engine::EngineId;
use serde::{Deserialize, Serialize};

/// Where something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A register: its offset in BAR0.
    Register(u32),
    /// A dword or qword of memory: its physical address, and 4 or 8.
    Memory(u64, u8),
    /// A GGTT entry: its index, which is its GGTT page.
    Ggtt(u64),
}

/// When something was written, in nanoseconds of device time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// At this moment.
    At(u64),
    /// After the first and not after the second: the device saw the old value, then the new one.
    Between(u64, u64),
}

/// Who wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writer {
    /// A CPU.
    Cpu,
    /// A CPU, at this instruction pointer.
    CpuAt(u64),
    /// A command that an engine executed.
    Engine {
        /// Engine.
        #[serde(with = "crate::engine_name")]
        engine: EngineId,
        /// Context id (execlists) or CCID (legacy).
        context: u32,
        /// Offset in the ring or address in the batch.
        address: u64,
        /// Whether it is a batch's.
        in_batch: bool,
    },
    /// The device by itself; the text says doing what.
    Device(String),
}

/// What an engine ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Running {
    /// Engine.
    #[serde(with = "crate::engine_name")]
    pub engine: EngineId,
    /// Context id (execlists) or CCID (legacy).
    pub context: u32,
    /// Address of the batch, if it was in one.
    pub batch: Option<u64>,
}

/// A write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Write {
    /// When.
    pub when: When,
    /// By whom.
    pub by: Writer,
    /// What stood there before, if that is known.
    pub old: Option<u64>,
    /// What was written.
    pub new: u64,
    /// What the engines ran when the write became known.
    pub running: Vec<Running>,
}

impl When {
    /// The first moment after which the write is known to have happened.
    pub const fn latest_ns(self) -> u64 {
        match self {
            When::At(ns) | When::Between(_, ns) => ns,
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::At(ns) => write!(f, "at {ns} ns"),
            When::Between(0, to) => write!(f, "before {to} ns"),
            When::Between(from, to) if from == to => write!(f, "at {to} ns"),
            When::Between(from, to) => write!(f, "between {from} and {to} ns"),
        }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Writer::Cpu => f.write_str("a CPU"),
            Writer::CpuAt(ip) => write!(f, "a CPU at instruction {ip:#x}"),
            Writer::Engine { engine, context, address, in_batch } => {
                let place = if *in_batch { "batch address" } else { "ring offset" };
                write!(f, "{}, context {context:#x}, {place} {address:#x}", engine.name())
            }
            Writer::Device(doing) => write!(f, "the device: {doing}"),
        }
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: context {:#x}", self.engine.name(), self.context)?;
        match self.batch {
            Some(batch) => write!(f, ", batch {batch:#x}"),
            None => Ok(()),
        }
    }
}

/// As `0x0 -> 0x5003 between 10 and 20 ns by a CPU`.
impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Write { when, by, old, new, running } = self;
        match old {
            Some(old) => write!(f, "{old:#x} -> {new:#x}")?,
            None => write!(f, "{new:#x}")?,
        }
        write!(f, " {when} by {by}")?;
        for (n, running) in running.iter().enumerate() {
            write!(f, "{}{running}", if n == 0 { " (running: " } else { "; " })?;
        }
        f.write_str(if running.is_empty() { "" } else { ")" })
    }
}
