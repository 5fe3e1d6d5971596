//! The driver instance: all records, and the lock around them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;
use ppgtt::ScratchTree;

use crate::address_space::Vm;
use crate::api::{CpuAction, FaultInjection};
use crate::client::Client;
use crate::config::Config;
use crate::context::Context;
use crate::counters::Counters;
use crate::engine::Engine;
use crate::error::Error;
use crate::findings::Finding;
use crate::hardware::Hardware;
use crate::ids::{ClientId, DmaBuf, FbId, Name, UserMemory};
use crate::lock::StructMutex;
use crate::object::Object;
use crate::request::Request;
use crate::slab::{Id, Slab};
use crate::vma::Vma;
use crate::worker::Timers;

/// One driver instance on one GPU: clients, objects, VMAs, address spaces, contexts and requests.
///
/// Reference counts are plain numbers, as in the kernel, since counting is the subject; who holds
/// what is listed at each record. A key that outlived its record is an error, never another record.
pub struct Gem<H: Hardware> {
    pub(crate) hw: H,
    pub(crate) config: Config,
    pub(crate) clients: BTreeMap<ClientId, Client>,
    pub(crate) objects: Slab<Object>,
    pub(crate) vmas: Slab<Vma>,
    pub(crate) vms: Slab<Vm>,
    pub(crate) contexts: Slab<Context>,
    pub(crate) requests: Slab<Request>,
    pub(crate) engines: Vec<Engine>,
    /// Context images and rings, by image number.
    pub(crate) images: BTreeMap<u32, H::EngineContext>,
    /// What the hardware half keeps for VMAs in the GGTT.
    pub(crate) ggtt_nodes: BTreeMap<Id<Vma>, H::GgttNode>,
    /// The GGTT as an address space.
    pub(crate) ggtt: Id<Vm>,
    /// The PPGTT that mirrors the GGTT, with [`PpgttMode::Aliasing`](crate::PpgttMode).
    pub(crate) aliasing: Option<Id<Vm>>,
    /// The scratch tree of all address spaces, with [`Scratch::Shared`](crate::Scratch).
    pub(crate) shared_scratch: Option<ScratchTree>,
    pub(crate) mm: MemoryLists,
    pub(crate) names: Names,
    pub(crate) numbers: Numbers,
    pub(crate) lock: StructMutex,
    pub(crate) findings: Vec<Finding>,
    pub(crate) actions: VecDeque<CpuAction>,
    pub(crate) faults: Vec<FaultInjection>,
    pub(crate) timers: Timers,
    /// Hangcheck declared a hang; the reset waits for struct_mutex.
    pub(crate) reset_pending: Vec<EngineId>,
    /// A reset failed: the GPU is given up, every request counts as complete.
    pub(crate) wedged: bool,
}

/// The device's lists of objects and deferred work.
#[derive(Debug, Default)]
pub(crate) struct MemoryLists {
    /// Objects with a binding, least recently used first.
    pub(crate) bound: Vec<Id<Object>>,
    /// Objects with pages and no binding.
    pub(crate) unbound: Vec<Id<Object>>,
    /// Closed VMAs that wait for the GT to park (4.18).
    pub(crate) closed: Vec<Id<Vma>>,
    /// Address spaces whose last reference is gone and whose release worker has not run (6.x).
    pub(crate) dying_vms: Vec<Id<Vm>>,
}

/// Global names and files that hold objects.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Flink names: no reference.
    pub(crate) flink: BTreeMap<Name, Id<Object>>,
    /// Exported dma-bufs: one reference each.
    pub(crate) dma_bufs: BTreeMap<DmaBuf, Id<Object>>,
    /// Frame buffers: one reference, one kernel handle and one GGTT pin each.
    pub(crate) frame_buffers: BTreeMap<FbId, Id<Object>>,
    /// Objects made of programs' memory: no reference.
    pub(crate) user_memory: BTreeMap<UserMemory, Id<Object>>,
}

