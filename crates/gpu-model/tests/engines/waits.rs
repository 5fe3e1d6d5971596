//! Batches that wait: for memory, for signals, for ever.

use gen8_spec::commands::mi::{self, semaphore};
use gen8_spec::context_image::{self as image, control};
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::csb;
use gen8_spec::interrupts as irq;
use gen8_spec::mmio::{self, ring as reg};
use gen8_spec::{masked_disable, masked_enable};
use gpu_model::EngineActivity;
use ppgtt::Levels;

use super::bench::{ARB_CHECK, Bench, Context, END, Vm, start, store, store_ggtt, wait_ggtt};

const BCS: EngineId = EngineId::Bcs;
const RCS: EngineId = EngineId::Rcs;
const BATCH: u64 = 0x80_0000;

/// A device with both engines in execlists mode, a page to wait for and one to write to.
struct Setup {
    bench: Bench,
    vm: Vm,
    gate: u64,
    target: u64,
}

fn setup() -> Setup {
    let mut bench = Bench::new();
    for engine in EngineId::ALL {
        bench.execlists(engine);
    }
    let vm = bench.vm(Levels::Four);
    let (gate, target) = (bench.page(), bench.page());
    Setup { bench, vm, gate, target }
}

/// MI_SEMAPHORE_WAIT in signal mode until the dword at `address` is `value`.
fn wait_for_signal(address: u64, value: u32) -> [u32; 4] {
    let [header, data, low, high] = wait_ggtt(address, semaphore::SAD_EQ_SDD, value);
    [header & !semaphore::POLL, data, low, high]
}

/// MI_SEMAPHORE_SIGNAL.
fn signal(target: u32, context: u32) -> [u32; 2] {
    [mi::header(mi::SEMAPHORE_SIGNAL, target << semaphore::TARGET_SHIFT), context]
}

/// Values of MI_SEMAPHORE_SIGNAL's target.
const TO_RCS: u32 = 0;
const TO_BCS: u32 = 2;

impl Setup {
    fn context(&mut self, engine: EngineId, id: u32, commands: &[u32]) -> Context {
        let mut context = self.bench.context(engine, self.vm, id);
        self.bench.emit(&mut context, commands);
        context
    }

    fn run(&mut self, engine: EngineId, id: u32, commands: &[u32]) -> EngineActivity {
        let context = self.context(engine, id, commands);
        self.bench.submit(context, None);
        self.bench.run()
    }

    /// Lets waits of this context switch it out.
    fn allow_switches(&self, context: Context) {
        let control = masked_disable(control::INHIBIT_SYNC_SWITCH);
        self.bench.set_image(context, image::CONTEXT_CONTROL, control);
    }
}

#[test]
fn signal_mode_compares_again_only_after_a_signal_for_the_context() {
    let mut s = setup();
    let (gate, target) = (s.gate, s.target);
    let commands = [&wait_for_signal(gate, 1)[..], &store_ggtt(target, 1)].concat();
    assert_eq!(s.run(RCS, 7, &commands), EngineActivity::Waiting);
    s.bench.poke(gate, 1);
    assert_eq!(s.bench.run(), EngineActivity::Waiting, "memory alone does not wake it");
    s.run(BCS, 1, &[signal(TO_RCS, 8), signal(TO_BCS, 7), signal(6, 7)].concat());
    assert_eq!(s.bench.peek(target), 0, "other context, other engine, no engine");
    assert_eq!(s.run(BCS, 2, &signal(TO_RCS, 7)), EngineActivity::Idle);
    assert_eq!(s.bench.peek(target), 1);
}

#[test]
fn signal_before_memory_is_right_is_used_up() {
    let mut s = setup();
    let gate = s.gate;
    assert_eq!(s.run(RCS, 7, &wait_for_signal(gate, 1)), EngineActivity::Waiting);
    s.run(BCS, 1, &signal(TO_RCS, 7));
    s.bench.poke(gate, 1);
    assert_eq!(s.bench.run(), EngineActivity::Waiting);
    assert_eq!(s.run(BCS, 2, &signal(TO_RCS, 7)), EngineActivity::Idle);
}

