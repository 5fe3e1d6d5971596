//! The halves of `gt` together, on the fake machine.

use alloc::vec;
use alloc::vec::Vec;

use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{FORCEWAKE_MT, GDRST, ring as reg};
use gen8_spec::{PAGE_SIZE, context_image, debug_page};

use super::testing::FakeMachine;
use super::*;

const EXECLISTS: GtConfig =
    GtConfig { submission: Submission::Execlists, levels: PtLevels::Four, hints: true };
const LEGACY: GtConfig = GtConfig { submission: Submission::LegacyRing, ..EXECLISTS };

fn probe(config: GtConfig) -> Gt<FakeMachine> {
    let mut gt = Gt::probe(FakeMachine::new(), config).expect("the fake machine is healthy");
    gt.platform_mut().take_writes();
    gt
}

fn stick(gt: &mut Gt<FakeMachine>, engine: EngineId) {
    gt.platform_mut().stuck.insert(engine);
}

/// Lets `engine` run and handles interrupts until it has nothing left.
fn finish(gt: &mut Gt<FakeMachine>, engine: EngineId) {
    gt.platform_mut().stuck.remove(&engine);
    for _ in 0..100 {
        gt.relax();
        gt.poll();
        if gt.queue_idle(engine) {
            return;
        }
    }
    panic!("{} does not become idle", engine.name());
}

fn tokens(gt: &mut Gt<FakeMachine>, engine: EngineId) -> Vec<u64> {
    core::iter::from_fn(|| gt.take_switched_out(engine)).collect()
}

fn elsp(gt: &mut Gt<FakeMachine>, engine: EngineId) -> Vec<u64> {
    let port = engine.mmio_base() + reg::ELSP;
    let writes = gt.platform_mut().take_writes();
    writes.into_iter().filter(|write| write.0 == port).map(|write| write.1).collect()
}

#[test]
fn probe_finds_the_engines_of_each_part() {
    for (device_id, count) in [(0x1606, 4), (0x1616, 4), (0x1626, 5), (0x163a, 4)] {
        for config in [EXECLISTS, LEGACY] {
            let machine = FakeMachine::with(|m| m.device_id = device_id);
            let gt = Gt::probe(machine, config).unwrap();
            assert_eq!(gt.engines().len(), count, "{device_id:#x}");
            assert_eq!(gt.sku().device_id, device_id);
        }
    }
}

#[test]
fn probe_refuses_what_is_not_a_broadwell() {
    let machine = FakeMachine::with(|m| m.device_id = 0x1912);
    assert_eq!(Gt::probe(machine, EXECLISTS).err(), Some(ProbeError::UnknownDevice(0x1912)));
}

#[test]
fn probe_reports_a_dead_engine_and_a_failed_handshake() {
    let machine = FakeMachine::with(|m| m.stuck = [EngineId::Vcs].into());
    assert_eq!(Gt::probe(machine, EXECLISTS).err(), Some(ProbeError::EngineDead(EngineId::Vcs)));
    let machine = FakeMachine::with(|m| m.reset_broken = true);
    assert_eq!(
        Gt::probe(machine, EXECLISTS).err(),
        Some(ProbeError::Reset(ResetError::NotReady(EngineId::Rcs)))
    );
}

#[test]
fn probe_wakes_then_resets_twice() {
    let mut gt = Gt::probe(FakeMachine::new(), EXECLISTS).unwrap();
    let writes: Vec<_> = gt
        .platform_mut()
        .take_writes()
        .into_iter()
        .filter(|(register, _)| [FORCEWAKE_MT, GDRST].contains(register))
        .collect();
    assert_eq!(writes, [(0xa188, 0xffff_0000), (0xa188, 0x0001_0001), (0x941c, 1), (0x941c, 1)]);
}

#[test]
fn shutdown_frees_every_page_also_of_forgotten_contexts() {
    for config in [EXECLISTS, LEGACY] {
        let mut gt = probe(config);
        gt.context_create(1, EngineId::Rcs).unwrap();
        assert!(gt.platform().pages_allocated() > 20);
        assert_eq!(gt.shutdown().pages_allocated(), 0);
    }
}

