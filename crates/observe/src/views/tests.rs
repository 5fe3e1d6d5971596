use crate::kernel::KernelView;
use crate::spaces::MappedPage;

use super::*;

const AT: u64 = 1_000_000;

/// A kernel that said these lines, in this order.
fn kernel(lines: &[&str]) -> KernelSnapshot {
    let view = KernelView::new();
    let mut text = "@agent 1 6.1\n".to_owned();
    for (number, line) in lines.iter().enumerate() {
        text.push_str(&format!(" x-9 [000] ..... 2.{number:06}: {line}\n"));
    }
    view.take(text.as_bytes(), 0);
    view.snapshot()
}

/// An address space of the device's that maps these pages: (virtual, physical) in pages.
fn tables(number: u64, pages: &[(u64, u64)]) -> SpaceContent {
    let pages = pages.iter().map(|&(va, page)| MappedPage { va: va << 12, page: page << 12 });
    SpaceContent {
        number,
        levels: 4,
        root: vec![0x1000],
        pages: pages.collect(),
        ..SpaceContent::default()
    }
}

fn device(spaces: Vec<SpaceContent>) -> DeviceSnapshot {
    DeviceSnapshot { contents: SpaceContents { spaces, complete: true }, ggtt: vec![0; 16] }
}

fn compare(lines: &[&str], spaces: Vec<SpaceContent>) -> Comparison {
    Views::new().compare(&kernel(lines), &device(spaces), AT)
}

fn names(comparison: &Comparison) -> Vec<&str> {
    comparison.findings.iter().map(|finding| finding.name.as_str()).collect()
}

const VM: &str = "i915_ppgtt_create: dev=0, vm=a";
const OBJECT: &str = "i915_gem_object_create: obj=7, size=0x2000";
const BIND: &str = "i915_vma_bind: obj=7, offset=0x10000 size=0x2000 vm=a";
const UNBIND: &str = "i915_vma_unbind: obj=7, offset=0x10000 size=0x2000 vm=a";
const DESTROY: &str = "i915_gem_object_destroy: obj=7";
const RELEASE: &str = "i915_ppgtt_release: dev=0, vm=a";

#[test]
fn views_that_say_the_same_are_equal() {
    let comparison = compare(&[VM, OBJECT, BIND], vec![tables(3, &[(0x10, 5), (0x11, 6)])]);
    assert!(comparison.equal, "{:?}", comparison.findings);
    assert_eq!(
        (comparison.spaces[0].device, comparison.spaces[0].by),
        (Some(3), Some(Tie::Ranges))
    );
    assert_eq!((comparison.vmas, comparison.pages), ([1, 0], 2));
    // An address space that nobody used, and one whose freed tables are cleared.
    assert!(compare(&[VM], vec![tables(3, &[])]).equal);
}

#[test]
fn a_pte_that_lacks_is_found_with_the_vma_that_should_have_it() {
    let comparison = compare(&[VM, OBJECT, BIND], vec![tables(3, &[(0x10, 5)])]);
    assert_eq!(names(&comparison), ["BoundButUnmapped"]);
    let finding = &comparison.findings[0];
    assert_eq!(finding.what, "vm a of x [9]: 0x11000 to 0x12000 is bound, but there is no PTE");
    assert!(finding.facts.iter().any(|fact| fact.text.contains("7, 8192 bytes at 0x10000")));
}

#[test]
fn a_pte_that_stays_is_found_with_what_was_bound_there() {
    let other = "i915_vma_bind: obj=8, offset=0x0 size=0x1000 vm=a";
    let spaces = || vec![tables(3, &[(0, 1), (0x11, 6)])];
    let comparison = compare(&[VM, OBJECT, BIND, other, UNBIND], spaces());
    assert_eq!(names(&comparison), ["UnboundButMapped"]);
    let what = "vm a of x [9]: 0x11000 to 0x12000 is unbound, but the PTE is still there";
    assert_eq!(comparison.findings[0].what, what);
    assert!(comparison.findings[0].facts.iter().any(|fact| fact.label == "unbound"));
    let comparison = compare(&[VM, OBJECT, BIND, other, UNBIND, DESTROY], spaces());
    assert_eq!(names(&comparison), ["FreedWhileMapped"], "its pages may be anybody's");
    let comparison = compare(&[VM, other], spaces());
    assert_eq!(names(&comparison), ["UnboundButMapped"]);
    assert!(comparison.findings[0].what.contains("has no VMA"));
}

