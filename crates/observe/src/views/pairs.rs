//! Which of the device's roots is which of the kernel's address spaces.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::ranges::{self, Ranges};
use crate::kernel::KernelSpace;
use crate::spaces::SpaceContent;

/// Address spaces without a partner of which every two are compared; more are left alone.
const MOST_LEFT: usize = 512;

/// What ties a root to an address space of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tie {
    /// A client announced a mark to the kernel's trace and left it in its batch.
    Mark,
    /// Both have exactly the same ranges.
    Ranges,
    /// They were the same the last time.
    Before,
    /// They have more in common than with any other.
    Likeness,
    /// Both map nothing, and an engine has it loaded: the kernel's own.
    Nothing,
}

/// The partners, by index in the lists that were compared.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// Of a kernel's address space: the device's, and by what.
    pub(super) device_of: HashMap<usize, (usize, Tie)>,
    taken: HashSet<usize>,
}

impl Pairs {
    /// Whether the device's address space has a partner.
    pub(super) fn has(&self, device: usize) -> bool {
        self.taken.contains(&device)
    }

    fn tie(&mut self, kernel: usize, device: usize, tie: Tie) {
        if !self.device_of.contains_key(&kernel) && self.taken.insert(device) {
            self.device_of.insert(kernel, (device, tie));
        }
    }

    fn lacks(&self, kernel: usize) -> bool {
        !self.device_of.contains_key(&kernel)
    }
}

/// Finds partners for `kernel`'s living address spaces among `device`'s; `before` has the numbers
/// of the last time.
pub(super) fn find(
    kernel: &[&KernelSpace],
    device: &[SpaceContent],
    before: &HashMap<u64, u64>,
) -> Pairs {
    let mut pairs = Pairs::default();
    by_mark(&mut pairs, kernel, device);
    let kernel_ranges: Vec<Ranges> = kernel.iter().map(|space| ranges::of_kernel(space)).collect();
    let device_ranges: Vec<Ranges> =
        device.iter().map(|space| ranges::of_device(&space.pages)).collect();
    by_ranges(&mut pairs, &kernel_ranges, &device_ranges, |index, candidate| {
        before.get(&kernel[index].number) == Some(&device[candidate].number)
    });
    let index_of: HashMap<u64, usize> =
        (0..).zip(device).map(|(i, space)| (space.number, i)).collect();
    for (index, space) in kernel.iter().enumerate() {
        if let Some(&device) = before.get(&space.number).and_then(|number| index_of.get(number)) {
            pairs.tie(index, device, Tie::Before);
        }
    }
    by_likeness(&mut pairs, &kernel_ranges, &device_ranges);
    by_nothing(&mut pairs, kernel, device, before);
    pairs
}

fn by_mark(pairs: &mut Pairs, kernel: &[&KernelSpace], device: &[SpaceContent]) {
    let marked = (0..).zip(device).filter_map(|(index, space)| Some((space.mark?, index)));
    let marked: HashMap<u32, usize> = marked.collect();
    for (index, space) in kernel.iter().enumerate() {
        if let Some(&device) = space.mark.and_then(|mark| marked.get(&mark)) {
            pairs.tie(index, device, Tie::Mark);
        }
    }
}

/// `knows` says which pairs are those of the last time: of several that are alike they stay together.
fn by_ranges(
    pairs: &mut Pairs,
    kernel: &[Ranges],
    device: &[Ranges],
    knows: impl Fn(usize, usize) -> bool,
) {
    let mut alike: HashMap<&Ranges, Vec<usize>> = HashMap::new();
    for (index, ranges) in device.iter().enumerate() {
        if !ranges.is_empty() && !pairs.has(index) {
            alike.entry(ranges).or_default().push(index);
        }
    }
    for known_only in [true, false] {
        for (index, ranges) in kernel.iter().enumerate() {
            let candidates = alike.get(ranges).into_iter().flatten();
            let mut free = candidates.filter(|&&device| !pairs.has(device));
            let device = match known_only {
                true => free.find(|&&device| knows(index, device)),
                false => free.next(),
            };
            if let Some(&device) = device {
                pairs.tie(index, device, Tie::Ranges);
            }
        }
    }
}

fn by_likeness(pairs: &mut Pairs, kernel: &[Ranges], device: &[Ranges]) {
    let lonely: Vec<usize> = (0..kernel.len()).filter(|&index| pairs.lacks(index)).collect();
    let free: Vec<usize> = (0..device.len()).filter(|&index| !pairs.has(index)).collect();
    let mut likeness = Vec::new();
    for &index in lonely.iter().take(MOST_LEFT) {
        for &candidate in free.iter().take(MOST_LEFT) {
            let common = ranges::common(&kernel[index], &device[candidate]);
            if common > 0 {
                likeness.push((common, index, candidate));
            }
        }
    }
    likeness.sort_unstable_by(|one, other| other.cmp(one));
    for (_, index, candidate) in likeness {
        pairs.tie(index, candidate, Tie::Likeness);
    }
}

/// What is loaded and maps nothing is one of those in which nothing is bound, unless it is known as
/// another's: by its mark, or from the last time.
fn by_nothing(
    pairs: &mut Pairs,
    kernel: &[&KernelSpace],
    device: &[SpaceContent],
    before: &HashMap<u64, u64>,
) {
    let known: HashSet<u64> = before.values().copied().collect();
    let is_fit = |space: &SpaceContent| {
        let is_empty = space.pages.is_empty() && space.problems == 0;
        is_empty && !space.loaded_on.is_empty() && !known.contains(&space.number)
    };
    for (candidate, tables) in device.iter().enumerate().filter(|(_, space)| is_fit(space)) {
        let mut free = (0..).zip(kernel).filter(|&(index, space)| {
            pairs.lacks(index) && space.vmas.is_empty() && space.mark == tables.mark
        });
        if let Some((index, _)) = free.next() {
            pairs.tie(index, candidate, Tie::Nothing);
        }
    }
}