#[test]
fn context_creation_that_runs_out_of_pages_keeps_none() {
    let mut gt = probe(EXECLISTS);
    let before = gt.platform().pages_allocated();
    // 20 image pages and 4 ring pages are needed.
    for left in 0..24 {
        gt.platform_mut().limit_pages(left);
        assert!(gt.context_create(1, EngineId::Rcs).is_err());
        assert_eq!(gt.platform().pages_allocated(), before, "with {left} pages");
    }
    gt.platform_mut().limit_pages(24);
    assert!(gt.context_create(1, EngineId::Rcs).is_ok());
}

#[test]
fn a_second_context_of_the_same_id_is_refused() {
    let mut gt = probe(EXECLISTS);
    let first = gt.context_create(1, EngineId::Bcs).unwrap();
    assert_eq!(gt.context_create(1, EngineId::Bcs), Err(ContextError::Duplicate(1)));
    assert!(gt.context_create(1, EngineId::Vcs).is_ok(), "another engine");
    gt.context_destroy(first);
    assert!(gt.context_create(1, EngineId::Bcs).is_ok());
}

#[test]
fn elsp_gets_element_one_first_and_element_zero_last() {
    let mut gt = probe(EXECLISTS);
    let engine = EngineId::Bcs;
    stick(&mut gt, engine);
    let mut contexts: Vec<_> = (1..4).map(|id| gt.context_create(id, engine).unwrap()).collect();
    let lrca: Vec<_> = contexts
        .iter()
        .map(|ctx| gt.engines[1].contexts[&ctx.context].image.as_ref().unwrap().address())
        .map(u64::from)
        .collect();
    gt.platform_mut().take_writes();
    for ctx in &mut contexts {
        gt.submit(ctx, &Work::empty(ctx.context.into())).unwrap();
    }
    // Valid, force restore, legacy 64-bit, coherent, PPGTT.
    assert_eq!(elsp(&mut gt, engine), [0, 0, 1, lrca[0] | 0x13d]);
    gt.relax();
    gt.platform_mut().stuck.remove(&engine);
    gt.relax();
    gt.poll();
    assert_eq!(elsp(&mut gt, engine), [3, lrca[2] | 0x13d, 2, lrca[1] | 0x13d]);
    finish(&mut gt, engine);
    assert_eq!(tokens(&mut gt, engine), [1, 2, 3]);
    assert_eq!(gt.completed_seqno(engine), gt.submitted_seqno(engine));
}

#[test]
fn three_level_pdps_are_in_the_image_at_submission() {
    let mut gt = probe(GtConfig { levels: PtLevels::Three, ..EXECLISTS });
    let mut ctx = gt.context_create(1, EngineId::Vecs).unwrap();
    let root = PageTableRoot::ThreeLevel([0x1_0000_1000, 0x2000, 0x3000, 0x4000]);
    let work = Work { address_space: Some(root), ..Work::empty(9) };
    gt.submit(&mut ctx, &work).unwrap();
    let index = gt.index(EngineId::Vecs).unwrap();
    let image = gt.engines[index].contexts[&1].image.as_ref().unwrap().address();
    let state = u64::from(image) + PAGE_SIZE;
    let value = |dword: usize| gt.platform().ggtt_read(state + 4 * (dword as u64 + 1));
    assert_eq!((value(context_image::pdp_udw(0)), value(context_image::pdp_ldw(0))), (1, 0x1000));
    assert_eq!((value(context_image::pdp_udw(3)), value(context_image::pdp_ldw(3))), (0, 0x4000));
}

#[test]
fn legacy_submission_moves_the_tail_only() {
    let mut gt = probe(LEGACY);
    let mut ctx = gt.context_create(1, EngineId::Vcs).unwrap();
    gt.platform_mut().take_writes();
    let submitted = gt.submit(&mut ctx, &Work::empty(1)).unwrap();
    assert_eq!(gt.platform_mut().take_writes(), [(0x1_2030, u64::from(submitted.tail))]);
    finish(&mut gt, EngineId::Vcs);
    assert_eq!(gt.completed_seqno(EngineId::Vcs), submitted.seqno);
    assert_eq!(tokens(&mut gt, EngineId::Vcs), []);
}

