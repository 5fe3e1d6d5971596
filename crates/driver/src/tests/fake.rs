//! A GPU that completes requests when somebody waits, unless a dword in memory holds them.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::cell::RefCell;

use gen8_spec::debug_page::{Hint, PageKind};
use gen8_spec::engine::EngineId;
use ppgtt::PhysicalMemory;

use crate::gt::{
    ContextError, HangSample, NoSpace, ResetError, ResetReport, SubmitError, Submitted, Work,
};
use crate::hardware::Hardware;

/// Sparse RAM.
#[derive(Default)]
pub(super) struct FakeMemory(RefCell<BTreeMap<u64, u32>>);

impl PhysicalMemory for FakeMemory {
    fn read_u32(&self, address: u64) -> Option<u32> {
        Some(self.0.borrow().get(&address).copied().unwrap_or(0))
    }
    fn write_u32(&self, address: u64, value: u32) -> bool {
        self.0.borrow_mut().insert(address, value);
        true
    }
    fn read_u64(&self, address: u64) -> Option<u64> {
        let low = self.read_u32(address)?;
        let high = self.read_u32(address + 4)?;
        Some(u64::from(high) << 32 | u64::from(low))
    }
    fn write_u64(&self, address: u64, value: u64) -> bool {
        self.write_u32(address, value as u32) && self.write_u32(address + 4, (value >> 32) as u32)
    }
}

struct Queued {
    seqno: u32,
    token: u64,
    context: u32,
    hold: Option<u64>,
}

#[derive(Default)]
struct FakeEngine {
    seqno: u32,
    completed: u32,
    queue: VecDeque<Queued>,
    switched_out: VecDeque<u64>,
}

/// The GPU.
pub(super) struct FakeGpu {
    memory: FakeMemory,
    ids: Vec<EngineId>,
    engines: Vec<FakeEngine>,
    execlists: bool,
    now: u64,
    next_page: u64,
    free_pages: Vec<u64>,
    next_ggtt: u64,
    /// The next batch waits until the dword at this address is not zero.
    pub(super) hold_next: Option<u64>,
    /// Pages in use.
    pub(super) pages: BTreeSet<u64>,
    /// Hints so far.
    pub(super) hints: Vec<Hint>,
    /// Images in use.
    pub(super) images: u32,
    /// GGTT nodes in use.
    pub(super) nodes: u32,
    /// Invalidations of the TLBs so far.
    pub(super) tlb_flushes: u32,
}

/// One engine more than [`FakeGpu`] needs for two engines at once is of no use here.
const ENGINES: [EngineId; 2] = [EngineId::Rcs, EngineId::Bcs];

impl FakeGpu {
    pub(super) fn new(execlists: bool) -> Self {
        FakeGpu {
            memory: FakeMemory::default(),
            ids: ENGINES.to_vec(),
            engines: ENGINES.iter().map(|_| FakeEngine::default()).collect(),
            execlists,
            now: 0,
            next_page: 0x10_0000,
            free_pages: Vec::new(),
            next_ggtt: 0x10_0000,
            hold_next: None,
            pages: BTreeSet::new(),
            hints: Vec::new(),
            images: 0,
            nodes: 0,
            tlb_flushes: 0,
        }
    }

    fn engine(&mut self, engine: EngineId) -> &mut FakeEngine {
        let index = self.ids.iter().position(|&id| id == engine).expect("engine exists");
        &mut self.engines[index]
    }

    fn push(&mut self, engine: EngineId, context: u32, token: u64) -> Submitted {
        let hold = self.hold_next.take();
        let engine = self.engine(engine);
        engine.seqno += 1;
        let seqno = engine.seqno;
        engine.queue.push_back(Queued { seqno, token, context, hold });
        Submitted { seqno, head: 0, postfix: 0, tail: 0 }
    }
}

