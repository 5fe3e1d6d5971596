//! `gen8emu bench`: the hot paths, each against a limit that is measured in the same run.
//!
//! A ratio to what this very machine can do at best survives a change of machine and most noise;
//! nanoseconds do not.

mod blits;
mod command;
mod commands;
mod context;
mod cpu_time;
mod execlists;
mod guest;
mod limits;
mod measure;
mod off;
mod page_tables;
mod recorded;
mod scan_out;
mod semaphores;
mod server;
mod tlb;
mod watched;

use anyhow::Result;
use serde::Serialize;

pub(crate) use command::command;
use measure::Pair;

/// The names of benches that need something that `cargo xtask bench` hands in.
pub(crate) fn handed_in_names() -> impl Iterator<Item = &'static str> {
    off::names().chain(guest::names())
}

/// What a bench is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// At most so many times slower than the limit.
    Ratio(f64),
    /// At most this value, in the bench's unit.
    Value(f64),
}

/// How a time becomes the number that is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Nanoseconds per operation.
    Nanoseconds,
    /// Microseconds per operation.
    Microseconds,
    /// Milliseconds per operation.
    Milliseconds,
    /// Million operations per second.
    MillionPerSecond,
    /// Gigabytes (10⁹ bytes) per second, where an operation is a byte.
    GigabytesPerSecond,
}

/// One bench.
pub(crate) struct Bench {
    /// Name on the command line and in reports.
    pub(crate) name: &'static str,
    /// What an operation is, in words.
    pub(crate) about: &'static str,
    /// What the limit does, in words.
    pub(crate) limit: &'static str,
    /// Unit of value and limit.
    pub(crate) unit: Unit,
    /// What it is held against.
    pub(crate) target: Target,
    /// Measures.
    pub(crate) run: fn() -> Result<Pair>,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    /// Name of the bench.
    pub(crate) name: &'static str,
    /// Measured, in `unit`.
    pub(crate) value: f64,
    /// Unit of `value` and `limit`.
    pub(crate) unit: &'static str,
    /// The limit, in `unit`; none where there is nothing to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<f64>,
    /// How many times slower than the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    /// Between these the ratio would lie in 19 of 20 repetitions, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) between: Option<[f64; 2]>,
    /// Largest `ratio` (or `value`, see `target_of`) that is well.
    pub(crate) target: f64,
    /// Whether `target` is one of `ratio` or of `value`.
    pub(crate) target_of: &'static str,
    /// Whether the target is met.
    pub(crate) ok: bool,
}

/// Every bench.
pub(crate) const ALL: &[Bench] = &[
    page_tables::WALK4_HOT,
    tlb::TLB_HIT,
    page_tables::MAP_UNMAP_1G,
    page_tables::CENSUS_1G,
    commands::MI_NOOP,
    commands::MI_STORE_DATA_IMM,
    blits::BLT_COPY_LINEAR,
    blits::BLT_FILL,
    blits::BLT_CLEAR,
    blits::BLT_COPY_X,
    blits::BLT_COPY_Y,
    blits::BLT_GROWTH,
    semaphores::SEMAPHORE_HANDOVER,
    execlists::ELSP_TO_CSB,
    context::CONTEXT_CYCLE,
    recorded::RECORD_OVERHEAD,
    recorded::RECORD_IN_PROCESS,
    watched::CONTROL_OVERHEAD,
    watched::OBSERVE_OVERHEAD,
    scan_out::SCANOUT_XTILE,
    scan_out::SCANOUT_IDLE,
    server::MMIO_READ_RTT,
    server::MMIO_POSTED_WRITE,
];

impl Bench {
    /// Runs the bench.
    pub(crate) fn measure(&self) -> Result<Measured> {
        Ok(self.judge((self.run)()?))
    }

    /// Holds what was measured against the target.
    fn judge(&self, pair: Pair) -> Measured {
        let value = self.unit.of_time(pair.subject);
        let ratio = pair.median.map_or(pair.subject / pair.limit, |median| median.value);
        let (target, target_of, ok) = match self.target {
            Target::Ratio(most) => (most, "ratio", ratio <= most),
            Target::Value(most) => (most, "value", value <= most),
        };
        Measured {
            name: self.name,
            value,
            unit: self.unit.name(),
            limit: Some(self.unit.of_time(pair.limit)),
            ratio: Some(ratio),
            between: pair.median.map(|median| median.between),
            target,
            target_of,
            ok,
        }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "us",
            Unit::Milliseconds => "ms",
            Unit::MillionPerSecond => "M/s",
            Unit::GigabytesPerSecond => "GB/s",
        }
    }

    fn of_time(self, ns: f64) -> f64 {
        match self {
            Unit::Nanoseconds => ns,
            Unit::Microseconds => ns / 1e3,
            Unit::Milliseconds => ns / 1e6,
            Unit::MillionPerSecond => 1e3 / ns,
            Unit::GigabytesPerSecond => 1.0 / ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(unit: Unit, target: Target) -> Measured {
        let bench = Bench {
            name: "x",
            about: "",
            limit: "",
            unit,
            target,
            run: || Ok(Pair { subject: 0.0, limit: 0.0, median: None }),
        };
        bench.judge(Pair { subject: 2000.0, limit: 500.0, median: None })
    }

    #[test]
    fn ratio_is_slowness_for_times_and_for_rates() {
        let time = judge(Unit::Microseconds, Target::Ratio(4.0));
        assert_eq!((time.value, time.limit, time.ratio), (2.0, Some(0.5), Some(4.0)));
        assert!(time.ok);
        let rate = judge(Unit::MillionPerSecond, Target::Ratio(3.9));
        assert_eq!((rate.value, rate.limit, rate.ratio), (0.5, Some(2.0), Some(4.0)));
        assert!(!rate.ok);
    }

    #[test]
    fn a_target_of_the_value_ignores_the_ratio() {
        assert!(judge(Unit::Microseconds, Target::Value(2.0)).ok);
        assert!(!judge(Unit::Microseconds, Target::Value(1.9)).ok);
    }
}