/// The commands of a request, read back from its ring.
fn commands(gt: &Gt<FakeMachine>, ring: u64, submitted: Submitted) -> Vec<u32> {
    (submitted.head..submitted.tail)
        .step_by(4)
        .map(|offset| gt.platform().ggtt_read(ring + u64::from(offset)))
        .collect()
}

#[test]
fn an_execlist_request_holds_arbitration_off_around_its_work() {
    let mut gt = probe(EXECLISTS);
    let engine = EngineId::Bcs;
    let mut ctx = gt.context_create(1, engine).unwrap();
    let slot = gt.engines[1].status.seqno_address() as u32 | 4;
    let ring = gt.engines[1].contexts[&1].ring.as_ref().unwrap().address();
    let root = PageTableRoot::FourLevel(0x5000);
    let work = Work { address_space: Some(root), batch: Some(0x40_0000_1000), ..Work::empty(1) };
    let first = gt.submit(&mut ctx, &work).unwrap();
    assert_eq!(
        commands(&gt, ring.into(), first),
        [
            0x0400_0000, // arbitration off
            0x1324_4002,
            0xd0,
            0,
            0, // invalidate
            0x1880_0101,
            0x1000,
            0x40,
            0, // batch
            0x1300_4002,
            slot,
            0,
            first.seqno, // breadcrumb
            0x0100_0000, // user interrupt
            0x0400_0001, // arbitration on
            0,
        ]
    );
    let again = Work { reload_pdps: true, batch: None, ..work };
    let second = gt.submit(&mut ctx, &again).unwrap();
    assert_eq!(
        commands(&gt, ring.into(), second)[..7],
        [0x0400_0000, 0x1100_0003, 0x2_2274, 0, 0x2_2270, 0x5000, 0x1324_4002]
    );
}

#[test]
fn legacy_requests_load_page_tables_only_when_they_change() {
    let mut gt = probe(LEGACY);
    let engine = EngineId::Bcs;
    let mut ctx = gt.context_create(1, engine).unwrap();
    let mut other = gt.context_create(2, engine).unwrap();
    let Backend::Legacy { ring, .. } = &gt.engines[1].backend else { panic!("legacy") };
    let ring = u64::from(ring.address());
    let run = |gt: &mut Gt<FakeMachine>, ctx: &mut EngineContext, root| {
        let work = Work { address_space: Some(PageTableRoot::FourLevel(root)), ..Work::empty(1) };
        let submitted = gt.submit(ctx, &work).unwrap();
        commands(gt, ring, submitted)[0] == 0x1100_0003
    };
    assert!(run(&mut gt, &mut ctx, 0x5000));
    assert!(!run(&mut gt, &mut ctx, 0x5000));
    assert!(run(&mut gt, &mut other, 0x6000));
    assert!(!run(&mut gt, &mut other, 0x6000));
    assert!(run(&mut gt, &mut ctx, 0x5000));
}

#[test]
fn waits_for_what_has_passed_are_not_emitted() {
    let mut gt = probe(EXECLISTS);
    let mut rcs = gt.context_create(1, EngineId::Rcs).unwrap();
    let mut bcs = gt.context_create(1, EngineId::Bcs).unwrap();
    stick(&mut gt, EngineId::Rcs);
    let awaited = gt.submit(&mut rcs, &Work::empty(1)).unwrap();
    let ring = u64::from(gt.engines[1].contexts[&1].ring.as_ref().unwrap().address());
    let wait = SemaphoreWait { engine: EngineId::Rcs, seqno: awaited.seqno };
    let work = Work { waits: vec![wait], ..Work::empty(2) };
    let slot = gt.engines[0].status.seqno_address() as u32;
    let waiting = gt.submit(&mut bcs, &work).unwrap();
    assert_eq!(commands(&gt, ring, waiting)[1..5], [0x0e40_9002, awaited.seqno, slot, 0]);
    finish(&mut gt, EngineId::Rcs);
    finish(&mut gt, EngineId::Bcs);
    let free = gt.submit(&mut bcs, &work).unwrap();
    assert_eq!(commands(&gt, ring, free)[1], 0x1324_4002);
}

