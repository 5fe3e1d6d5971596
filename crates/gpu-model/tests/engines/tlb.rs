//! Translations stay until something of the documented list invalidates them.

use gen8_spec::commands::mi::{self, flush_dw};
use gen8_spec::commands::pipe_control as pipe;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::{masked_disable, pte};
use gpu_model::{Event, GpuConfig};
use ppgtt::{Levels, PhysicalMemory};

use super::bench::{Bench, Context, END, Vm, load_register, start, store};

const VA: u64 = 0x1_0000;

/// A context that has written to [`VA`], whose PTE then was changed behind the TLB's back.
struct Stale {
    bench: Bench,
    vm: Vm,
    context: Context,
    old: u64,
    new: u64,
    value: u32,
}

impl Stale {
    fn new(engine: EngineId) -> Stale {
        Stale::on(Bench::new(), engine)
    }

    fn on(mut bench: Bench, engine: EngineId) -> Stale {
        bench.execlists(engine);
        let vm = bench.vm(Levels::Four);
        let (old, new) = (bench.page(), bench.page());
        let context = bench.context(engine, vm, 1);
        let mut stale = Stale { bench, vm, context, old, new, value: 0 };
        stale.prime();
        stale
    }

    /// Fills the TLB with the old page, then maps the new one.
    fn prime(&mut self) {
        let pte = self.bench.map(self.vm, VA, self.old);
        self.bench.write_register(self.context.engine.tlb_invalidate_register(), 1);
        self.run(&[]);
        let entry = pte::encode_pte(self.new, pte::CacheLevel::Llc, false);
        assert!(self.bench.ram.write_u64(pte, entry));
        self.bench.events();
    }

    /// Runs `before`, then a write to [`VA`]; returns whether it reached the new page.
    fn run(&mut self, before: &[u32]) -> bool {
        self.value += 1;
        self.bench.emit(&mut self.context, before);
        self.bench.emit(&mut self.context, &store(VA, self.value));
        self.bench.submit(self.context, None);
        self.bench.run();
        let (old, new) = (self.bench.peek(self.old), self.bench.peek(self.new));
        assert!((old == self.value) != (new == self.value), "{old} {new}");
        new == self.value
    }
}

#[test]
fn stale_translation_is_used_and_told() {
    let mut stale = Stale::new(EngineId::Bcs);
    assert!(!stale.run(&[]));
    let expected = Event::StaleTlb {
        engine: EngineId::Bcs,
        address: VA,
        write: true,
        used: stale.old,
        current: Some(stale.new),
    };
    assert!(stale.bench.events().contains(&expected));
}

#[test]
fn translation_without_page_is_told_as_none() {
    let mut stale = Stale::new(EngineId::Bcs);
    stale.bench.write_pte(stale.vm, VA, 0);
    assert!(!stale.run(&[]));
    let gone = |event: &Event| matches!(event, Event::StaleTlb { current: None, .. });
    assert!(stale.bench.events().iter().any(gone));
}

#[test]
fn rights_that_changed_are_told_though_the_page_is_the_same() {
    let mut stale = Stale::new(EngineId::Bcs);
    let entry = pte::encode_pte(stale.old, pte::CacheLevel::Llc, true);
    stale.bench.write_pte(stale.vm, VA, entry);
    assert!(!stale.run(&[]));
    let same = |event: &Event| match event {
        Event::StaleTlb { used, current, .. } => *used == stale.old && *current == Some(*used),
        _ => false,
    };
    assert!(stale.bench.events().iter().any(same));
}

#[test]
fn a_read_by_a_stale_translation_is_told_as_one() {
    let mut stale = Stale::new(EngineId::Bcs);
    let register = EngineId::Bcs.mmio_base() + reg::GPR0;
    let load = [mi::header(mi::LOAD_REGISTER_MEM, 2), register, VA as u32, 0];
    stale.bench.emit(&mut stale.context, &load);
    stale.bench.submit(stale.context, None);
    stale.bench.run();
    let read = |event: &Event| matches!(event, Event::StaleTlb { write: false, .. });
    assert!(stale.bench.events().iter().any(read));
}

#[test]
fn pipe_control_invalidates_with_cs_stall_only() {
    let mut stale = Stale::new(EngineId::Rcs);
    assert!(!stale.run(&[pipe::HEADER, pipe::TLB_INVALIDATE, 0, 0, 0, 0]));
    assert!(stale.run(&[pipe::HEADER, pipe::TLB_INVALIDATE | pipe::CS_STALL, 0, 0, 0, 0]));
}

#[test]
fn flush_dw_invalidates_with_a_post_sync_operation_only() {
    let mut stale = Stale::new(EngineId::Bcs);
    let header = mi::header(mi::FLUSH_DW, 2) | flush_dw::TLB_INVALIDATE;
    assert!(!stale.run(&[header, 0, 0, 0]));
    let write = header | flush_dw::POST_SYNC_WRITE | flush_dw::STORE_INDEX;
    assert!(stale.run(&[write, 0xd0, 0, 0]));
}

#[test]
fn tlb_register_invalidates_its_engine_only() {
    for engine in EngineId::ALL {
        let mut stale = Stale::new(engine);
        for other in EngineId::ALL.into_iter().filter(|&other| other != engine) {
            stale.bench.write_register(other.tlb_invalidate_register(), 1);
        }
        assert!(!stale.run(&[]), "{}", engine.name());
        stale.bench.write_register(engine.tlb_invalidate_register(), 0);
        assert!(!stale.run(&[]), "{}", engine.name());
        stale.bench.write_register(engine.tlb_invalidate_register(), 1);
        assert_eq!(stale.bench.read_register(engine.tlb_invalidate_register()), 0);
        assert!(stale.run(&[]), "{}", engine.name());
    }
}

