//! Each defect of a mutation check does what it says, and a sound device does not.

use gen8_spec::engine::EngineId;
use gen8_spec::{PAGE_SIZE, pte};
use gpu_model::{Event, GpuConfig, Mutations};
use ppgtt::{Levels, PhysicalMemory};

use super::bench::{Bench, Context, Vm, store};

const VA: u64 = 0x1_0000;

/// A device with this defect.
fn bench(change: impl Fn(&mut Mutations)) -> Bench {
    let mut config = GpuConfig::by_device_id(0x1616).unwrap();
    change(&mut config.mutations);
    let mut bench = Bench::with_config(config);
    bench.execlists(EngineId::Bcs);
    bench
}

/// A context of its own address space, in which [`VA`] is mapped; gives the address of the PTE.
fn mapped(bench: &mut Bench, id: u32) -> (Vm, Context, u64) {
    let vm = bench.vm(Levels::Four);
    let page = bench.page();
    let pte = bench.map(vm, VA, page);
    (vm, bench.context(EngineId::Bcs, vm, id), pte)
}

fn store_once(bench: &mut Bench, context: &mut Context) {
    bench.emit(context, &store(VA, 1));
    bench.submit(*context, None);
    bench.run();
}

#[test]
fn a_lost_pte_is_gone_once_it_was_used() {
    for (lost, remains) in [(None, true), (Some(VA), false), (Some(VA + 0x1000), true)] {
        let mut bench = bench(|mutations| mutations.pte_lost = lost);
        let (_, mut context, pte) = mapped(&mut bench, 1);
        store_once(&mut bench, &mut context);
        assert_eq!(bench.ram.read_u64(pte) != Some(0), remains, "{lost:?}");
    }
}

#[test]
fn a_restored_pte_comes_back_at_the_next_load_unless_its_table_is_cleared() {
    let scratch = pte::encode_pte(0x9000, pte::CacheLevel::Llc, false);
    for (restored, left, comes_back) in
        [(Some(VA), scratch, true), (Some(VA), 0, false), (None, scratch, false)]
    {
        let mut bench = bench(|mutations| mutations.pte_restored = restored);
        let (_, mut first, pte) = mapped(&mut bench, 1);
        let (_, mut second, _) = mapped(&mut bench, 2);
        store_once(&mut bench, &mut first);
        let used = bench.ram.read_u64(pte).unwrap();
        assert!(bench.ram.write_u64(pte, left));
        store_once(&mut bench, &mut second);
        let expected = if comes_back { used } else { left };
        assert_eq!(bench.ram.read_u64(pte), Some(expected), "{restored:?} {left:#x}");
    }
}

#[test]
fn a_ggtt_write_that_is_lost_changes_nothing() {
    let mut bench = bench(|mutations| mutations.ggtt_write_lost = Some(0x7000));
    bench.write_ggtt_pte(0x7000, 0x5001);
    bench.write_ggtt_pte(0x8000, 0x6001);
    let entries = bench.gpu.ggtt().entries();
    assert_eq!((entries[7], entries[8]), (0, 0x6001));
}

#[test]
fn the_address_space_that_was_loaded_first_is_not_loaded_again() {
    for (broken, loads) in [(false, 3), (true, 2)] {
        let mut bench = bench(|mutations| mutations.first_root_not_loaded_again = broken);
        let (_, mut first, _) = mapped(&mut bench, 1);
        let (_, mut second, _) = mapped(&mut bench, 2);
        bench.events();
        for context in [&mut first, &mut second] {
            store_once(&mut bench, context);
        }
        // Nothing that needs the PPGTT: it would go elsewhere.
        bench.submit(first, None);
        bench.run();
        let loaded = |event: &&Event| matches!(event, Event::PdpLoaded { .. });
        assert_eq!(bench.events().iter().filter(loaded).count(), loads, "{broken}");
    }
}

#[test]
fn a_context_goes_to_the_page_where_its_image_was_as_well_if_that_is_free() {
    const FREE: u64 = 0x6b6b;
    for (broken, in_use, goes) in [(true, false, true), (true, true, false), (false, false, false)]
    {
        let mut bench = bench(|mutations| mutations.context_saved_to_old_page = broken);
        let (_, mut context, _) = mapped(&mut bench, 1);
        store_once(&mut bench, &mut context);
        bench.emit(&mut context, &store(VA, 2));
        bench.submit(context, None);
        // The image moves before the engine looks at it.
        let old = u64::from(context.descriptor.lrca()) + PAGE_SIZE;
        let new = bench.page();
        for at in (0..PAGE_SIZE).step_by(8) {
            let qword = bench.ram.read_u64(old + at).unwrap();
            assert!(bench.ram.write_u64(new + at, qword) && bench.ram.write_u64(old + at, FREE));
        }
        assert!(!in_use || bench.ram.write_u64(old + 8, 1));
        bench.map_ggtt(old, new);
        bench.run();
        let is_written =
            (0..PAGE_SIZE / 8).any(|n| !matches!(bench.ram.read_u64(old + 8 * n), Some(FREE | 1)));
        assert_eq!(is_written, goes, "{broken} {in_use}");
    }
}