#[test]
fn a_stuck_engine_fills_its_ring_and_a_finished_one_empties_it() {
    for config in [EXECLISTS, LEGACY] {
        let mut gt = probe(config);
        let engine = EngineId::Vcs;
        let mut ctx = gt.context_create(1, engine).unwrap();
        stick(&mut gt, engine);
        let mut count = 0;
        let error = loop {
            match gt.submit(&mut ctx, &Work::empty(count)) {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, SubmitError::RingFull);
        assert!(count > 200);
        finish(&mut gt, engine);
        gt.submit(&mut ctx, &Work::empty(count)).unwrap();
        finish(&mut gt, engine);
        assert_eq!(gt.completed_seqno(engine), gt.submitted_seqno(engine));
    }
}

#[test]
fn seqnos_wrap_only_when_everything_is_idle() {
    let mut gt = probe(EXECLISTS);
    let engine = EngineId::Vcs;
    let mut ctx = gt.context_create(1, engine).unwrap();
    let index = gt.index(engine).unwrap();
    gt.engines[index].last_seqno = u32::MAX - 1;
    gt.engines[index].status.set_seqno(&gt.hw, u32::MAX - 1);
    stick(&mut gt, engine);
    assert_eq!(gt.submit(&mut ctx, &Work::empty(1)).unwrap().seqno, u32::MAX);
    assert_eq!(gt.submit(&mut ctx, &Work::empty(2)), Err(SubmitError::SeqnoWrap));
    finish(&mut gt, engine);
    assert_eq!(gt.submit(&mut ctx, &Work::empty(2)).unwrap().seqno, 1);
    finish(&mut gt, engine);
    assert_eq!(gt.completed_seqno(engine), 1);
}

#[test]
fn engine_reset_skips_the_guilty_context_and_replays_the_innocent() {
    for config in [EXECLISTS, LEGACY] {
        let mut gt = probe(config);
        let engine = EngineId::Vcs;
        let mut guilty = gt.context_create(1, engine).unwrap();
        let mut innocent = gt.context_create(2, engine).unwrap();
        stick(&mut gt, engine);
        let batch = Some(0x1000);
        let space = Some(PageTableRoot::FourLevel(0x5000));
        let mut run = |gt: &mut Gt<FakeMachine>, token| {
            let ctx = if token % 2 == 1 { &mut guilty } else { &mut innocent };
            let work = Work { batch, address_space: space, ..Work::empty(token) };
            gt.submit(ctx, &work).unwrap()
        };
        let requests: Vec<_> = (1..=4).map(|token| run(&mut gt, token)).collect();
        let report = gt.reset_engine(engine).unwrap();
        assert_eq!(report, ResetReport { guilty: Some(1), skipped: vec![3], replayed: vec![2, 4] });
        let index = gt.index(engine).unwrap();
        let ring = |context: u32| match &gt.engines[index].backend {
            Backend::Legacy { ring, .. } => ring.address(),
            Backend::Execlists(_) => {
                gt.engines[index].contexts[&context].ring.as_ref().unwrap().address()
            }
        };
        let has_batch = |token: usize| {
            let ring = ring(2 - token as u32 % 2).into();
            commands(&gt, ring, requests[token - 1]).contains(&0x1880_0101)
        };
        assert_eq!([1, 2, 3, 4].map(has_batch), [false, true, false, true]);
        finish(&mut gt, engine);
        assert_eq!(gt.completed_seqno(engine), requests[3].seqno);
    }
}

#[test]
fn a_full_reset_replays_engines_that_do_not_hang() {
    let mut gt = probe(EXECLISTS);
    let mut hung = gt.context_create(1, EngineId::Vcs).unwrap();
    let mut caught = gt.context_create(1, EngineId::Bcs).unwrap();
    stick(&mut gt, EngineId::Vcs);
    stick(&mut gt, EngineId::Bcs);
    gt.submit(&mut hung, &Work::empty(1)).unwrap();
    gt.submit(&mut caught, &Work::empty(2)).unwrap();
    let reports = gt.reset_all(&[EngineId::Vcs]).unwrap();
    let of = |engine| &reports.iter().find(|report| report.0 == engine).unwrap().1;
    assert_eq!(of(EngineId::Vcs).guilty, Some(1));
    assert_eq!(of(EngineId::Bcs), &ResetReport { replayed: vec![2], ..Default::default() });
    finish(&mut gt, EngineId::Vcs);
    finish(&mut gt, EngineId::Bcs);
}

#[test]
fn a_failed_reset_wedges_the_gpu() {
    let mut gt = probe(EXECLISTS);
    let mut ctx = gt.context_create(1, EngineId::Rcs).unwrap();
    gt.platform_mut().reset_broken = true;
    assert_eq!(gt.reset_engine(EngineId::Rcs), Err(ResetError::NotReady(EngineId::Rcs)));
    assert!(gt.is_wedged());
    assert_eq!(gt.submit(&mut ctx, &Work::empty(1)), Err(SubmitError::Wedged));
    assert_eq!(gt.shutdown().pages_allocated(), 0);
}

#[test]
fn hints_write_only_arguments_that_change() {
    let machine = FakeMachine::with(|m| m.debug_page = true);
    let mut gt = Gt::probe(machine, EXECLISTS).unwrap();
    let page = gt.alloc_page(PageKind::Object, 7).unwrap();
    gt.platform_mut().take_writes();
    let next = gt.alloc_page(PageKind::Object, 7).unwrap();
    assert_ne!(page, next);
    assert_eq!(
        gt.platform_mut().take_writes(),
        [(debug_page::ARG0, next), (debug_page::COMMAND, 2)]
    );
}

#[test]
fn without_the_debug_page_no_hint_is_written() {
    let mut gt = probe(EXECLISTS);
    gt.alloc_page(PageKind::Object, 7).unwrap();
    assert_eq!(gt.platform_mut().take_writes(), []);
}

/// Uses everything; errors are fine.
fn exercise(mut gt: Gt<FakeMachine>) -> FakeMachine {
    let root = Some(PageTableRoot::ThreeLevel([0x1000; 4]));
    for (n, engine) in gt.engines().to_vec().into_iter().enumerate() {
        let contexts = [1, 2].map(|id| gt.context_create(id, engine));
        let mut contexts: Vec<_> = contexts.into_iter().filter_map(Result::ok).collect();
        for token in 0..40 {
            for ctx in &mut contexts {
                let waits = vec![SemaphoreWait { engine: EngineId::Rcs, seqno: token as u32 }];
                let work =
                    Work { address_space: root, batch: Some(0), waits, ..Work::empty(token) };
                let _ = gt.submit(ctx, &work);
            }
            gt.relax();
            gt.poll();
            gt.sample(engine);
            while gt.take_switched_out(engine).is_some() {}
        }
        let _ = gt.switch_to_kernel_context(engine, 0);
        if n % 2 == 0 {
            let _ = gt.reset_engine(engine);
        } else {
            let _ = gt.reset_all(&[engine]);
        }
        contexts.into_iter().for_each(|ctx| gt.context_destroy(ctx));
    }
    gt.shutdown()
}

#[test]
fn a_device_that_starts_to_lie_cannot_make_the_driver_panic_or_leak() {
    for seed in 1..100u64 {
        for config in [EXECLISTS, LEGACY] {
            let mut gt = probe(config);
            gt.platform_mut().lies = Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            assert_eq!(exercise(gt).pages_allocated(), 0, "seed {seed}");
        }
    }
}

#[test]
fn a_lying_device_cannot_make_the_probe_panic_or_wait_for_ever() {
    for seed in 1..100u64 {
        let liar = FakeMachine::with(|m| m.lies = Some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        assert!(Gt::probe(liar, EXECLISTS).is_err(), "seed {seed}: nothing was ever executed");
    }
}
