//! `load`: counters, from two readings of which a client tells how busy the device is.

use gpu_model::EngineActivity;
use serde::{Deserialize, Serialize};

use super::Subject;

/// The answer. Counters never go back.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Load {
    /// Device time, nanoseconds.
    pub(crate) now_ns: u64,
    pub(crate) engines: Vec<EngineLoad>,
    /// How often software read and wrote BAR0.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// Translations and accesses that failed.
    pub(crate) faults: u64,
    /// Resets of engines, of the GT and of the function.
    pub(crate) resets: u64,
}

/// One engine.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct EngineLoad {
    pub(crate) name: String,
    /// `idle`, `waiting` or `busy`.
    pub(crate) activity: String,
    /// Id of the running context; 0: none.
    pub(crate) context: u32,
    /// For how long it was at work, nanoseconds.
    pub(crate) busy_ns: u64,
    /// How often it took a context over.
    pub(crate) loads: u64,
    /// Batches that it began.
    pub(crate) batches: u64,
}

/// Reads the counters.
pub(in crate::control) fn load(subject: &Subject) -> Load {
    let activity = &subject.watch.activity;
    let mut load = subject.device.look(|gpu| {
        let now_ns = gpu.now_ns();
        let busy = activity.engines(now_ns);
        let engines = gpu.engines().iter().map(|engine| {
            let busy = busy.iter().find(|busy| busy.engine == engine.id());
            EngineLoad {
                name: engine.id().name().to_owned(),
                activity: name(engine.activity()).to_owned(),
                context: engine.context_id(),
                busy_ns: busy.map_or(0, |busy| busy.busy_ns),
                loads: busy.map_or(0, |busy| busy.loads),
                batches: busy.map_or(0, |busy| busy.batches),
            }
        });
        let accesses = gpu.register_accesses();
        Load {
            now_ns,
            engines: engines.collect(),
            reads: accesses.reads,
            writes: accesses.writes,
            ..Load::default()
        }
    });
    (load.faults, load.resets) = activity.faults_and_resets();
    load
}

/// As answers call it.
pub(super) const fn name(activity: EngineActivity) -> &'static str {
    match activity {
        EngineActivity::Idle => "idle",
        EngineActivity::Waiting => "waiting",
        EngineActivity::Busy => "busy",
    }
}
