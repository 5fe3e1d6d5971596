//! Lays the two sides beside each other.

use std::collections::{HashMap, HashSet};

use super::device::{Seen, Space};
use super::{Device, Fate, KernelVm, Row, Settled, Stage};

/// Address spaces in one stage from which on root pages must have been used again: a kernel that
/// keeps every address space needs a root page for each.
const MANY: usize = 1000;
/// Unmarked address spaces that are shown.
const UNMARKED: usize = 16;

/// Judges one stage.
pub(super) fn stage(settled: Settled, told: Vec<KernelVm>, seen: &Seen) -> Stage {
    let Settled { check, stage, expected, kernel } = settled;
    let by_mark: HashMap<u32, &Space> =
        seen.spaces.iter().filter_map(|space| Some((space.mark?, space))).collect();
    let told_of: HashMap<u32, &KernelVm> = told.iter().map(|vm| (vm.mark, vm)).collect();

    let mut device = Device::default();
    let mut roots: HashSet<u64> = HashSet::new();
    let mut faults = Vec::new();
    for (mark, expect) in expected
        .iter()
        .flat_map(|some| (some.marks.start..=some.marks.end).map(|m| (m, some.expect)))
    {
        let space = by_mark.get(&mark).copied();
        if let Some(space) = space {
            device.marked += 1;
            device.replaced += usize::from(space.replaced_ns.is_some());
            roots.extend(space.root.first());
        } else if seen.forgotten == 0 {
            faults.push(format!("the device never saw {mark:#x}"));
        }
        let fate = told_of.get(&mark).map_or(expect, |vm| vm.fate());
        faults.extend(fault(mark, expect, fate, space));
    }
    device.roots = roots.len();
    if device.marked >= MANY && device.roots > device.marked / 2 {
        let Device { marked, roots, .. } = device;
        faults.push(format!("{marked} address spaces took {roots} root pages: they stay"));
    }

    let rows = told.into_iter().map(|kernel| {
        let device = by_mark.get(&kernel.mark).copied().cloned();
        Row { kernel, device }
    });
    let unmarked = seen.spaces.iter().filter(|space| space.mark.is_none()).take(UNMARKED);
    Stage {
        check,
        stage,
        kernel,
        device,
        spaces: rows.collect(),
        unmarked: unmarked.cloned().collect(),
        faults,
    }
}

/// What is wrong with one address space, by both sides.
fn fault(mark: u32, expect: Fate, fate: Fate, space: Option<&Space>) -> Option<String> {
    if fate != expect {
        let word = |fate| if fate == Fate::Alive { "alive" } else { "released" };
        return Some(format!("{mark:#x} is {} and should be {}", word(fate), word(expect)));
    }
    let space = space?;
    match fate {
        Fate::Alive if space.replaced_ns.is_some() => {
            Some(format!("{mark:#x} is alive, but its root is another address space's"))
        }
        Fate::Released if !space.live_on.is_empty() => Some(format!(
            "{mark:#x} is released, but {} still runs with it",
            space.live_on.join(" and ")
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::balance::Balances;
    use super::super::{Expected, Marks};
    use super::*;

    fn settled(marks: std::ops::RangeInclusive<u32>, expect: Fate) -> Settled {
        let marks = Marks { start: *marks.start(), end: *marks.end() };
        let expected = vec![Expected { marks, expect }];
        let kernel = Balances::default();
        Settled { check: "c".into(), stage: "s".into(), expected, kernel }
    }

    fn space(number: u64, mark: Option<u32>) -> Space {
        Space {
            number,
            root: vec![0x1000 * (number + 1)],
            mark,
            engines: vec!["rcs0".into()],
            live_on: vec![],
            loads: 1,
            replaced_ns: None,
            walk: None,
        }
    }

    fn vm(mark: u32, expect: Fate, released_us: Option<u64>) -> KernelVm {
        let vm = Some("abc".into());
        KernelVm { mark, expect, vm, created_us: Some(1), released_us, bound: 0, contexts: 0 }
    }

    fn seen(spaces: Vec<Space>) -> Seen {
        Seen { forgotten: 0, spaces }
    }

    #[test]
    fn agreement_is_no_fault() {
        let told = vec![vm(7, Fate::Released, Some(2))];
        let seen = seen(vec![space(0, None), space(1, Some(7))]);
        let stage = stage(settled(7..=7, Fate::Released), told, &seen);
        assert!(stage.faults.is_empty(), "{:?}", stage.faults);
        assert_eq!(stage.spaces[0].device.as_ref().map(|space| space.number), Some(1));
        assert_eq!((stage.unmarked.len(), stage.device.marked), (1, 1));
    }

    #[test]
    fn a_leak_by_the_kernels_account_is_a_fault() {
        let expect = Fate::Released;
        let released = vm(7, expect, Some(2));
        for left in [
            vm(7, expect, None),
            KernelVm { bound: 1, ..released.clone() },
            KernelVm { contexts: 1, ..released },
        ] {
            let seen = seen(vec![space(1, Some(7))]);
            let stage = stage(settled(7..=7, expect), vec![left], &seen);
            assert_eq!(stage.faults, ["0x7 is alive and should be released"]);
        }
    }

    #[test]
    fn what_the_device_sees_against_the_kernels_word_is_a_fault() {
        let running = Space { live_on: vec!["bcs0".into()], ..space(1, Some(7)) };
        let replaced = Space { replaced_ns: Some(5), ..space(1, Some(7)) };
        for (space, told, complaint) in [
            (running, vm(7, Fate::Released, Some(2)), "bcs0 still runs with it"),
            (replaced.clone(), vm(7, Fate::Alive, None), "its root is another"),
        ] {
            let expect = told.expect;
            let stage = stage(settled(7..=7, expect), vec![told], &seen(vec![space]));
            assert_eq!(stage.faults.len(), 1);
            assert!(stage.faults[0].contains(complaint), "{:?}", stage.faults);
        }
        let told = vec![vm(7, Fate::Released, Some(2))];
        let stage = stage(settled(7..=7, Fate::Released), told, &seen(vec![replaced]));
        assert!(stage.faults.is_empty());
        assert_eq!(stage.device.replaced, 1);
    }

    #[test]
    fn an_address_space_that_the_device_never_saw_is_a_fault() {
        let told = vec![vm(7, Fate::Released, Some(2))];
        let stage = stage(settled(7..=7, Fate::Released), told, &seen(vec![space(0, None)]));
        assert_eq!(stage.faults, ["the device never saw 0x7"]);
    }

    #[test]
    fn a_root_page_for_each_of_many_address_spaces_is_a_leak_to_the_device() {
        let count = MANY as u32;
        let each: Vec<Space> = (1..=count).map(|mark| space(u64::from(mark), Some(mark))).collect();
        let few: Vec<Space> =
            each.iter().map(|space| Space { root: vec![0x1000], ..space.clone() }).collect();
        let judge = |spaces| stage(settled(1..=count, Fate::Released), vec![], &seen(spaces));
        assert_eq!(judge(few).faults, [""; 0]);
        let leak = judge(each);
        assert_eq!(leak.faults, ["1000 address spaces took 1000 root pages: they stay"]);
    }
}
