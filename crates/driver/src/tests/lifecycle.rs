//! The lifecycle table of the leak, row by row: references after each step.

use super::*;
use crate::gt::PtLevels;

/// (X.refs, handles, ctxB.refs, vmB.refs, VMAs of X, pages of vmB); 0 for what does not exist.
type Row = (u32, u32, u32, u32, usize, usize);

struct Table {
    gem: TestGem,
    a: ClientId,
    x: Handle,
    b_vm: Option<u32>,
    b_context: Option<u32>,
}

impl Table {
    fn row(&self) -> Row {
        let object = self.gem.object_of(self.a, self.x).expect("X lives");
        let object = self.gem.objects.get(object).expect("X lives");
        let context = self.gem.contexts.iter().find(|(_, c)| Some(c.number) == self.b_context);
        let vm = self.gem.vms.iter().find(|(_, vm)| Some(vm.number) == self.b_vm);
        (
            object.refs,
            object.handle_count,
            context.map_or(0, |(_, c)| c.refs),
            vm.map_or(0, |(_, vm)| vm.refs),
            object.vmas.len(),
            vm.map_or(0, |(_, vm)| vm.page_count()),
        )
    }
}

/// Steps 1 to 8 under a policy; returns the table after step 8.
fn walk(policy: Policy, levels: PtLevels, base: usize, used: usize) -> Table {
    let mut gem = gem(Config { levels, ..Config::for_policy(policy) });
    let a = gem.open().unwrap();
    let x = gem.gem_create(a, PAGE).unwrap();
    let mut table = Table { gem, a, x, b_vm: None, b_context: None };
    assert_eq!(table.row(), (1, 1, 0, 0, 0, 0), "1: create");
    let name = table.gem.gem_flink(a, x).unwrap();
    assert_eq!(table.row(), (1, 1, 0, 0, 0, 0), "2: a name holds nothing");

    let b = table.gem.open().unwrap();
    let context = table.gem.context_of(b, ContextId::DEFAULT).unwrap();
    table.b_context = Some(table.gem.contexts.get(context).unwrap().number);
    table.b_vm = table.gem.vm_id(b, ContextId::DEFAULT);
    assert_eq!(table.row(), (1, 1, 1, 1, 0, base), "3: open B");

    let h = table.gem.gem_open(b, name).unwrap();
    assert_eq!(table.row(), (2, 2, 1, 1, 0, base), "4: open the name");
    table.gem.exec(b, ContextId::DEFAULT, RCS, &[h]).unwrap();
    assert_eq!(table.row(), (3, 2, 2, 2, 1, used), "5: in flight");
    table.gem.gem_wait(b, h, None).unwrap();
    table.gem.retire();
    assert_eq!(table.row(), (2, 2, 1, 2, 1, used), "6: retired");
    assert!(table.gem.is_bound(b, h));
    table.gem.gem_close(b, h).unwrap();
    assert_eq!(table.row(), (1, 1, 1, 2, 1, used), "7: close the handle");
    table.gem.close(b).unwrap();
    table.gem.check_invariants().unwrap();
    table
}

#[test]
fn without_the_fix_the_orphan_vma_holds_the_address_space() {
    for (levels, base, used) in [(PtLevels::Three, 3, 5), (PtLevels::Four, 5, 8)] {
        let mut table = walk(Policy::None, levels, base, used);
        assert_eq!(table.row(), (1, 1, 0, 1, 1, used), "8u: leaked");
        assert!(table.gem.is_bound(table.a, table.x));
        table.gem.settle();
        assert_eq!(table.row(), (1, 1, 0, 1, 1, used), "8u: nobody reclaims it");
        let a = table.a;
        table.gem.gem_close(a, table.x).unwrap();
        assert_eq!(
            table.gem.counters().vms,
            1,
            "9u: ends with the exporter's object (A's VM stays)"
        );
        table.gem.end();
    }
}

#[test]
fn with_the_merged_fix_nothing_stays() {
    for (levels, base, used) in [(PtLevels::Three, 3, 5), (PtLevels::Four, 5, 8)] {
        let table = walk(Policy::V4NoWait, levels, base, used);
        assert_eq!(table.row(), (1, 1, 0, 0, 0, 0), "8p");
        assert!(!table.gem.is_bound(table.a, table.x));
        assert_eq!(table.gem.findings(), []);
        table.gem.end();
    }
}

#[test]
fn fd_close_without_handle_close_ends_the_same() {
    for (policy, vmas) in [(Policy::None, 1), (Policy::V4NoWait, 0)] {
        let mut gem = with_policy(policy);
        let a = gem.open().unwrap();
        let x = gem.gem_create(a, PAGE).unwrap();
        let name = gem.gem_flink(a, x).unwrap();
        let b = gem.open().unwrap();
        let h = gem.gem_open(b, name).unwrap();
        gem.exec(b, ContextId::DEFAULT, RCS, &[h]).unwrap();
        gem.sync(b, h);
        gem.retire();
        gem.close(b).unwrap();
        assert_eq!(gem.vma_count(a, x), vmas);
        gem.end();
    }
}

