//! Legacy ring submission: registers by MMIO, page tables by LRI, contexts by MI_SET_CONTEXT.

use gen8_spec::commands::mi::{self, set_context};
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::ring as reg;
use gen8_spec::{PAGE_SIZE, hwsp, masked_enable};
use gpu_model::{EngineActivity, Event};
use ppgtt::Levels;

use super::bench::{Bench, END, Vm, load_register, start, store, store_ggtt};

const RCS: EngineId = EngineId::Rcs;
const VA: u64 = 0x40_0000;

/// A ring of 32 pages.
struct Ring {
    engine: EngineId,
    base: u64,
    tail: u32,
}

const RING_BYTES: u32 = 32 * PAGE_SIZE as u32;

impl Ring {
    fn new(bench: &mut Bench, engine: EngineId) -> Ring {
        let base = bench.pages((RING_BYTES / PAGE_SIZE as u32).into());
        bench.set(engine, reg::CTL, 0);
        bench.set(engine, reg::HEAD, 0);
        bench.set(engine, reg::TAIL, 0);
        bench.set(engine, reg::START, base as u32);
        bench.set(engine, reg::CTL, (RING_BYTES - PAGE_SIZE as u32) | reg::CTL_VALID);
        Ring { engine, base, tail: 0 }
    }

    fn run(&mut self, bench: &mut Bench, commands: &[u32]) -> EngineActivity {
        let padding = commands.len() % 2;
        for &dword in commands.iter().chain(&[0][..padding]) {
            bench.poke(self.base + u64::from(self.tail), dword);
            self.tail = (self.tail + 4) % RING_BYTES;
        }
        bench.set(self.engine, reg::TAIL, self.tail);
        bench.run()
    }
}

/// LRI of the PDP registers, n = 3..0, upper before lower half.
fn load_pdps(engine: EngineId, vm: Vm) -> Vec<u32> {
    let mut commands = Vec::new();
    for n in (0..4u32).rev() {
        let pdp = vm.pdps[n as usize];
        let at = engine.mmio_base() + 8 * n;
        commands.extend(load_register(at + reg::PDP0_UDW, (pdp >> 32) as u32));
        commands.extend(load_register(at + reg::PDP0_LDW, pdp as u32));
    }
    commands
}

#[test]
fn batch_writes_a_dword_on_every_engine_with_three_and_four_levels() {
    for levels in [Levels::Three, Levels::Four] {
        for engine in EngineId::ALL {
            let mut bench = Bench::new();
            let wide = if levels == Levels::Four { reg::GFX_MODE_48BIT } else { 0 };
            bench.set(engine, reg::GFX_MODE, masked_enable(reg::GFX_MODE_PPGTT | wide));
            let vm = bench.vm(levels);
            let target = bench.mapped_page(vm, VA);
            bench.batch(vm, VA + 0x1000, &[&store(VA, 0xfeed)[..], &[END]].concat());
            let mut ring = Ring::new(&mut bench, engine);
            let mut commands = load_pdps(engine, vm);
            commands.extend(start(VA + 0x1000, mi::BATCH_PPGTT));
            assert_eq!(ring.run(&mut bench, &commands), EngineActivity::Idle);
            assert_eq!(bench.peek(target), 0xfeed, "{} {levels:?}", engine.name());
            assert_eq!(bench.get(engine, reg::HEAD), ring.tail);
            let loaded = |event: &Event| match event {
                Event::PdpLoaded { engine: by, levels: of, pdps, .. } => {
                    (*by, *of, *pdps) == (engine, levels.number(), vm.pdps)
                }
                _ => false,
            };
            assert!(bench.events().iter().any(loaded));
        }
    }
}

#[test]
fn ring_without_valid_bit_or_with_nonsense_does_not_run() {
    let mut bench = Bench::new();
    let target = bench.page();
    let mut ring = Ring::new(&mut bench, RCS);
    bench.set(RCS, reg::CTL, 0);
    ring.run(&mut bench, &store_ggtt(target, 1));
    assert_eq!(bench.peek(target), 0);
    bench.set(RCS, reg::CTL, (RING_BYTES - PAGE_SIZE as u32) | reg::CTL_VALID);
    bench.set(RCS, reg::HEAD, RING_BYTES);
    bench.events();
    ring.run(&mut bench, &[]);
    assert_eq!(bench.peek(target), 0);
    assert!(bench.events().iter().any(|event| matches!(event, Event::GuestError { .. })));
    bench.set(RCS, reg::HEAD, 0);
    assert_eq!(ring.run(&mut bench, &[]), EngineActivity::Idle);
    assert_eq!(bench.peek(target), 1);
}

