//! Translations stay until something of the documented list invalidates them.

use gen8_spec::commands::mi::{self, flush_dw};
use gen8_spec::commands::pipe_control as pipe;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::ContextDescriptor;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::{masked_disable, pte};
use gpu_model::{Event, GpuConfig};
use ppgtt::{Levels, PhysicalMemory};

use super::bench::{Bench, Context, Vm, load_register, store};

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
    let mut stale = Stale::new(EngineId::Bcs);
    stale.bench.write_register(EngineId::Rcs.tlb_invalidate_register(), 1);
    assert!(!stale.run(&[]));
    stale.bench.write_register(EngineId::Bcs.tlb_invalidate_register(), 1);
    assert!(stale.run(&[]));
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