#[test]
fn legacy_engine_holds_the_last_context_until_another_runs() {
    let mut gem = legacy(Policy::V4NoWait);
    let (a, c) = (gem.open().unwrap(), gem.open().unwrap());
    let x = gem.gem_create(a, PAGE).unwrap();
    let own = gem.gem_create(c, PAGE).unwrap();
    let before = gem.counters();
    let name = gem.gem_flink(a, x).unwrap();
    let b = gem.open().unwrap();
    let h = gem.gem_open(b, name).unwrap();
    gem.exec(b, ContextId::DEFAULT, RCS, &[h]).unwrap();
    gem.sync(b, h);
    gem.close(b).unwrap();
    gem.quiesce();
    assert_eq!(gem.counters().vms, before.vms + 1, "held by the engine, not a leak");
    gem.exec(c, ContextId::DEFAULT, RCS, &[own]).unwrap();
    gem.sync(c, own);
    gem.retire();
    assert_eq!(gem.counters().vms, before.vms);
    assert_eq!(gem.vma_count(a, x), 0);
    gem.end();
}

#[test]
fn a_context_in_flight_lives_until_its_request_retires() {
    let mut gem = with_policy(Policy::V4NoWait);
    let a = gem.open().unwrap();
    let (x, gate) = (gem.gem_create(a, PAGE).unwrap(), gem.gem_create(a, PAGE).unwrap());
    let c = gem.context_create(a).unwrap();
    gem.exec_held(a, c, RCS, &[x], gate);
    gem.context_destroy(a, c).unwrap();
    assert_eq!(gem.counters().contexts, 2);
    gem.retire();
    assert_eq!(gem.counters().contexts, 2, "still running");
    gem.open_gate(a, gate);
    gem.quiesce();
    assert_eq!(gem.counters().contexts, 1);
    assert_eq!(gem.vma_count(a, x), 0);
    gem.end();
}

/// Lets `ms` milliseconds pass with only the timers running.
fn pass(gem: &mut TestGem, ms: u64) {
    use crate::hardware::Hardware;
    let end = gem.hw.now_ns() + ms * 1_000_000;
    while gem.hw.now_ns() < end {
        gem.hw.relax();
        gem.poll();
        gem.check_invariants().unwrap();
    }
}

#[test]
fn the_retire_worker_ends_a_dead_context_within_a_second() {
    let mut gem = with_policy(Policy::V4NoWait);
    let (a, b) = (gem.open().unwrap(), gem.open().unwrap());
    let x = gem.gem_create(a, PAGE).unwrap();
    let name = gem.gem_flink(a, x).unwrap();
    let h = gem.gem_open(b, name).unwrap();
    pass(&mut gem, 10);
    gem.exec(b, ContextId::DEFAULT, RCS, &[h]).unwrap();
    gem.close(b).unwrap();
    pass(&mut gem, 500);
    assert!(gem.is_bound(a, x), "in flight for all that anybody looked");
    pass(&mut gem, 600);
    assert!(!gem.is_bound(a, x));
    assert_eq!(gem.counters().vms, 1);
    gem.end();
}

#[test]
fn the_idle_worker_parks_and_lazily_closed_vmas_go() {
    let mut gem = with_policy(Policy::LazyClose418);
    let (a, b) = (gem.open().unwrap(), gem.open().unwrap());
    let x = gem.gem_create(a, PAGE).unwrap();
    let name = gem.gem_flink(a, x).unwrap();
    let h = gem.gem_open(b, name).unwrap();
    pass(&mut gem, 10);
    gem.exec(b, ContextId::DEFAULT, RCS, &[h]).unwrap();
    gem.gem_close(b, h).unwrap();
    pass(&mut gem, 1050);
    assert_eq!(gem.vma_count(a, x), 1, "retired, not parked");
    pass(&mut gem, 100);
    assert_eq!(gem.vma_count(a, x), 0);
    gem.end();
}

#[test]
fn a_flink_name_dies_with_the_last_handle() {
    let mut gem = with_policy(Policy::None);
    let (a, b) = (gem.open().unwrap(), gem.open().unwrap());
    let x = gem.gem_create(a, PAGE).unwrap();
    let name = gem.gem_flink(a, x).unwrap();
    assert_eq!(gem.gem_flink(a, x), Ok(name));
    let h = gem.gem_open(b, name).unwrap();
    let h2 = gem.gem_open(b, name).unwrap();
    assert_ne!(h, h2, "open makes a new handle each time");
    gem.gem_close(a, x).unwrap();
    assert!(gem.gem_open(a, name).is_ok_and(|again| gem.gem_close(a, again).is_ok()));
    gem.gem_close(b, h).unwrap();
    gem.gem_close(b, h2).unwrap();
    assert_eq!(gem.gem_open(a, name), Err(Error::NoEntry));
    assert_eq!(gem.counters().objects, 0);
    gem.end();
}

#[test]
fn a_dma_buf_holds_its_object_and_imports_the_same_one() {
    let mut gem = with_policy(Policy::None);
    let (a, b) = (gem.open().unwrap(), gem.open().unwrap());
    let x = gem.gem_create(a, PAGE).unwrap();
    let buf = gem.prime_export(a, x).unwrap();
    assert_eq!(gem.prime_import(a, buf), Ok(x), "self-import gives the same handle");
    let h = gem.prime_import(b, buf).unwrap();
    assert_eq!(gem.prime_import(b, buf), Ok(h));
    assert_eq!(gem.object_id(a, x), gem.object_id(b, h));
    gem.gem_close(a, x).unwrap();
    gem.gem_close(b, h).unwrap();
    assert_eq!(gem.counters().objects, 1, "held by the dma-buf");
    gem.check_invariants().unwrap();
    gem.dma_buf_close(buf).unwrap();
    assert_eq!(gem.counters().objects, 0);
    gem.end();
}