/// The next number of each kind. Numbers start at 1; 0 means "none".
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) client: u32,
    pub(crate) object: u32,
    pub(crate) vma: u32,
    pub(crate) vm: u32,
    pub(crate) context: u32,
    pub(crate) request: u32,
    pub(crate) image: u32,
    pub(crate) name: u32,
    pub(crate) dma_buf: u32,
    pub(crate) frame_buffer: u32,
    pub(crate) user_memory: u32,
}

/// Gives out the next number of a kind.
pub(crate) fn next(number: &mut u32) -> u32 {
    *number = number.wrapping_add(1).max(1);
    *number
}

impl<H: Hardware> Gem<H> {
    /// Runs `body` with struct_mutex held, as an ioctl or a worker does.
    pub(crate) fn locked<R>(
        &mut self,
        who: &'static str,
        body: impl FnOnce(&mut Self) -> Result<R, Error>,
    ) -> Result<R, Error> {
        if self.lock.acquire(who).is_err() {
            self.report(Finding::Assertion("struct_mutex taken twice by one thread"));
            return Err(Error::Busy);
        }
        let result = body(self);
        self.lock.release();
        // The release worker is queued, not delayed: it runs as soon as the lock is free.
        if !self.mm.dying_vms.is_empty() {
            self.run_release_worker();
        }
        self.note(result)
    }

    /// Passes a result on, and keeps a finding if a record was stale.
    pub(crate) fn note<R>(&mut self, result: Result<R, Error>) -> Result<R, Error> {
        if let Err(Error::Stale(kind)) = result {
            self.report(Finding::StaleReference(kind));
        }
        result
    }

    /// Keeps a finding.
    pub(crate) fn report(&mut self, finding: Finding) {
        log::debug!("finding: {finding}");
        self.findings.push(finding);
    }

    /// A kernel `WARN_ON`.
    pub(crate) fn warn(&mut self, text: &'static str) {
        self.report(Finding::Warn(text));
    }

    /// Takes one injected failure of this kind, if there is one.
    pub(crate) fn take_fault(&mut self, fault: FaultInjection) -> bool {
        match self.faults.iter().position(|&f| f == fault) {
            Some(index) => {
                self.faults.swap_remove(index);
                true
            }
            None => false,
        }
    }

    /// Index of an engine in `engines`.
    pub(crate) fn engine_index(&self, engine: EngineId) -> Result<usize, Error> {
        self.engines.iter().position(|e| e.id == engine).ok_or(Error::NoDevice)
    }

    /// The knobs.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Engines of this GPU.
    pub fn engines(&self) -> &[EngineId] {
        self.hw.engines()
    }

    /// Gives a hint to the debug page (scenarios: `Hint::Checkpoint`).
    pub fn hint(&mut self, hint: Hint) {
        self.hw.hint(hint);
    }

    /// What the driver noticed about itself.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Lets an injected failure happen once.
    pub fn inject(&mut self, fault: FaultInjection) {
        self.faults.push(fault);
    }

    /// What lives now.
    pub fn counters(&self) -> Counters {
        let ppgtt = |vma: &Vma| vma.vm != self.ggtt;
        let count = |n: usize| n as u32;
        Counters {
            objects: count(self.objects.len()),
            vmas: count(self.vmas.iter().filter(|(_, v)| ppgtt(v)).count()),
            vmas_bound: count(
                self.vmas.iter().filter(|(_, v)| ppgtt(v) && v.node.is_some()).count(),
            ),
            ggtt_vmas: count(self.vmas.iter().filter(|(_, v)| !ppgtt(v)).count()),
            vms: count(self.vms.len() - 1),
            contexts: count(self.contexts.len()),
            requests: count(self.requests.len()),
            page_table_pages: count(self.vms.iter().map(|(_, vm)| vm.page_count()).sum()),
            max_unbind_depth: self.lock.max_unbind_depth(),
            waits_under_lock: self.lock.waits(),
            deadlocks: count(
                self.findings
                    .iter()
                    .filter(|f| matches!(f, Finding::DeadlockDetected { .. }))
                    .count(),
            ),
        }
    }
}
