//! An engine as the lifetime rules see it: its lists and what they hold.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use gen8_spec::engine::EngineId;

use crate::context::Context;
use crate::hang::HangState;
use crate::object::Object;
use crate::request::Request;
use crate::slab::Id;

/// One engine.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) id: EngineId,
    /// Requests in submission order; each entry holds the request's first reference.
    pub(crate) requests: VecDeque<Id<Request>>,
    /// Objects with a last read on this engine, in order of that read (per-object activity).
    pub(crate) active: Vec<Id<Object>>,
    /// The context that ran last: one context reference (legacy; execlists from 4.5).
    pub(crate) last_context: Option<Id<Context>>,
    /// Requests in the execlist queue: one request reference each.
    pub(crate) queue: Vec<Id<Request>>,
    /// Requests that left the hardware; their queue reference is dropped by the next retire.
    pub(crate) retired_queue: Vec<Id<Request>>,
    /// Whether anything but the kernel's context ran since the last switch to it.
    pub(crate) ran_user_context: bool,
    pub(crate) hang: HangState,
}

impl Engine {
    /// An idle engine.
    pub(crate) fn new(id: EngineId) -> Self {
        Engine {
            id,
            requests: VecDeque::new(),
            active: Vec::new(),
            last_context: None,
            queue: Vec::new(),
            retired_queue: Vec::new(),
            ran_user_context: false,
            hang: HangState::default(),
        }
    }
}
