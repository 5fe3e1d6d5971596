//! struct_mutex: stalls, deadlocks, resets.

use super::*;
use crate::config::Hangcheck;
use Policy::*;

/// Recipe of v2's deadlock: X idle in C, busy in D behind a gate; destroys C.
fn recipe(config: Config, releaser_needs_lock: Option<bool>) -> TestGem {
    let mut gem = gem(config);
    let a = gem.open().unwrap();
    let (x, gate) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
    let (c, d) = (gem.context_create(a).unwrap(), gem.context_create(a).unwrap());
    gem.exec(a, c, RCS, &[x]).unwrap();
    gem.sync(a, x);
    gem.retire();
    gem.exec_held(a, d, RCS, &[x], gate);
    if let Some(locked) = releaser_needs_lock {
        gem.queue_gate(a, gate, locked);
    }
    gem.context_destroy(a, c).unwrap();
    gem.check_invariants().unwrap();
    gem
}

use Option::None as Nobody;

#[test]
fn a_release_that_needs_the_lock_is_a_deadlock() {
    let gem = recipe(Config::for_policy(V2WaitUnbind), Some(true));
    assert!(gem.findings().iter().any(|finding| matches!(
        finding,
        Finding::DeadlockDetected {
            waiter: "context_destroy",
            blocked_action: "open the gate",
            ..
        }
    )));
    assert_eq!(gem.counters().deadlocks, 1);
    gem.end();
}

#[test]
fn a_release_by_mmap_is_only_a_stall() {
    let gem = recipe(Config::for_policy(V2WaitUnbind), Some(false));
    assert_eq!(gem.names(), ["WaitUnderLockInDestructor"]);
    assert_eq!(gem.counters().waits_under_lock, 1);
    gem.end();
}

#[test]
fn the_fix_does_not_wait_at_all() {
    let mut gem = recipe(Config::for_policy(V4NoWait), Some(true));
    assert_eq!((gem.findings(), gem.counters().waits_under_lock), (&[][..], 0));
    gem.settle();
    assert_eq!(gem.findings(), []);
    gem.end();
}

#[test]
fn a_reset_interrupts_the_waiting_destructor_which_then_leaks() {
    let hangcheck = Some(Hangcheck { period_ns: 10_000_000, ..Hangcheck::default() });
    let mut gem = recipe(Config { hangcheck, ..Config::for_policy(V2WaitUnbind) }, Nobody);
    assert!(gem.findings().contains(&Finding::Warn("context_clean: unbind failed")));
    gem.settle();
    assert!(gem.names().contains(&"Reset"), "{:?}", gem.findings());
    // A's and D's address spaces, and the orphan.
    assert_eq!(gem.counters().vms, 3);
    gem.end();
}

#[test]
fn a_hang_with_hangcheck_blames_the_context_and_bans_it_at_the_second() {
    let hangcheck = Some(Hangcheck { period_ns: 10_000_000, ..Hangcheck::default() });
    let mut gem = gem(Config { hangcheck, ..Config::for_policy(V4NoWait) });
    let a = gem.open().unwrap();
    let (x, gate) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
    let y = gem.gem_create(a, PAGE).unwrap();
    let (c, d) = (gem.context_create(a).unwrap(), gem.context_create(a).unwrap());
    for round in 1..=2 {
        gem.exec_held(a, c, RCS, &[x], gate);
        gem.exec(a, d, RCS, &[y]).unwrap();
        gem.gem_wait(a, y, Nobody).unwrap();
        assert_eq!(gem.reset_stats(a, c), Ok((round, 0)));
        assert_eq!(gem.reset_stats(a, d), Ok((0, round)));
        gem.retire();
    }
    assert_eq!(gem.exec(a, c, RCS, &[x]), Err(Error::Io));
    assert!(gem.exec(a, d, RCS, &[y]).is_ok());
    gem.end();
}

#[test]
fn a_hang_that_nobody_can_end_is_reported_and_shutdown_still_ends() {
    let mut gem = with_policy(V4NoWait);
    let a = gem.open().unwrap();
    let (x, gate) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
    gem.exec_held(a, ContextId::DEFAULT, RCS, &[x], gate);
    assert_eq!(gem.gem_wait(a, x, Some(1_000_000)), Err(Error::TimedOut));
    assert_eq!(gem.gem_wait(a, x, Nobody), Err(Error::Io));
    assert!(gem.names().contains(&"HangDetected"));
    gem.end();
}
