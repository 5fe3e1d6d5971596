//! The lifetime rules over a GPU that completes requests on demand.

mod bugs;
mod fake;
mod knobs;
mod lifecycle;
mod locking;
mod policies;
mod random;

use alloc::vec::Vec;

use gen8_spec::engine::EngineId;

use crate::api::{CpuAction, CpuOp, Domain, ExecBuffer, ExecObject};
use crate::config::Config;
use crate::error::Error;
use crate::findings::Finding;
use crate::gem::Gem;
use crate::gt::Submission;
use crate::ids::{ClientId, ContextId, Handle};
use crate::policy::Policy;
use fake::FakeGpu;

type TestGem = Gem<FakeGpu>;

const PAGE: u64 = 0x1000;
const RCS: EngineId = EngineId::Rcs;
const BCS: EngineId = EngineId::Bcs;

fn gem(config: Config) -> TestGem {
    Gem::over(FakeGpu::new(config.submission.uses_execlists()), config)
}

fn with_policy(policy: Policy) -> TestGem {
    gem(Config::for_policy(policy))
}

/// The policy's knobs with legacy rings.
fn legacy(policy: Policy) -> TestGem {
    gem(Config { submission: Submission::LegacyRing, ..Config::for_policy(policy) })
}

impl TestGem {
    /// Runs `handles` in a context; the last is the batch.
    fn exec(
        &mut self,
        client: ClientId,
        context: ContextId,
        engine: EngineId,
        handles: &[Handle],
    ) -> Result<Vec<u64>, Error> {
        let objects = handles.iter().map(|&handle| ExecObject::new(handle)).collect();
        let exec = ExecBuffer { context, engine, objects, batch_offset: 0 };
        let offsets = self.execbuffer(client, &exec)?.offsets;
        self.check_invariants().expect("invariants after execbuffer");
        Ok(offsets)
    }

    /// As `exec`; the batch waits until the first dword of `gate` is not zero.
    fn exec_held(
        &mut self,
        client: ClientId,
        context: ContextId,
        engine: EngineId,
        handles: &[Handle],
        gate: Handle,
    ) {
        self.cpu_mmap_write(client, gate, 0, 0).expect("gate exists");
        let object = self.object_of(client, gate).expect("gate exists");
        let address = self.objects.get(object).expect("gate exists").backing[0];
        self.hw.hold_next = Some(address);
        self.exec(client, context, engine, handles).expect("exec");
    }

    /// Lets batches go on that wait for `gate`.
    fn open_gate(&mut self, client: ClientId, gate: Handle) {
        self.cpu_mmap_write(client, gate, 0, 1).expect("gate exists");
    }

    /// Another client is about to open the gate.
    fn queue_gate(&mut self, client: ClientId, gate: Handle, needs_struct_mutex: bool) {
        self.queue_action(CpuAction {
            label: "open the gate",
            needs_struct_mutex,
            op: CpuOp::WriteDword { client, handle: gate, offset: 0, value: 1 },
        });
    }

    /// IGT's `gem_sync`.
    fn sync(&mut self, client: ClientId, handle: Handle) {
        self.set_domain(client, handle, Domain::Gtt, true).expect("set_domain");
    }

    fn names(&self) -> Vec<&'static str> {
        self.findings().iter().map(Finding::name).collect()
    }

    /// Everything goes: nothing may be left.
    fn end(mut self) -> TestGem {
        self.teardown();
        self.check_invariants().expect("invariants after teardown");
        let counters = self.counters();
        let left = (counters.objects, counters.vmas, counters.ggtt_vmas, counters.vms);
        assert_eq!(left, (0, 0, 0, 0), "objects, VMAs, GGTT VMAs, VMs left");
        assert_eq!((counters.contexts, counters.requests), (0, 0), "contexts, requests left");
        assert!(self.hw.pages.is_empty(), "{} pages left", self.hw.pages.len());
        assert_eq!((self.hw.images, self.hw.nodes), (0, 0), "images, GGTT nodes left");
        self
    }
}

/// VMs, VMAs and page-table pages.
fn excess(gem: &TestGem) -> (u32, u32, u32) {
    let counters = gem.counters();
    (counters.vms, counters.vmas, counters.page_table_pages)
}