#[test]
fn what_the_kernel_released_is_an_orphan_if_it_maps_memory_or_is_loaded() {
    let mapped = || tables(3, &[(0x10, 5), (0x11, 6)]);
    let mut views = Views::new();
    let before = views.compare(&kernel(&[VM, OBJECT, BIND]), &device(vec![mapped()]), AT);
    assert!(before.equal);
    let released = kernel(&[VM, OBJECT, BIND, UNBIND, RELEASE]);
    let comparison = views.compare(&released, &device(vec![mapped()]), AT);
    assert_eq!((names(&comparison), comparison.orphaned), (vec!["ReleasedButMapped"], 1));
    let what = "address space 3 at 0x1000: the kernel has released vm a of x [9], \
                but its tables still map 2 pages";
    assert_eq!(comparison.findings[0].what, what);
    let loaded = SpaceContent { loaded_on: vec!["bcs0"], ..tables(3, &[]) };
    let comparison = views.compare(&released, &device(vec![loaded]), AT);
    assert_eq!(names(&comparison), ["ReleasedButLoaded"]);
    assert!(comparison.findings[0].what.ends_with("engine bcs0 still has it loaded"));
    // Freed tables that are something else by now prove nothing.
    let reused = SpaceContent { problems: 1, ..mapped() };
    assert!(views.compare(&released, &device(vec![reused]), AT).equal);
}

#[test]
fn the_kernels_own_address_space_may_be_loaded_while_nothing_is_bound_in_it() {
    let loaded =
        |number, mark| SpaceContent { mark, loaded_on: vec!["rcs0"], ..tables(number, &[]) };
    assert!(compare(&[VM], vec![loaded(0, None)]).equal);
    // A client's is not the kernel's own, nor is another one once it is known which that is.
    assert_eq!(names(&compare(&[VM], vec![loaded(0, Some(5))])), ["ReleasedButLoaded"]);
    let mut views = Views::new();
    let told = kernel(&[VM]);
    assert!(views.compare(&told, &device(vec![loaded(0, None)]), AT).equal);
    let both = vec![loaded(0, None), loaded(1, None)];
    assert_eq!(names(&views.compare(&told, &device(both), AT)), ["ReleasedButLoaded"]);
}

#[test]
fn tables_that_nobody_ever_told_of_are_orphans() {
    let comparison = compare(&[], vec![tables(3, &[(0x10, 5)])]);
    assert_eq!((names(&comparison), comparison.orphaned), (vec!["ReleasedButMapped"], 1));
    assert!(comparison.findings[0].what.contains("no address space of the kernel's lives there"));
}

#[test]
fn an_address_space_that_no_engine_loaded_is_a_difference_once_something_is_bound() {
    assert_eq!(names(&compare(&[VM, BIND], vec![])), ["BoundButNeverLoaded"]);
}

#[test]
fn tables_that_lead_nowhere_while_their_address_space_lives_are_broken() {
    let mut views = Views::new();
    let told = kernel(&[VM, OBJECT, BIND]);
    views.compare(&told, &device(vec![tables(3, &[(0x10, 5), (0x11, 6)])]), AT);
    let broken = SpaceContent { problems: 2, ..tables(3, &[]) };
    assert_eq!(names(&views.compare(&told, &device(vec![broken]), AT)), ["BrokenTables"]);
}

const SECOND: [&str; 2] =
    ["i915_ppgtt_create: dev=0, vm=b", "i915_vma_bind: obj=7, offset=0x40000 size=0x2000 vm=b"];

#[test]
fn an_object_has_the_same_pages_in_every_address_space() {
    let lines = [VM, OBJECT, BIND, SECOND[0], SECOND[1]];
    let first = tables(3, &[(0x10, 5), (0x11, 6)]);
    let same = tables(4, &[(0x40, 5), (0x41, 6)]);
    assert!(compare(&lines, vec![first.clone(), same]).equal);
    let other = tables(4, &[(0x40, 5), (0x41, 9)]);
    assert_eq!(names(&compare(&lines, vec![first, other])), ["OtherPages"]);
}