impl FakeEngine {
    fn complete_head(&mut self, execlists: bool) -> Option<u64> {
        let head = self.queue.pop_front()?;
        self.completed = head.seqno;
        if execlists {
            self.switched_out.push_back(head.token);
        }
        Some(head.token)
    }
}

impl Hardware for FakeGpu {
    type Memory = FakeMemory;
    type EngineContext = (u32, EngineId);
    type GgttNode = u64;

    fn memory(&self) -> &FakeMemory {
        &self.memory
    }
    fn engines(&self) -> &[EngineId] {
        &self.ids
    }
    fn now_ns(&mut self) -> u64 {
        self.now
    }
    fn alloc_page(&mut self, _kind: PageKind, _owner: u32) -> Option<u64> {
        let page = self.free_pages.pop().unwrap_or_else(|| {
            self.next_page += 0x1000;
            self.next_page
        });
        assert!(self.pages.insert(page));
        Some(page)
    }
    fn free_page(&mut self, page: u64) {
        assert!(self.pages.remove(&page), "page {page:#x} freed twice");
        self.free_pages.push(page);
    }
    fn hint(&mut self, hint: Hint) {
        self.hints.push(hint);
    }
    fn ggtt_bind(&mut self, pages: &[u64]) -> Result<(u64, u64), NoSpace> {
        let address = self.next_ggtt;
        self.next_ggtt += pages.len() as u64 * 0x1000;
        self.nodes += 1;
        Ok((address, address))
    }
    fn ggtt_unbind(&mut self, _node: u64) {
        self.nodes -= 1;
    }
    fn context_create(
        &mut self,
        context: u32,
        engine: EngineId,
    ) -> Result<(u32, EngineId), ContextError> {
        self.images += 1;
        Ok((context, engine))
    }
    fn context_destroy(&mut self, (context, engine): (u32, EngineId)) {
        let used = self.engine(engine).queue.iter().any(|queued| queued.context == context);
        assert!(!used, "image of context {context} freed with work in flight");
        self.images -= 1;
    }
    fn submit(
        &mut self,
        context: &mut (u32, EngineId),
        work: &Work,
    ) -> Result<Submitted, SubmitError> {
        let (context, engine) = *context;
        Ok(self.push(engine, context, work.token))
    }
    fn switch_to_kernel_context(
        &mut self,
        engine: EngineId,
        token: u64,
    ) -> Result<Submitted, SubmitError> {
        Ok(self.push(engine, u32::MAX, token))
    }
    fn completed_seqno(&mut self, engine: EngineId) -> u32 {
        self.engine(engine).completed
    }
    fn poll(&mut self) {}
    fn take_switched_out(&mut self, engine: EngineId) -> Option<u64> {
        self.engine(engine).switched_out.pop_front()
    }
    fn queue_idle(&self, engine: EngineId) -> bool {
        let index = self.ids.iter().position(|&id| id == engine);
        index.is_none_or(|index| self.engines[index].queue.is_empty())
    }
    fn relax(&mut self) {
        self.now += 100_000;
        let execlists = self.execlists;
        for engine in &mut self.engines {
            let held = engine
                .queue
                .front()
                .and_then(|queued| queued.hold)
                .is_some_and(|address| self.memory.read_u32(address) == Some(0));
            if !held {
                engine.complete_head(execlists);
            }
        }
    }
    fn invalidate_tlbs(&mut self) {
        self.tlb_flushes += 1;
    }
    fn sample(&mut self, engine: EngineId) -> HangSample {
        let engine = self.engine(engine);
        let acthd = engine.queue.front().map_or(0, |queued| queued.token);
        HangSample { seqno: engine.completed, acthd, head: 0 }
    }
    fn reset_engine(&mut self, engine: EngineId) -> Result<ResetReport, ResetError> {
        let execlists = self.execlists;
        let engine = self.engine(engine);
        let guilty = engine.complete_head(execlists);
        let replayed = engine.queue.iter().map(|queued| queued.token).collect();
        Ok(ResetReport { guilty, skipped: Vec::new(), replayed })
    }
}