#[test]
fn signal_mode_goes_on_at_once_when_memory_is_right_already() {
    let mut s = setup();
    let gate = s.gate;
    s.bench.poke(gate, 1);
    assert_eq!(s.run(RCS, 7, &wait_for_signal(gate, 1)), EngineActivity::Idle);
}

#[test]
fn in_legacy_mode_a_signal_wakes_whatever_context_it_names() {
    let mut s = setup();
    let (gate, ring) = (s.gate, s.bench.page());
    s.bench.set(RCS, reg::GFX_MODE, masked_disable(reg::GFX_MODE_EXECLISTS));
    s.bench.poke_all(ring, &wait_for_signal(gate, 1));
    s.bench.set(RCS, reg::START, ring as u32);
    s.bench.set(RCS, reg::CTL, reg::CTL_VALID);
    s.bench.set(RCS, reg::TAIL, 16);
    assert_eq!(s.bench.run(), EngineActivity::Waiting);
    s.bench.poke(gate, 1);
    assert_eq!(s.run(BCS, 1, &signal(TO_RCS, 0xffff)), EngineActivity::Idle);
}

#[test]
fn wait_switches_to_the_other_element_unless_the_context_inhibits_it() {
    for (polls, mode) in [(true, csb::WAIT_POLLS), (false, 0)] {
        let mut s = setup();
        let (gate, target) = (s.gate, s.target);
        let wait = if polls {
            wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1)
        } else {
            wait_for_signal(gate, 1)
        };
        let waiter = s.context(BCS, 1, &[&wait[..], &store_ggtt(target, 1)].concat());
        let opener = s.context(BCS, 2, &store_ggtt(gate, 1));
        s.allow_switches(waiter);
        s.bench.submit(waiter, Some(opener));
        assert_eq!(s.bench.run(), EngineActivity::Idle);
        let switched = 0x84 | mode;
        assert_eq!(s.bench.csb(BCS, 3), [(0x1, 0), (switched, 1), (0x18, 2)]);
        assert_eq!(s.bench.peek(target), 0);
        s.bench.submit(waiter, None);
        assert_eq!(s.bench.run(), EngineActivity::Idle);
        assert_eq!(s.bench.peek(target), 1, "it goes on at its semaphore");
    }
}

#[test]
fn wait_of_the_last_element_leaves_the_engine_idle_unless_inhibited() {
    let mut s = setup();
    let gate = s.gate;
    let waiter = s.context(BCS, 1, &wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1));
    s.allow_switches(waiter);
    s.bench.submit(waiter, None);
    assert_eq!(s.bench.run(), EngineActivity::Idle);
    assert_eq!(s.bench.csb(BCS, 2), [(0x1, 0), (0x88 | csb::WAIT_POLLS, 1)]);
    // MI_ARB_ON_OFF holds it.
    let off = super::bench::ARB_OFF;
    let commands = [&[off, off][..], &wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1)].concat();
    let held = s.context(BCS, 2, &commands);
    s.allow_switches(held);
    s.bench.submit(held, None);
    assert_eq!(s.bench.run(), EngineActivity::Waiting);
}

#[test]
fn wait_interrupts_once() {
    let mut s = setup();
    let gate = s.gate;
    let bank = irq::gt_bank(BCS.interrupt_bank());
    let bit = irq::WAIT_SEMAPHORE << BCS.interrupt_shift();
    s.bench.write_register(bank + irq::IMR, 0);
    s.run(BCS, 1, &wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1));
    assert_ne!(s.bench.read_register(bank + irq::IIR) & bit, 0);
    s.bench.write_register(bank + irq::IIR, bit);
    s.bench.run();
    assert_eq!(s.bench.read_register(bank + irq::IIR) & bit, 0);
}