#[test]
fn two_objects_have_no_page_in_common() {
    let lines = [
        VM,
        OBJECT,
        BIND,
        "i915_gem_object_create: obj=8, size=0x1000",
        "i915_vma_bind: obj=8, offset=0x20000 size=0x1000 vm=a",
    ];
    let good = tables(3, &[(0x10, 5), (0x11, 6), (0x20, 7)]);
    assert!(compare(&lines, vec![good]).equal);
    let bad = tables(3, &[(0x10, 5), (0x11, 6), (0x20, 6)]);
    let comparison = compare(&lines, vec![bad]);
    assert_eq!(names(&comparison), ["SharedPage"]);
    assert!(comparison.findings[0].what.contains("page 0x6000 is mapped as object 8"));
}

#[test]
fn what_is_bound_in_the_ggtt_has_its_entries_and_the_rest_does_not_count() {
    let bind = "i915_vma_bind: obj=7, offset=0x1000 size=0x2000, mappable vm=f0";
    let mut seen = device(Vec::new());
    seen.ggtt[1] = 0x5001;
    seen.ggtt[2] = 0x6001;
    seen.ggtt[9] = 0x7001; // what i915 unbinds there keeps its entry
    let told = kernel(&[OBJECT, bind]);
    assert!(Views::new().compare(&told, &seen, AT).equal);
    seen.ggtt[2] = 0;
    let comparison = Views::new().compare(&told, &seen, AT);
    assert_eq!(names(&comparison), ["BoundButUnmapped"]);
    let what = "the GGTT: 0x2000 to 0x3000 is bound, but there is no PTE";
    assert_eq!(comparison.findings[0].what, what);
    let beyond = kernel(&["i915_vma_bind: obj=7, offset=0xf000 size=0x2000 vm=f0"]);
    assert_eq!(names(&Views::new().compare(&beyond, &seen, AT)), ["BoundButUnmapped"]);
    let endless = kernel(&["i915_vma_bind: obj=7, offset=0x0 size=0x1000000000000 vm=f0"]);
    assert_eq!(names(&Views::new().compare(&endless, &seen, AT)), ["BoundButUnmapped"]);
}

#[test]
fn a_mark_says_who_is_who_where_ranges_do_not() {
    let lines = [
        VM,
        "tracing_mark_write: mark 2",
        "i915_context_create: dev=0, ctx=1, ctx_vm=a",
        BIND,
        SECOND[0],
        "i915_vma_bind: obj=9, offset=0x10000 size=0x2000 vm=b",
    ];
    let both = [(0x10, 5), (0x11, 6)];
    let marked = SpaceContent { mark: Some(2), ..tables(4, &both) };
    let comparison = compare(&lines, vec![tables(3, &both), marked]);
    assert!(comparison.equal, "{:?}", comparison.findings);
    let ties: Vec<_> = comparison.spaces.iter().map(|space| (space.device, space.by)).collect();
    assert_eq!(ties, [(Some(4), Some(Tie::Mark)), (Some(3), Some(Tie::Ranges))]);
}

#[test]
fn nothing_is_equal_where_something_was_lost_or_nobody_spoke() {
    let view = KernelView::new();
    let silent = Views::new().compare(&view.snapshot(), &device(vec![]), AT);
    assert_eq!(names(&silent), ["IncompleteView"]);
    view.take(b"@agent 1 6.1\nCPU:0 [LOST 3 EVENTS]\nwhat?\n", 0);
    let comparison = Views::new().compare(&view.snapshot(), &device(vec![]), AT);
    assert_eq!(names(&comparison), ["IncompleteView"; 2]);
    assert!(comparison.findings[0].what.contains("lost 3 events"));
    assert!(comparison.findings[1].what.contains("offset 35"), "{:?}", comparison.findings);

    let mut much = kernel(&[]);
    much.counts.dropped = 2;
    let comparison = Views::new().compare(&much, &device(vec![]), AT);
    assert_eq!(names(&comparison), ["IncompleteView"]);
    assert!(comparison.findings[0].what.contains("2 things of the kernel's were too many"));
    let mut seen = device(vec![]);
    seen.contents.complete = false;
    assert_eq!(names(&Views::new().compare(&kernel(&[]), &seen, AT)), ["IncompleteView"]);
}