#[test]
fn set_context_keeps_registers_apart_and_shows_in_ccid() {
    let mut bench = Bench::new();
    let mut ring = Ring::new(&mut bench, RCS);
    let (first, second) = (bench.page(), bench.page());
    let register = RCS.mmio_base() + reg::GPR0;
    let flags = set_context::MEMORY_GTT;
    let switch =
        |page: u64, more: u32| [mi::header(mi::SET_CONTEXT, 0), page as u32 | flags | more];
    ring.run(&mut bench, &switch(first, set_context::RESTORE_INHIBIT));
    assert_eq!(bench.get(RCS, reg::CCID), first as u32 | flags | reg::CCID_VALID);
    ring.run(&mut bench, &load_register(register, 1));
    ring.run(&mut bench, &load_register(0x7004, masked_enable(2)));
    ring.run(&mut bench, &switch(second, set_context::RESTORE_INHIBIT));
    assert_eq!((bench.read_register(register), bench.read_register(0x7004)), (0, 0));
    ring.run(&mut bench, &switch(first, 0));
    assert_eq!((bench.read_register(register), bench.read_register(0x7004)), (1, 2));
    // The same context again is no switch: nothing is loaded from its image.
    ring.run(&mut bench, &load_register(register, 3));
    ring.run(&mut bench, &switch(first, 0));
    assert_eq!(bench.read_register(register), 3);
}

#[test]
fn set_context_to_an_unmapped_image_stops_the_engine() {
    let mut bench = Bench::new();
    let mut ring = Ring::new(&mut bench, RCS);
    let image = bench.page();
    bench.write_ggtt_pte(image, 0);
    let operand = image as u32 | set_context::MEMORY_GTT;
    let activity = ring.run(&mut bench, &[mi::header(mi::SET_CONTEXT, 0), operand]);
    assert_eq!(activity, EngineActivity::Waiting);
    assert!(bench.events().iter().any(|event| matches!(event, Event::Fault(_))));
}

#[test]
fn head_is_reported_every_64_kib() {
    let mut bench = Bench::new();
    let mut ring = Ring::new(&mut bench, RCS);
    bench.set(RCS, reg::CTL, bench_control() | reg::CTL_REPORT_64K);
    let page = bench.status_page(RCS);
    ring.run(&mut bench, &vec![0; 0x3ffe]);
    assert_eq!(bench.peek(page + hwsp::HEAD_REPORT), 0);
    ring.run(&mut bench, &[0; 4]);
    assert_eq!(bench.peek(page + hwsp::HEAD_REPORT), 0x1_0000);
}

fn bench_control() -> u32 {
    (RING_BYTES - PAGE_SIZE as u32) | reg::CTL_VALID
}

#[test]
fn without_ppgtt_a_user_batch_is_in_the_ggtt_and_has_no_privilege() {
    let mut bench = Bench::new();
    let mut ring = Ring::new(&mut bench, RCS);
    let (batch, target) = (bench.page(), bench.page());
    let register = RCS.mmio_base() + reg::MAX_IDLE;
    let commands = [&store(target, 1)[..], &load_register(register, 5), &[END]].concat();
    bench.poke_all(batch, &commands);
    ring.run(&mut bench, &start(batch, mi::BATCH_PPGTT));
    assert_eq!((bench.peek(target), bench.read_register(register)), (1, 0));
}

#[test]
fn disabling_the_ring_forgets_the_batch() {
    let mut bench = Bench::new();
    let mut ring = Ring::new(&mut bench, RCS);
    let batch = bench.page();
    bench.poke_all(batch, &start(batch, 0));
    bench.poke_all(ring.base, &start(batch, 0));
    bench.set(RCS, reg::TAIL, 16);
    assert_ne!(bench.gpu.step(100).state, EngineActivity::Idle);
    bench.set(RCS, reg::CTL, 0);
    assert_eq!(bench.gpu.step(100).state, EngineActivity::Idle);
    assert_ne!(bench.get(RCS, reg::MI_MODE) & reg::MI_MODE_IDLE, 0);
    let target = bench.page();
    ring = Ring::new(&mut bench, RCS);
    assert_eq!(ring.run(&mut bench, &store_ggtt(target, 1)), EngineActivity::Idle);
    assert_eq!(bench.peek(target), 1);
}