#[test]
fn writing_the_wait_bit_back_cancels_the_wait() {
    let mut s = setup();
    let (gate, target) = (s.gate, s.target);
    let wait = wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1);
    let commands = [&wait[..], &store_ggtt(target, 1), &wait, &store_ggtt(target, 2)].concat();
    assert_eq!(s.run(BCS, 1, &commands), EngineActivity::Waiting);
    let ctl = s.bench.get(BCS, reg::CTL);
    assert_ne!(ctl & reg::CTL_WAIT_SEMAPHORE, 0);
    s.bench.set(BCS, reg::CTL, ctl);
    assert_eq!(s.bench.run(), EngineActivity::Waiting, "one wait, not the next");
    assert_eq!(s.bench.peek(target), 1);
}

#[test]
fn user_semaphores_compare_memory_of_their_address_space() {
    for (compare, memory, met) in [
        (semaphore::SAD_GT_SDD, 6, true),
        (semaphore::SAD_GT_SDD, 5, false),
        (semaphore::SAD_GTE_SDD, 5, true),
        (semaphore::SAD_GTE_SDD, 4, false),
        (semaphore::SAD_LT_SDD, 4, true),
        (semaphore::SAD_LT_SDD, 0x8000_0000, false),
        (semaphore::SAD_LTE_SDD, 5, true),
        (semaphore::SAD_LTE_SDD, 6, false),
        (semaphore::SAD_EQ_SDD, 5, true),
        (semaphore::SAD_EQ_SDD, 6, false),
        (semaphore::SAD_NEQ_SDD, 6, true),
        (semaphore::SAD_NEQ_SDD, 5, false),
    ] {
        let mut s = setup();
        let va = 0x40_0000;
        let page = s.bench.mapped_page(s.vm, va);
        s.bench.poke(page, memory);
        let [header, ..] = wait_ggtt(va, compare, 5);
        let wait = [header & !mi::USE_GGTT, 5, va as u32, 0];
        s.bench.batch(s.vm, BATCH, &[&wait[..], &[END]].concat());
        let done = s.run(BCS, 1, &start(BATCH, mi::BATCH_PPGTT)) == EngineActivity::Idle;
        assert_eq!(done, met, "{compare} with {memory}");
    }
}

#[test]
fn loop_that_does_nothing_waits_and_a_cpu_write_ends_it() {
    let mut s = setup();
    let loops = [&[0, ARB_CHECK][..], &start(BATCH, mi::BATCH_PPGTT)].concat();
    let page = s.bench.batch(s.vm, BATCH, &loops);
    assert_eq!(s.run(BCS, 1, &start(BATCH, mi::BATCH_PPGTT)), EngineActivity::Waiting);
    let report = s.bench.gpu.step(300);
    assert!(report.commands > 30, "it goes on looking at its commands");
    assert_eq!(report.state, EngineActivity::Waiting);
    s.bench.poke(page, END);
    assert_eq!(s.bench.run(), EngineActivity::Idle);
}

#[test]
fn active_head_moves_in_a_loop() {
    let mut s = setup();
    let loops = [&[0; 61][..], &start(BATCH, mi::BATCH_PPGTT)].concat();
    s.bench.batch(s.vm, BATCH, &loops);
    s.run(BCS, 1, &start(BATCH, mi::BATCH_PPGTT));
    let mut heads: Vec<u32> = Vec::new();
    for _ in 0..8 {
        s.bench.gpu.step(256);
        heads.push(s.bench.get(BCS, reg::ACTHD));
    }
    heads.sort_unstable();
    heads.dedup();
    assert!(heads.len() > 2, "{heads:x?}");
}

#[test]
fn loop_with_an_effect_is_work() {
    let mut s = setup();
    let target = s.target;
    s.bench.map(s.vm, target, target);
    let loops = [&store(target, 1)[..], &start(BATCH, mi::BATCH_PPGTT)].concat();
    s.bench.batch(s.vm, BATCH, &loops);
    let context = s.context(BCS, 1, &start(BATCH, mi::BATCH_PPGTT));
    s.bench.submit(context, None);
    for _ in 0..5 {
        assert_eq!(s.bench.gpu.step(300).state, EngineActivity::Busy);
    }
}

