//! What each engine ran, and when.

use std::collections::VecDeque;

/// Spans of one engine that are kept, the newest.
const KEPT: usize = 1 << 14;

/// A span whose context, address space and request are named by serial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) begin_ns: u64,
    pub(super) context: Option<u64>,
    pub(super) space: Option<u64>,
    pub(super) request: Option<u64>,
}

/// One engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    ended: VecDeque<(Running, u64)>,
    /// What it runs now.
    pub(super) running: Option<Running>,
    /// The address space that it has loaded.
    pub(super) loaded: Option<u64>,
    /// When it was given work last.
    pub(super) submitted_ns: u64,
    /// The work came by TAIL and not by ELSP: a batch is then all that is seen of a request.
    pub(super) legacy: bool,
    /// The batch that the ring started last has ended: what the ring stores next is a seqno.
    pub(super) behind_batch: bool,
    pub(super) dropped: u64,
}

impl Track {
    /// The engine begins to run something; whatever it ran before ends.
    pub(super) fn begin(&mut self, running: Running) {
        self.end(running.begin_ns);
        self.running = Some(running);
    }

    /// The engine runs nothing any more.
    pub(super) fn end(&mut self, now_ns: u64) {
        let Some(running) = self.running.take() else { return };
        if self.ended.len() >= KEPT {
            self.ended.pop_front();
            self.dropped += 1;
        }
        self.ended.push_back((running, now_ns.max(running.begin_ns)));
    }

    /// What runs is known to be a request: a span of its own, unless it is the first of the context.
    pub(super) fn request(&mut self, request: u64, now_ns: u64) {
        match &mut self.running {
            Some(running) if running.request.is_none() => running.request = Some(request),
            Some(running) if running.request != Some(request) => {
                let next = Running { begin_ns: now_ns, request: Some(request), ..*running };
                self.begin(next);
            }
            _ => {}
        }
    }

    /// Whether it ever did something.
    pub(super) fn is_used(&self) -> bool {
        self.running.is_some() || !self.ended.is_empty()
    }

    /// All spans; what runs ends at `now_ns`.
    pub(super) fn spans(&self, now_ns: u64) -> impl Iterator<Item = (Running, u64)> {
        let running = self.running.map(|running| (running, now_ns.max(running.begin_ns)));
        self.ended.iter().copied().chain(running)
    }
}