/// Nothing of this is in the list of triggers.
#[test]
fn batches_semaphores_notifications_and_ggtt_flushes_do_not_invalidate() {
    let mut stale = Stale::new(EngineId::Rcs);
    stale.bench.batch(stale.vm, 0x20_0000, &[mi::header(mi::NOOP, 0), END]);
    stale.bench.write_register(mmio::GFX_FLSH_CNTL, mmio::GFX_FLSH_CNTL_EN);
    let quiet = pipe::CS_STALL | pipe::FLUSH_ENABLE | pipe::NOTIFY;
    let commands = [
        &[pipe::HEADER, quiet, 0, 0, 0, 0][..],
        &[mi::header(mi::USER_INTERRUPT, 0), mi::header(mi::ARB_CHECK, 0)],
        &start(0x20_0000, mi::BATCH_PPGTT),
    ]
    .concat();
    assert!(!stale.run(&commands));
}

#[test]
fn full_reset_invalidates_every_engine() {
    for engine in EngineId::ALL {
        let mut stale = Stale::new(engine);
        stale.bench.write_register(mmio::GDRST, mmio::GDRST_FULL);
        stale.bench.execlists(engine);
        assert!(stale.run(&[]), "{}", engine.name());
    }
}

/// Commands are read from memory each time; only where they are can be stale.
#[test]
fn batch_that_is_rewritten_in_place_is_fetched_anew_and_one_that_moved_needs_an_invalidation() {
    let mut stale = Stale::new(EngineId::Bcs);
    let (va, target) = (0x20_0000, stale.bench.page());
    let batch = |value| [&super::bench::store_ggtt(target, value)[..], &[END]].concat();
    let (first, second) = (stale.bench.page(), stale.bench.page());
    let place = stale.bench.map(stale.vm, va, first);
    let call = start(va, 0);
    for page in [first, second] {
        stale.bench.map_ggtt(va, page);
    }
    // Privileged batches come from the GGTT, which has no TLB: always the new place.
    stale.bench.poke_all(second, &batch(1));
    stale.run(&call);
    assert_eq!(stale.bench.peek(target), 1);
    stale.bench.poke_all(second, &batch(2));
    stale.run(&call);
    assert_eq!(stale.bench.peek(target), 2);
    // User batches come from the PPGTT.
    let user = |value| [&store(VA + 0x100, value)[..], &[END]].concat();
    let call = start(va, mi::BATCH_PPGTT);
    stale.bench.poke_all(first, &user(3));
    stale.bench.poke_all(second, &user(5));
    stale.run(&call);
    assert_eq!(stale.bench.peek(stale.old + 0x100), 3);
    stale.bench.poke_all(first, &user(4));
    stale.run(&call);
    assert_eq!(stale.bench.peek(stale.old + 0x100), 4);
    let entry = pte::encode_pte(second, pte::CacheLevel::Llc, false);
    assert!(stale.bench.ram.write_u64(place, entry));
    stale.run(&call);
    assert_eq!(stale.bench.peek(stale.old + 0x100), 4, "the old place");
    stale.bench.write_register(EngineId::Bcs.tlb_invalidate_register(), 1);
    stale.run(&call);
    assert_eq!(stale.bench.peek(stale.new + 0x100), 5);
}

#[test]
fn pdp_register_write_invalidates() {
    let mut stale = Stale::new(EngineId::Bcs);
    let register = EngineId::Bcs.mmio_base() + reg::PDP0_LDW;
    let value = stale.vm.pdps[0] as u32;
    assert!(stale.run(&load_register(register, value)));
}

#[test]
fn force_pd_restore_invalidates_and_a_plain_restore_does_not() {
    let mut stale = Stale::new(EngineId::Bcs);
    stale.context.descriptor.0 |= ContextDescriptor::FORCE_RESTORE;
    assert!(!stale.run(&[]));
    stale.context.descriptor.0 |= ContextDescriptor::FORCE_PD_RESTORE;
    assert!(stale.run(&[]));
}

#[test]
fn context_with_other_page_tables_invalidates() {
    let mut stale = Stale::new(EngineId::Bcs);
    let other_vm = stale.bench.vm(Levels::Four);
    let other = stale.bench.context(EngineId::Bcs, other_vm, 2);
    stale.bench.submit(other, None);
    stale.bench.run();
    assert!(stale.run(&[]));
}

#[test]
fn implicit_mode_invalidates_at_context_borders() {
    let mut stale = Stale::new(EngineId::Bcs);
    let bit = masked_disable(reg::GFX_MODE_TLB_EXPLICIT);
    stale.bench.set(EngineId::Bcs, reg::GFX_MODE, bit);
    assert!(stale.run(&[]));
}

#[test]
fn engine_reset_invalidates() {
    let mut stale = Stale::new(EngineId::Bcs);
    stale.bench.write_register(mmio::GDRST, EngineId::Bcs.reset_domain());
    stale.bench.execlists(EngineId::Bcs);
    assert!(stale.run(&[]));
}

#[test]
fn mutated_device_ignores_every_invalidation() {
    let mut config = GpuConfig::by_device_id(0x1626).expect("a Broadwell");
    config.mutations.tlb_never_invalidates = true;
    let mut stale = Stale::on(Bench::with_config(config), EngineId::Rcs);
    stale.bench.write_register(EngineId::Rcs.tlb_invalidate_register(), 1);
    let all = pipe::TLB_INVALIDATE | pipe::CS_STALL;
    assert!(!stale.run(&[pipe::HEADER, all, 0, 0, 0, 0]));
}
