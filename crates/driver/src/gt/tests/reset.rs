//! Reset and replay.

use alloc::vec;
use alloc::vec::Vec;

use gen8_spec::mmio::{FORCEWAKE_MT, GDRST};

use super::*;

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
fn engine_reset_skips_the_guilty_context_and_replays_the_innocent() {
    for config in [EXECLISTS, LEGACY] {
        let mut gt = probed(config);
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
    let mut gt = probed(EXECLISTS);
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
    let mut gt = probed(EXECLISTS);
    let mut ctx = gt.context_create(1, EngineId::Rcs).unwrap();
    gt.platform_mut().reset_broken = true;
    assert_eq!(gt.reset_engine(EngineId::Rcs), Err(ResetError::NotReady(EngineId::Rcs)));
    assert!(gt.is_wedged());
    assert_eq!(gt.submit(&mut ctx, &Work::empty(1)), Err(SubmitError::Wedged));
    assert_eq!(gt.shutdown().pages_allocated(), 0);
}