#[test]
fn loop_on_a_condition_in_memory_waits_for_it() {
    let mut s = setup();
    let va = 0x40_0000;
    let page = s.bench.mapped_page(s.vm, va);
    s.bench.poke(page, 9);
    let end = mi::header(mi::CONDITIONAL_BATCH_BUFFER_END, 2) | mi::CONDITIONAL_COMPARE;
    let loops = [&[end, 5, va as u32, 0][..], &start(BATCH, mi::BATCH_PPGTT)].concat();
    s.bench.batch(s.vm, BATCH, &loops);
    assert_eq!(s.run(BCS, 1, &start(BATCH, mi::BATCH_PPGTT)), EngineActivity::Waiting);
    s.bench.poke(page, 5);
    assert_eq!(s.bench.run(), EngineActivity::Idle);
}

#[test]
fn device_answers_takes_work_and_resets_while_every_engine_spins() {
    let mut s = setup();
    s.bench.batch(s.vm, BATCH, &start(BATCH, mi::BATCH_PPGTT));
    for (engine, id) in EngineId::ALL.into_iter().zip(1..) {
        s.run(engine, id, &start(BATCH, mi::BATCH_PPGTT));
    }
    for (engine, id) in EngineId::ALL.into_iter().zip(1..) {
        assert_eq!(s.bench.get(engine, reg::EXECLIST_STATUS_HI), id);
        assert_eq!(s.bench.get(engine, reg::ACTHD), BATCH as u32);
    }
    for engine in EngineId::ALL {
        s.bench.write_register(mmio::GDRST, engine.reset_domain());
        s.bench.set(engine, reg::GFX_MODE, masked_enable(reg::GFX_MODE_EXECLISTS));
        let target = s.bench.page();
        s.run(engine, 9, &store_ggtt(target, 1));
        assert_eq!(s.bench.peek(target), 1, "{}", engine.name());
    }
    assert_eq!(s.bench.run(), EngineActivity::Idle);
}

/// The thread of the device sleeps when nothing but waits is left: it must not before a waiter has
/// seen what another engine just wrote.
#[test]
fn write_of_one_engine_is_seen_by_the_waiter_of_another_before_the_device_rests() {
    for first in [RCS, BCS] {
        let second = if first == RCS { BCS } else { RCS };
        let mut s = setup();
        let (gate, target) = (s.gate, s.target);
        let commands = [&wait_ggtt(gate, semaphore::SAD_EQ_SDD, 1)[..], &store_ggtt(target, 1)];
        assert_eq!(s.run(first, 1, &commands.concat()), EngineActivity::Waiting);
        let opener = s.context(second, 2, &store_ggtt(gate, 1));
        s.bench.submit(opener, None);
        let mut steps = 0;
        while s.bench.gpu.step(256).state == EngineActivity::Busy {
            steps += 1;
        }
        assert_eq!(s.bench.peek(target), 1);
        assert!(steps <= 2, "{steps} steps");
    }
}

#[test]
fn long_commands_use_up_the_slice_by_their_length() {
    let mut s = setup();
    let va = 0x100_0000;
    let data = s.bench.pages(2);
    for page in 0..2 {
        s.bench.map(s.vm, va + page * 4096, data + page * 4096);
    }
    let mut fill = vec![mi::header(mi::STORE_DATA_IMM, 1021), va as u32, 0];
    fill.resize(1023, 7);
    let batch = s.bench.pages(8);
    for page in 0..8 {
        s.bench.map(s.vm, BATCH + page * 4096, batch + page * 4096);
    }
    s.bench.poke_all(batch, &[&fill.repeat(7)[..], &[END]].concat());
    let context = s.context(BCS, 1, &start(BATCH, mi::BATCH_PPGTT));
    s.bench.submit(context, None);
    let report = s.bench.gpu.step(64);
    assert!(report.commands <= 3, "{} commands", report.commands);
    assert_eq!(s.bench.run(), EngineActivity::Idle);
    assert_eq!(s.bench.peek(data + 4 * 1019), 7);
}
