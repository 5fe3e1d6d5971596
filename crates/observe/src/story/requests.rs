//! Requests over time: from an owner's word, or from batches that rings start.

use std::collections::BTreeMap;

use gen8_spec::engine::EngineId;

/// Requests that are kept, the newest.
const KEPT: usize = 1 << 14;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) engine: EngineId,
    /// Serial of its context.
    pub(super) context: Option<u64>,
    /// 0 until it is known.
    pub(super) seqno: u32,
    pub(super) submitted_ns: u64,
    pub(super) began_ns: Option<u64>,
    pub(super) ended_ns: Option<u64>,
}

/// All requests, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    all: BTreeMap<u64, Request>,
    submitted: u64,
    /// An owner tells of requests: batches alone are none.
    owned: bool,
    pub(super) dropped: u64,
}

impl Requests {
    /// An owner submitted a request; its number.
    pub(super) fn submit(
        &mut self,
        engine: EngineId,
        context: Option<u64>,
        seqno: u32,
        now_ns: u64,
    ) -> u64 {
        self.owned = true;
        self.insert(Request {
            engine,
            context,
            seqno,
            submitted_ns: now_ns,
            began_ns: None,
            ended_ns: None,
        })
    }

    /// The ring started a batch: which request that is. `submitted_ns`: when the engine was given
    /// work last.
    pub(super) fn batch(
        &mut self,
        engine: EngineId,
        context: Option<u64>,
        submitted_ns: u64,
        now_ns: u64,
    ) -> Option<u64> {
        if self.owned {
            let number = self.unfinished(engine, context)?;
            if let Some(request) = self.all.get_mut(&number) {
                request.began_ns.get_or_insert(now_ns);
            }
            return Some(number);
        }
        let began_ns = Some(now_ns);
        Some(self.insert(Request {
            engine,
            context,
            seqno: 0,
            submitted_ns,
            began_ns,
            ended_ns: None,
        }))
    }

    /// The oldest request of a context on an engine that has not ended.
    pub(super) fn unfinished(&self, engine: EngineId, context: Option<u64>) -> Option<u64> {
        let waits = |request: &Request| {
            request.engine == engine && request.ended_ns.is_none() && {
                context.is_none() || request.context == context
            }
        };
        // Whatever is older than so many requests was lost with a reset.
        let oldest = (self.submitted + 1).saturating_sub(RECENT);
        let mut recent = self.all.range(oldest..);
        recent.find(|(_, request)| waits(request)).map(|(&number, _)| number)
    }

    /// The ring wrote `value` behind batch `running`: the request whose seqno that is has ended.
    pub(super) fn stored(
        &mut self,
        engine: EngineId,
        running: Option<u64>,
        value: u32,
        now_ns: u64,
    ) -> Option<u64> {
        let number = if self.owned {
            let oldest = (self.submitted + 1).saturating_sub(RECENT);
            let mut recent = self.all.range(oldest..);
            let ends = |request: &Request| {
                request.engine == engine && request.seqno == value && request.ended_ns.is_none()
            };
            recent.find(|(_, request)| ends(request)).map(|(&number, _)| number)?
        } else {
            running?
        };
        let request = self.all.get_mut(&number)?;
        request.seqno = value;
        request.began_ns.get_or_insert(now_ns);
        request.ended_ns.get_or_insert(now_ns);
        Some(number)
    }

    fn insert(&mut self, request: Request) -> u64 {
        if self.all.len() >= KEPT {
            self.all.pop_first();
            self.dropped += 1;
        }
        self.submitted += 1;
        self.all.insert(self.submitted, request);
        self.submitted
    }

    pub(super) fn get(&self, number: u64) -> Option<&Request> {
        self.all.get(&number)
    }

    /// All, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Request)> {
        self.all.iter().map(|(&number, request)| (number, request))
    }
}

/// Requests among which one that ends or begins is looked for.
const RECENT: u64 = 256;
