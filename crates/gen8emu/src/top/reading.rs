//! What is asked of the server, and what two readings of it say together.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::control::inspect::load::{EngineLoad, Load};
use crate::control::inspect::tables::Totals;
use control_client::Client;

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// The device at one moment.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) load: Load,
    pub(super) spaces: Spaces,
}

/// What `top` takes of the answer to `address-spaces`.
#[derive(Debug, Deserialize)]
pub(super) struct Spaces {
    pub(super) spaces: Vec<Space>,
}

/// One address space.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Space {
    pub(super) number: u64,
    pub(super) levels: u32,
    pub(super) root: Vec<u64>,
    pub(super) live_on: Vec<String>,
    pub(super) loads: u64,
    /// Gone, or not looked at, without one.
    pub(super) walk: Option<Walk>,
}

/// Its page tables.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Walk {
    pub(super) tables: Totals,
    pub(super) ptes: u64,
}

impl Reading {
    pub(super) fn take(client: &mut Client) -> Result<Reading> {
        let load = client.ask("load", &())?;
        Ok(Reading { load, spaces: client.ask("address-spaces", &())? })
    }
}

/// What is shown: rates from one reading to the next, and the state at the second one.
#[derive(Debug, Serialize)]
pub(super) struct View {
    /// Device time at the end, nanoseconds.
    pub(super) now_ns: u64,
    /// Device time between the readings, nanoseconds.
    pub(super) interval_ns: u64,
    /// A second.
    pub(super) mmio_reads: u64,
    /// A second.
    pub(super) mmio_writes: u64,
    /// In the interval, and since the device began.
    pub(super) faults: [u64; 2],
    pub(super) resets: [u64; 2],
    pub(super) engines: Vec<EngineView>,
    /// Those that are not gone, the one with the most pages first.
    pub(super) spaces: Vec<SpaceView>,
    /// Page-table pages of all of them.
    pub(super) pages: usize,
}

/// One engine.
#[derive(Debug, Serialize)]
pub(super) struct EngineView {
    pub(super) name: String,
    pub(super) activity: String,
    /// Percent of the interval that it was at work.
    pub(super) busy: u64,
    /// Id of the running context.
    pub(super) context: u32,
    /// Context loads a second.
    pub(super) loads: u64,
    /// Batches a second.
    pub(super) batches: u64,
}

/// One address space.
#[derive(Debug, Serialize)]
pub(super) struct SpaceView {
    pub(super) number: u64,
    pub(super) levels: u32,
    pub(super) root: Vec<u64>,
    pub(super) live_on: Vec<String>,
    /// A second.
    pub(super) loads: u64,
    pub(super) pages: usize,
    pub(super) ptes: u64,
}

impl View {
    /// What happened from `before` to `after`.
    pub(super) fn between(before: &Reading, after: &Reading) -> View {
        let (old, new) = (&before.load, &after.load);
        // A server that was started anew counts from nothing.
        let interval_ns = new.now_ns.saturating_sub(old.now_ns);
        let rate = Rate(interval_ns);
        let idle = EngineLoad::default();
        let engines = new.engines.iter().map(|engine| {
            let was = old.engines.iter().find(|was| was.name == engine.name).unwrap_or(&idle);
            engine_view(engine, was, rate)
        });
        let mut spaces = space_views(before, after, rate);
        spaces.sort_by_key(|space| (std::cmp::Reverse(space.pages), space.number));
        View {
            now_ns: new.now_ns,
            interval_ns,
            mmio_reads: rate.of(old.reads, new.reads),
            mmio_writes: rate.of(old.writes, new.writes),
            faults: [new.faults.saturating_sub(old.faults), new.faults],
            resets: [new.resets.saturating_sub(old.resets), new.resets],
            engines: engines.collect(),
            pages: spaces.iter().map(|space| space.pages).sum(),
            spaces,
        }
    }
}

/// What counters do in an interval.
#[derive(Clone, Copy)]
struct Rate(u64);

impl Rate {
    /// A second.
    fn of(self, before: u64, after: u64) -> u64 {
        self.scaled(before, after, SECOND_NS)
    }

    fn scaled(self, before: u64, after: u64, scale: u64) -> u64 {
        let count = u128::from(after.saturating_sub(before));
        let scaled = (count * u128::from(scale)).checked_div(u128::from(self.0));
        scaled.and_then(|rate| u64::try_from(rate).ok()).unwrap_or(0)
    }
}

fn engine_view(engine: &EngineLoad, was: &EngineLoad, rate: Rate) -> EngineView {
    EngineView {
        name: engine.name.clone(),
        activity: engine.activity.clone(),
        busy: rate.scaled(was.busy_ns, engine.busy_ns, 100).min(100),
        context: engine.context,
        loads: rate.of(was.loads, engine.loads),
        batches: rate.of(was.batches, engine.batches),
    }
}

fn space_views(before: &Reading, after: &Reading, rate: Rate) -> Vec<SpaceView> {
    let loads: BTreeMap<u64, u64> =
        before.spaces.spaces.iter().map(|space| (space.number, space.loads)).collect();
    let spaces = after.spaces.spaces.iter().filter_map(|space| {
        let walk = space.walk.as_ref()?;
        Some(SpaceView {
            number: space.number,
            levels: space.levels,
            root: space.root.clone(),
            live_on: space.live_on.clone(),
            loads: rate.of(loads.get(&space.number).copied().unwrap_or(0), space.loads),
            pages: walk.tables.pages(),
            ptes: walk.ptes,
        })
    });
    spaces.collect()
}
