//! Random clients under every policy and submission mode: the invariants hold after every call,
//! and nothing is left at the end.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::api::{DropCaches, FaultInjection};
use crate::config::{Activity, CloseHook, CloseTiming, HandleRef, PpgttMode, Scratch};
use crate::gt::PtLevels;
use crate::ids::{DmaBuf, Name};

/// One random call: what, and which of the things that exist.
type Op = (u8, u8, u8);

#[derive(Default)]
struct State {
    clients: Vec<ClientId>,
    handles: Vec<(ClientId, Handle)>,
    contexts: Vec<(ClientId, ContextId)>,
    names: Vec<Name>,
    bufs: Vec<DmaBuf>,
}

fn pick<T: Copy>(things: &[T], which: u8) -> Option<T> {
    (!things.is_empty()).then(|| things[usize::from(which) % things.len()])
}

fn exec(gem: &mut TestGem, state: &State, a: u8, b: u8, held: bool) -> Option<()> {
    let (client, context) = pick(&state.contexts, a)?;
    let own: Vec<Handle> =
        state.handles.iter().filter(|(c, _)| *c == client).map(|&(_, h)| h).collect();
    let first = pick(&own, b)?;
    let second = pick(&own, b / 3)?;
    let handles = if first == second { vec![first] } else { vec![second, first] };
    let engine = if b & 1 == 0 { RCS } else { BCS };
    let objects = handles
        .iter()
        .map(|&handle| {
            let object = ExecObject::new(handle);
            if b & 2 == 0 { object } else { object.written() }
        })
        .collect();
    let gate = pick(&own, 0).filter(|_| held);
    if let Some(gate) = gate {
        gem.cpu_mmap_write(client, gate, 0, 0).ok()?;
        let object = gem.object_of(client, gate).ok()?;
        gem.hw.hold_next = Some(gem.objects.get(object).ok()?.backing[0]);
    }
    let exec = ExecBuffer { context, engine, objects, batch_offset: 0 };
    let _ = gem.execbuffer(client, &exec);
    gem.hw.hold_next = None;
    if let Some(gate) = gate {
        // Somebody will open it: with or without the lock.
        gem.queue_gate(client, gate, b & 4 == 0);
    }
    Some(())
}

fn step(gem: &mut TestGem, state: &mut State, (what, a, b): Op) -> Option<()> {
    match what % 16 {
        0 => {
            let client = gem.open().ok()?;
            state.clients.push(client);
            state.contexts.push((client, ContextId::DEFAULT));
        }
        1 => {
            let client = pick(&state.clients, a)?;
            // A queued action of a closed client could not run.
            gem.quiesce();
            gem.close(client).ok()?;
            state.clients.retain(|&c| c != client);
            state.handles.retain(|&(c, _)| c != client);
            state.contexts.retain(|&(c, _)| c != client);
        }
        2 => {
            let client = pick(&state.clients, a)?;
            let handle = gem.gem_create(client, u64::from(b % 4 + 1) * PAGE).ok()?;
            state.handles.push((client, handle));
        }
        3 => {
            let (client, handle) = pick(&state.handles, a)?;
            gem.quiesce();
            gem.gem_close(client, handle).ok()?;
            state.handles.retain(|&h| h != (client, handle));
        }
        4 => {
            let (client, handle) = pick(&state.handles, a)?;
            state.names.push(gem.gem_flink(client, handle).ok()?);
        }
        5 => {
            let handle = gem.gem_open(pick(&state.clients, a)?, pick(&state.names, b)?).ok()?;
            state.handles.push((pick(&state.clients, a)?, handle));
        }
        6 => {
            let (client, handle) = pick(&state.handles, a)?;
            state.bufs.push(gem.prime_export(client, handle).ok()?);
        }
        7 => {
            let client = pick(&state.clients, a)?;
            let handle = gem.prime_import(client, pick(&state.bufs, b)?).ok()?;
            if !state.handles.contains(&(client, handle)) {
                state.handles.push((client, handle));
            }
        }
        8 => {
            let client = pick(&state.clients, a)?;
            state.contexts.push((client, gem.context_create(client).ok()?));
        }
        9 => {
            let (client, context) = pick(&state.contexts, a)?;
            gem.context_destroy(client, context).ok()?;
            state.contexts.retain(|&c| c != (client, context));
        }
        10 | 11 => exec(gem, state, a, b, false)?,
        12 => exec(gem, state, a, b, true)?,
        13 => match a % 4 {
            0 => gem.retire(),
            1 => gem.poll(),
            2 => gem.quiesce(),
            _ => gem.settle(),
        },
        14 => {
            let (client, handle) = pick(&state.handles, a)?;
            match b % 3 {
                0 => gem.gem_wait(client, handle, Some(1_000_000)).ok()?,
                1 => gem.sync_maybe(client, handle),
                _ => gem.pwrite(client, handle, 0, &[7]).ok()?,
            }
        }
        _ => match a % 4 {
            0 => gem.drop_caches(DropCaches(u32::from(b & 0x6f))).ok()?,
            1 => gem.inject(FaultInjection::ExecbufVaSpace),
            2 => gem.inject(FaultInjection::PageTableAlloc),
            _ => gem.hw.relax_once(),
        },
    }
    Some(())
}

