//! What each policy leaves behind.

use super::*;
use crate::api::{DropCaches, FaultInjection};
use Policy::*;

/// Some policies, and what is in excess after settling: VMs, VMAs, page-table pages.
type Cell<'a> = (&'a [Policy], (u32, u32, u32));

/// One row of the result matrix.
fn each(cases: &[Cell<'_>], run: impl Fn(TestGem) -> TestGem) {
    for &(policies, expected) in cases {
        for &policy in policies {
            let gem = run(with_policy(policy));
            assert_eq!(excess_of_one_client(&gem), expected, "{policy}");
            gem.end();
        }
    }
}

/// Beyond the exporter's own address space (base 5 pages, plus what it bound).
fn excess_of_one_client(gem: &TestGem) -> (u32, u32, u32) {
    let (vms, vmas, pages) = excess(gem);
    let (_, a) = gem.vms.iter().find(|(_, vm)| vm.number == 1).expect("A's address space");
    (vms - 1, vmas - a.all.len() as u32, pages - a.page_count() as u32)
}

const CLOSING: [Policy; 4] = [CloseTracking49, LutOpenCount414, LazyClose418, VmWeak61];
const WALKING: [Policy; 5] = [V1RetireHook, V2WaitUnbind, V3NoWait, V4NoWait, V4Relaxed];

#[test]
fn flink_and_exit_leaks_only_without_a_policy() {
    let rest: Vec<Policy> = Policy::ALL[1..].to_vec();
    each(&[(&[None], (1, 1, 8)), (&rest, (0, 0, 0))], |mut gem| {
        let (a, b) = (gem.open().unwrap(), gem.open().unwrap());
        let x = gem.gem_create(a, PAGE).unwrap();
        let name = gem.gem_flink(a, x).unwrap();
        let h = gem.gem_open(b, name).unwrap();
        gem.exec(b, ContextId::DEFAULT, RCS, &[h]).unwrap();
        gem.sync(b, h);
        gem.gem_close(b, h).unwrap();
        gem.close(b).unwrap();
        gem.settle();
        gem
    });
}

#[test]
fn idle_here_busy_elsewhere_is_cleaned_without_waiting_only_by_no_wait_policies() {
    for policy in Policy::ALL {
        let mut gem = with_policy(policy);
        let a = gem.open().unwrap();
        let (x, gate) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
        let (c, d) = (gem.context_create(a).unwrap(), gem.context_create(a).unwrap());
        gem.exec(a, c, RCS, &[x]).unwrap();
        gem.sync(a, x);
        gem.retire();
        gem.exec_held(a, d, BCS, &[x], gate);
        gem.queue_gate(a, gate, true);
        gem.context_destroy(a, c).unwrap();
        let waits = matches!(policy, VendorVmaList | V1RetireHook | V2WaitUnbind);
        let names = gem.names();
        assert_eq!(names.contains(&"DeadlockDetected"), waits, "{policy}: {names:?}");
        assert_eq!(names.contains(&"WaitUnderLockInDestructor"), waits, "{policy}");
        // The VMA in D lives, and goes on working. Lazily closed ones wait for the GT to park; in
        // 4.5 to 4.8 the engine still holds C, which ran last.
        let left = match policy {
            None | V4Relaxed | LazyClose418 => 2,
            VmWeak61 => 1 + usize::from(gem.gem_busy(a, x) == Ok(true)),
            _ => 1,
        };
        assert_eq!(gem.vma_count(a, x), left, "{policy}");
        gem.settle();
        assert_eq!(gem.vma_count(a, x), if policy == None { 2 } else { 1 }, "{policy} settled");
        gem.end();
    }
}

/// Scenario G: X idle in C, but on its active list, because it is busy in another context. The
/// engine leaves C before X becomes idle (from 4.5 on and with legacy rings it holds C until then).
fn stuck_on_active(mut gem: TestGem) -> TestGem {
    let a = gem.open().unwrap();
    let (x, gate) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
    let (c, y) = (gem.context_create(a).unwrap(), gem.gem_create(a, PAGE).unwrap());
    gem.exec_held(a, ContextId::DEFAULT, BCS, &[x], gate);
    gem.exec(a, c, RCS, &[x]).unwrap();
    gem.hw.relax_until_idle(RCS);
    gem.retire();
    gem.queue_gate(a, gate, false);
    gem.context_destroy(a, c).unwrap();
    gem.exec(a, ContextId::DEFAULT, RCS, &[y]).unwrap();
    gem.hw.relax_until_idle(RCS);
    gem.retire();
    gem.settle();
    gem
}

impl FakeGpu {
    fn relax_until_idle(&mut self, engine: EngineId) {
        use crate::hardware::Hardware;
        while !self.queue_idle(engine) {
            self.relax();
        }
    }
}

#[test]
fn a_vma_kept_active_by_another_context_is_missed_by_the_merged_fix() {
    let leaks = (1, 1, 8);
    each(
        &[
            (&[None, V2WaitUnbind, V3NoWait, V4NoWait, V4Relaxed], leaks),
            (&[VendorVmaList, V1RetireHook], (0, 0, 0)),
            (&CLOSING, (0, 0, 0)),
        ],
        stuck_on_active,
    );
}

#[test]
fn the_merged_fix_warns_of_what_it_misses_and_its_successor_is_silent() {
    let warning = Finding::Warn("context_clean: active_list not empty");
    for (policy, warns) in [(V3NoWait, true), (V4NoWait, true), (V4Relaxed, false)] {
        let gem = stuck_on_active(with_policy(policy));
        assert_eq!(gem.findings().contains(&warning), warns, "{policy}");
        gem.end();
    }
}

#[test]
fn last_reference_dropped_inside_retirement_is_missed_in_legacy_mode() {
    for policy in Policy::ALL {
        for execlists in [false, true] {
            let mut gem = if execlists { with_policy(policy) } else { legacy(policy) };
            let a = gem.open().unwrap();
            let (x, y) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
            let (c, d) = (gem.context_create(a).unwrap(), gem.context_create(a).unwrap());
            gem.exec(a, c, RCS, &[x]).unwrap();
            gem.exec(a, d, RCS, &[y]).unwrap();
            gem.context_destroy(a, c).unwrap();
            gem.hw.relax_until_idle(RCS);
            gem.retire();
            gem.settle();
            let walks = matches!(policy, V2WaitUnbind | V3NoWait | V4NoWait | V4Relaxed);
            let leaks = policy == None || (walks && !execlists);
            assert_eq!(gem.vma_count(a, x), usize::from(leaks), "{policy} {execlists}");
            gem.end();
        }
    }
}

#[test]
fn a_vma_that_was_never_bound_is_missed_by_every_walk() {
    each(
        &[
            (&[None], (1, 1, 5)),
            (&WALKING, (1, 1, 5)),
            (&[VendorVmaList], (0, 0, 0)),
            (&CLOSING, (0, 0, 0)),
        ],
        |mut gem| {
            let a = gem.open().unwrap();
            let x = gem.gem_create(a, PAGE).unwrap();
            let c = gem.context_create(a).unwrap();
            gem.inject(FaultInjection::ExecbufVaSpace);
            assert_eq!(gem.exec(a, c, RCS, &[x]), Err(Error::NoSpace));
            assert_eq!(gem.vma_count(a, x), 1, "the look-up made it");
            gem.context_destroy(a, c).unwrap();
            gem.settle();
            gem
        },
    );
}

#[test]
fn unbind_inside_unbind_is_caught_under_the_first_version_only() {
    for policy in Policy::ALL {
        let mut gem = with_policy(policy);
        let a = gem.open().unwrap();
        let (x, gate) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
        let (c, d) = (gem.context_create(a).unwrap(), gem.context_create(a).unwrap());
        gem.exec(a, c, RCS, &[x]).unwrap();
        gem.exec_held(a, d, BCS, &[x], gate);
        if policy != VendorVmaList {
            gem.hw.relax_until_idle(RCS);
            gem.retire();
        }
        gem.context_destroy(a, c).unwrap();
        gem.queue_gate(a, gate, false);
        gem.drop_caches(DropCaches::SHRINK_ALL).unwrap();
        let recursed = gem.names().contains(&"RecursionDetected");
        assert_eq!(recursed, policy == V1RetireHook, "{policy}: {:?}", gem.findings());
        gem.settle();
        gem.check_invariants().unwrap();
        gem.end();
    }
}

#[test]
fn a_closed_vma_in_flight_goes_when_it_retires_inside_unbind() {
    let mut gem = with_policy(CloseTracking49);
    let a = gem.open().unwrap();
    let (x, gate) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
    let c = gem.context_create(a).unwrap();
    gem.exec_held(a, c, RCS, &[x], gate);
    gem.context_destroy(a, c).unwrap();
    assert_eq!(gem.vma_count(a, x), 1, "closed, and still in use");
    gem.queue_gate(a, gate, false);
    gem.drop_caches(DropCaches::SHRINK_ALL).unwrap();
    assert_eq!(gem.vma_count(a, x), 0);
    assert!(!gem.names().contains(&"RecursionDetected"));
    gem.end();
}

#[test]
fn the_shrinker_rescues_unpinned_orphans_but_not_those_of_a_frame_buffer() {
    let mut gem = with_policy(None);
    let (fb, name) = gem.fb_create(PAGE).unwrap();
    for _ in 0..3 {
        let b = gem.open().unwrap();
        let h = gem.gem_open(b, name).unwrap();
        gem.exec(b, ContextId::DEFAULT, RCS, &[h]).unwrap();
        gem.sync(b, h);
        gem.close(b).unwrap();
    }
    gem.settle();
    assert_eq!(excess(&gem), (3, 3, 24));
    gem.drop_caches(DropCaches::BOUND).unwrap();
    assert_eq!(excess(&gem), (3, 3, 24), "the pinned GGTT VMA stops the shrinker");
    gem.fb_destroy(fb).unwrap();
    assert_eq!(excess(&gem), (0, 0, 0));

    let a = gem.open().unwrap();
    let x = gem.gem_create(a, PAGE).unwrap();
    let c = gem.context_create(a).unwrap();
    gem.exec(a, c, RCS, &[x]).unwrap();
    gem.sync(a, x);
    gem.retire();
    gem.context_destroy(a, c).unwrap();
    assert_eq!(gem.vma_count(a, x), 1);
    gem.drop_caches(DropCaches::BOUND).unwrap();
    assert_eq!(gem.vma_count(a, x), 0);
    gem.end();
}
