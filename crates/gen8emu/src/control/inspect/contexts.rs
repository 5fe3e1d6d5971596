//! `contexts`: the contexts that engines had, with their images as they are now.

use gen8_spec::context_image::{RING_CTL, RING_HEAD, RING_START, RING_TAIL, STATE_PAGE};
use gen8_spec::{PAGE_SHIFT, PAGE_SIZE};
use gpu_model::{Gpu, GuestRam};
use observe::SeenContext;
use ppgtt::PhysicalMemory;
use serde::{Deserialize, Serialize};

use super::Subject;

/// Bytes of an entry of an image, which is a register's offset and its value.
const DWORD: u64 = 4;

/// The answer.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Contexts {
    /// By engine and image.
    pub(crate) contexts: Vec<Context>,
    /// Oldest ones of which nothing is known any more.
    pub(crate) forgotten: u64,
}

/// A context of an engine.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Context {
    pub(crate) engine: String,
    /// Its id when it was loaded last.
    pub(crate) context: u32,
    /// GGTT address of its image.
    pub(crate) image: u64,
    /// `running`, `next` (its turn comes), `pending` (in the list behind) or nothing of these.
    pub(crate) state: Option<String>,
    pub(crate) loads: u64,
    /// Device time of the first and the last load, nanoseconds.
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    /// The number of its address space in `address-spaces`.
    pub(crate) space: Option<u64>,
    /// What its image holds now; `None` if the GGTT does not map it, or with a legacy ring.
    pub(crate) ring: Option<Ring>,
}

/// The ring, as an image has it.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Ring {
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) start: u32,
    pub(crate) ctl: u32,
}

/// Lists them.
pub(in crate::control) fn contexts(subject: &Subject) -> Contexts {
    let (seen, forgotten) = subject.watch.activity.contexts();
    let memory = subject.memory();
    let located = subject.device.look(|gpu| {
        let located = seen.iter().map(|context| (state(context, gpu), page(context, gpu)));
        located.collect::<Vec<_>>()
    });
    let contexts = seen.into_iter().zip(located).map(|(context, (state, page))| Context {
        engine: context.engine.name().to_owned(),
        context: context.id,
        image: context.image,
        state: state.map(str::to_owned),
        loads: context.loads,
        first_ns: context.first_ns,
        last_ns: context.last_ns,
        space: context.root.and_then(|root| subject.watch.spaces.number_of(&root)),
        ring: page.and_then(|page| ring(page, &memory)),
    });
    Contexts { contexts: contexts.collect(), forgotten }
}

/// Where the engine has it.
fn state(context: &SeenContext, gpu: &Gpu) -> Option<&'static str> {
    let engine = gpu.engines().iter().find(|engine| engine.id() == context.engine)?;
    let is_it = |image: u32| u64::from(image) == context.image;
    let at = |list: gpu_model::engine::Elements| {
        list.iter().position(|element| element.is_valid() && is_it(element.lrca()))
    };
    let running = engine.running().and_then(|(list, current)| Some((at(list)?, current)));
    match running {
        Some((at, current)) if at == current => Some("running"),
        Some((at, current)) if at > current => Some("next"),
        _ => engine.pending().and_then(at).map(|_| "pending"),
    }
}

/// Where the register state of an execlists context lies.
fn page(context: &SeenContext, gpu: &Gpu) -> Option<u64> {
    let engine = gpu.engines().iter().find(|engine| engine.id() == context.engine)?;
    let address = context.image + (STATE_PAGE << PAGE_SHIFT);
    engine.is_in_execlists_mode().then(|| gpu.ggtt().translate(address).ok()).flatten()
}

fn ring(page: u64, memory: &GuestRam) -> Option<Ring> {
    debug_assert_eq!(page % PAGE_SIZE, 0);
    let value = |register: usize| memory.read_u32(page + DWORD * (register as u64 + 1));
    Some(Ring {
        head: value(RING_HEAD)?,
        tail: value(RING_TAIL)?,
        start: value(RING_START)?,
        ctl: value(RING_CTL)?,
    })
}