impl TestGem {
    fn sync_maybe(&mut self, client: ClientId, handle: Handle) {
        let _ = self.set_domain(client, handle, Domain::Cpu, true);
    }
}

impl FakeGpu {
    fn relax_once(&mut self) {
        use crate::hardware::Hardware;
        self.relax();
    }
}

fn run(config: Config, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut gem = gem(config);
    let mut state = State::default();
    for &op in ops {
        step(&mut gem, &mut state, op);
        gem.check_invariants()
            .map_err(|broken| TestCaseError::fail(alloc::format!("{op:?}: {broken}")))?;
    }
    let stale = gem.findings().iter().find(|f| matches!(f, Finding::StaleReference(_)));
    prop_assert!(stale.is_none(), "{stale:?}");
    gem.end();
    Ok(())
}

/// Any policy with any knobs, also those that no kernel ever had together.
fn knobs() -> impl Strategy<Value = Config> {
    let kernel = (
        prop::sample::select(Policy::ALL.to_vec()),
        prop::sample::select(vec![Activity::PerObject, Activity::PerVma]),
        prop::sample::select(vec![HandleRef::PerHandle, HandleRef::SharedOne]),
        prop::sample::select(vec![CloseHook::None, CloseHook::ByVmFile, CloseHook::ByLut]),
        prop::sample::select(vec![CloseTiming::Immediate, CloseTiming::LazyUntilParked]),
        any::<[bool; 3]>(),
    );
    let machine = (
        prop::sample::select(vec![
            Submission::LegacyRing,
            Submission::Execlists,
            Submission::ExeclistsLastCtx,
        ]),
        prop::sample::select(vec![PtLevels::Three, PtLevels::Four]),
        prop::sample::select(vec![Scratch::PerVm, Scratch::Shared]),
        prop_oneof![4 => Just(PpgttMode::Full), 1 => Just(PpgttMode::Aliasing), 1 => Just(PpgttMode::None)],
        prop::option::of(Just(0x4_0000 + 6 * PAGE)),
    );
    (kernel, machine).prop_map(|(kernel, (submission, levels, scratch, ppgtt, vm_size))| {
        let (policy, activity, handle_ref, close_hook, close_timing, flags) = kernel;
        let [vma_holds_vm_ref, park_switches_context, switch_keeps_context] = flags;
        Config {
            activity,
            handle_ref,
            close_hook,
            close_timing,
            vma_holds_vm_ref,
            park_switches_context,
            switch_keeps_context,
            submission,
            levels,
            scratch,
            ppgtt,
            vm_size,
            ..Config::for_policy(policy)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_clients_keep_the_invariants_under_every_policy(
        ops in prop::collection::vec(any::<Op>(), 1..120),
    ) {
        // A client and some objects to begin with, so that few steps are wasted.
        let mut all: Vec<Op> = vec![(0, 0, 0), (0, 0, 0), (2, 0, 0), (2, 1, 1), (4, 0, 0), (5, 1, 0)];
        all.extend(ops);
        for policy in Policy::ALL {
            let base = Config::for_policy(policy);
            for submission in [Submission::LegacyRing, base.submission] {
                let small = Some(0x4_0000 + 6 * PAGE);
                run(Config { submission, ..base }, &all)?;
                run(Config { submission, vm_size: small, ..base }, &all)?;
            }
        }
    }

    #[test]
    fn random_clients_keep_the_invariants_under_every_mix_of_knobs(
        ops in prop::collection::vec(any::<Op>(), 1..80),
        config in knobs(),
    ) {
        let mut all: Vec<Op> = vec![(0, 0, 0), (0, 0, 0), (2, 0, 0), (2, 1, 1), (4, 0, 0), (5, 1, 0)];
        all.extend(ops);
        run(config, &all)?;
    }
}
