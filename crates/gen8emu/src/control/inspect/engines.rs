//! `engines`: what each engine does.

use gen8_spec::execlists::{ContextDescriptor, csb};
use gen8_spec::mmio::ring as reg;
use gpu_model::Gpu;
use gpu_model::engine::Elements;
use serde::{Deserialize, Serialize};

use super::load::name as activity;
use super::{Subject, copy};

/// The answer.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Engines {
    pub(crate) engines: Vec<EngineState>,
}

/// One engine.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct EngineState {
    pub(crate) name: String,
    /// `idle`, `waiting` (for memory, or stopped by a fault) or `busy`.
    pub(crate) activity: String,
    /// `execlists` or `ring`.
    pub(crate) submission: String,
    /// Id of the running context; CCID with the legacy ring; 0: none.
    pub(crate) context: u32,
    /// RING_HEAD, with its wrap count.
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) start: u32,
    pub(crate) ctl: u32,
    /// Offset in the ring, or address in the batch.
    pub(crate) acthd: u64,
    /// The list that runs.
    pub(crate) running: Vec<Element>,
    /// The list that was submitted behind it.
    pub(crate) pending: Vec<Element>,
    /// Slot of the last CSB entry; 7 after a reset.
    pub(crate) csb_write: u32,
    /// Slot of the last entry that software took.
    pub(crate) csb_read: u32,
    /// 3 or 4; `None` without a PPGTT.
    pub(crate) levels: Option<u32>,
    /// The PML4, or four page directories.
    pub(crate) root: Vec<u64>,
}

/// A context in a list that was submitted by ELSP.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Element {
    pub(crate) context: u32,
    /// GGTT address of the context image.
    pub(crate) lrca: u32,
    /// Whether it is the one that runs.
    pub(crate) current: bool,
}

/// Looks at all of them.
pub(in crate::control) fn engines(subject: &Subject) -> Engines {
    of(&mut copy(subject))
}

/// Those of a copy of the device.
pub(super) fn of(device: &mut Gpu) -> Engines {
    let count = device.engines().len();
    Engines { engines: (0..count).map(|index| state(device, index)).collect() }
}

fn state(device: &mut Gpu, index: usize) -> EngineState {
    let base = device.engines()[index].id().mmio_base();
    let mut register = |offset| device.register(base + offset).unwrap_or(0);
    let [head, tail, start, ctl] = [reg::HEAD, reg::TAIL, reg::START, reg::CTL].map(&mut register);
    let pointers = register(reg::CSB_PTR);
    let engine = &device.engines()[index];
    let root = engine.root();
    let tables = root.map(|root| match root.levels() {
        ppgtt::Levels::Three => root.pdps().to_vec(),
        ppgtt::Levels::Four => root.tables().collect(),
    });
    EngineState {
        name: engine.id().name().to_owned(),
        activity: activity(engine.activity()).to_owned(),
        submission: if engine.is_in_execlists_mode() { "execlists" } else { "ring" }.to_owned(),
        context: engine.context_id(),
        head,
        tail,
        start,
        ctl,
        acthd: engine.active_head(),
        running: engine.running().map_or_else(Vec::new, |(list, at)| elements(list, Some(at))),
        pending: engine.pending().map_or_else(Vec::new, |list| elements(list, None)),
        csb_write: pointers & csb::WRITE_POINTER_MASK,
        csb_read: pointers >> csb::READ_POINTER_SHIFT & csb::WRITE_POINTER_MASK,
        levels: root.map(|root| root.levels().number()),
        root: tables.unwrap_or_default(),
    }
}

/// The valid elements of a list.
fn elements(list: Elements, current: Option<usize>) -> Vec<Element> {
    let element = |(index, descriptor): (usize, ContextDescriptor)| Element {
        context: descriptor.context_id(),
        lrca: descriptor.lrca(),
        current: current == Some(index),
    };
    let valid = list.into_iter().enumerate().filter(|(_, descriptor)| descriptor.is_valid());
    valid.map(element).collect()
}
