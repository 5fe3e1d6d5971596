use super::*;
use crate::kernel::Balance;

const A: Binding = Binding { object: 7, offset: 0x1000, bytes: 0x2000 };

fn ledger(happened: impl IntoIterator<Item = Happened>) -> Ledger {
    let mut ledger = Ledger::default();
    for (time_us, happened) in (1..).zip(happened) {
        let task = Task { name: "x".into(), thread: 9 };
        ledger.take(Event { task, time_us, happened }, time_us * 1000);
    }
    ledger
}

fn created(vm: u64) -> Happened {
    Happened::SpaceCreated { vm }
}

fn space(ledger: &Ledger, number: u64) -> &KernelSpace {
    ledger.spaces().find(|space| space.number == number).unwrap()
}

#[test]
fn a_vma_lives_from_its_binding_to_its_unbinding() {
    let bind = Happened::Bound { vm: 1, binding: A };
    let bound = ledger([created(1), bind.clone(), bind.clone()]);
    let vma = &space(&bound, 0).vmas[&0x1000];
    assert_eq!((vma.object, vma.bytes, vma.bound.at.guest_us), (7, 0x2000, 2));
    assert_eq!(bound.counts.vmas, Balance { began: 1, ended: 0 }, "bound twice is bound once");
    let unbound = ledger([created(1), bind, Happened::Unbound { vm: 1, binding: A }]);
    assert_eq!(unbound.counts.vmas, Balance { began: 1, ended: 1 });
    let space = space(&unbound, 0);
    assert!(space.vmas.is_empty());
    assert_eq!(space.unbound[0].unbound.as_ref().unwrap().at.guest_us, 3);
    assert_eq!(unbound.counts.strangers, 0);
}

#[test]
fn a_pointer_that_is_used_again_is_another_address_space() {
    let ledger = ledger([created(1), Happened::SpaceReleased { vm: 1 }, created(1)]);
    assert!(space(&ledger, 0).released.is_some() && space(&ledger, 1).released.is_none());
    assert_eq!(ledger.counts.spaces, Balance { began: 2, ended: 1 });
}

#[test]
fn a_vm_that_nobody_made_is_the_ggtt_and_is_not_released() {
    let ledger = ledger([
        Happened::Bound { vm: 5, binding: A },
        Happened::SpaceReleased { vm: 5 },
        Happened::SpaceReleased { vm: 6 },
    ]);
    assert!(space(&ledger, 0).created.is_none() && space(&ledger, 0).released.is_none());
    assert_eq!(ledger.counts.strangers, 2);
}

#[test]
fn the_context_that_a_thread_makes_next_has_the_mark_that_it_announced() {
    let ledger = ledger([
        Happened::Said("mark 65537".into()),
        created(1),
        Happened::ContextCreated { context: 3, vm: 1 },
        Happened::ContextCreated { context: 4, vm: 1 },
        Happened::ContextFreed { context: 3 },
        Happened::ContextFreed { context: 99 },
    ]);
    assert_eq!((space(&ledger, 0).mark, space(&ledger, 0).contexts), (Some(65537), 1));
    assert_eq!(ledger.counts.strangers, 1);
}

#[test]
fn an_object_that_goes_is_noted_where_it_was_bound_last() {
    let ledger = ledger([
        created(1),
        Happened::ObjectCreated { object: 7, bytes: 0x2000 },
        Happened::Bound { vm: 1, binding: A },
        Happened::Unbound { vm: 1, binding: A },
        Happened::ObjectDestroyed { object: 7 },
        Happened::ObjectDestroyed { object: 8 },
    ]);
    assert_eq!(space(&ledger, 0).unbound[0].destroyed.as_ref().unwrap().at.guest_us, 5);
    assert_eq!(ledger.counts.objects, Balance { began: 1, ended: 1 });
    assert!(ledger.objects().is_empty());
}

#[test]
fn a_stack_belongs_to_the_deed_before_it() {
    let mut ledger = ledger([created(1), Happened::Bound { vm: 1, binding: A }]);
    (0..100).for_each(|_| ledger.function("i915_vma_bind".into()));
    assert_eq!(space(&ledger, 0).vmas[&0x1000].bound.stack.len(), MOST_FUNCTIONS);
    let task = Task { name: "x".into(), thread: 9 };
    let happened = Happened::Unbound { vm: 1, binding: A };
    ledger.take(Event { task, time_us: 9, happened }, 9000);
    ledger.function("i915_vma_unbind".into());
    let vma = &space(&ledger, 0).unbound[0];
    assert_eq!(vma.unbound.as_ref().unwrap().stack, ["i915_vma_unbind"]);
    assert_eq!(vma.bound.stack.len(), MOST_FUNCTIONS, "that of the binding is as it was");
}

#[test]
fn what_was_released_long_ago_is_forgotten() {
    let ledger = ledger(
        (0..2 * MOST_RELEASED as u64).flat_map(|vm| [created(vm), Happened::SpaceReleased { vm }]),
    );
    assert_eq!(ledger.spaces().count(), MOST_RELEASED);
}

/// What a guest that binds and unbinds all the time says, with a stack each time.
fn churn(ledger: &mut Ledger, vm: u64, count: u64) {
    for n in 0..count {
        let binding = Binding { object: n, offset: n << 12, bytes: 0x1000 };
        for happened in [Happened::Bound { vm, binding }, Happened::Unbound { vm, binding }] {
            let task = Task { name: "x".into(), thread: 9 };
            ledger.take(Event { task, time_us: n, happened }, n * 1000);
            (0..MOST_FUNCTIONS).for_each(|_| ledger.function("i915_vma_bind".into()));
        }
    }
}

#[test]
fn a_guest_that_binds_without_end_costs_bounded_memory() {
    let mut ledger = ledger([]);
    for vm in 0..300 {
        churn(&mut ledger, vm, 200);
    }
    let kept = |ledger: &Ledger| -> usize {
        let vmas = ledger.spaces().flat_map(|space| space.vmas.values().chain(&space.unbound));
        vmas.map(KernelVma::functions).sum()
    };
    assert_eq!(kept(&ledger), ledger.stacked, "what goes is not counted any more");
    assert!(ledger.stacked <= MOST_STACKED);
    assert_eq!(ledger.places.len(), 300 * MOST_UNBOUND, "of what is remembered, and no more");
    for vm in 0..300 {
        ledger.take(Event { task: Task::default(), time_us: 1, happened: created(vm) }, 1);
    }
    assert_eq!((kept(&ledger), ledger.stacked, ledger.places.len()), (0, 0, 0));
}

#[test]
fn the_end_of_an_object_takes_no_longer_the_more_there_are() {
    let mut ledger = ledger([]);
    let mut take = |happened| {
        ledger.take(Event { task: Task::default(), time_us: 1, happened }, 1);
    };
    for n in 0..100_000 {
        let binding = Binding { object: n, offset: n << 12, bytes: 0x1000 };
        take(Happened::Bound { vm: 1, binding });
    }
    // With a look at every VMA, ten thousand million looks.
    for n in (0..100_000).rev() {
        take(Happened::ObjectDestroyed { object: n });
    }
    assert!(space(&ledger, 0).vmas.values().all(|vma| vma.destroyed.is_some()));
}
