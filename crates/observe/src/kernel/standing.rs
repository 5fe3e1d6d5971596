//! How an address stood in the kernel's account when an engine used it.
//!
//! The account is late, and the guest's clock is known to within the time that the fastest line took. So
//! an answer against the kernel needs a distance: what may have been bound at that moment was.

use gpu_model::Space;

use super::ledger::{Ledger, MOST_RELEASED, MOST_UNBOUND};
use super::model::{KernelSpace, KernelVma};

/// An end counts as one before a use if it lies so much before it: clocks drift. Microseconds.
const SURELY_BEFORE_US: u64 = 100_000;
/// A beginning counts as one after a use if it lies so much after it: what a fast line takes, many times
/// over. Microseconds.
const SURELY_AFTER_US: u64 = 1_000_000;

/// What a fast line takes, most likely. Microseconds.
const LIKELY_US: u64 = 500;

/// A moment of device time by the guest's clock, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When {
    /// What ended before this had ended by then.
    ended_us: u64,
    /// What began up to this may have begun by then.
    begun_us: u64,
    /// The moment itself, most likely.
    likely_us: u64,
}

/// A VMA that had ended by some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone<'a> {
    pub(crate) space: &'a KernelSpace,
    pub(crate) vma: &'a KernelVma,
    end_us: Option<u64>,
}

impl Gone<'_> {
    /// Whether it was bound at an earlier moment, or may have been.
    pub(crate) fn was_there(&self, when: When) -> bool {
        when.had(self.vma, self.end_us)
    }

    /// How likely it is what a use at an earlier moment was of, compared with others: an engine uses what was
    /// bound just before.
    pub(crate) fn likelihood(&self, when: When) -> (bool, u64) {
        let bound_us = self.vma.bound.at.guest_us;
        let is_before = bound_us <= when.likely_us + LIKELY_US;
        (is_before, if is_before { bound_us } else { u64::MAX - bound_us })
    }

    /// The later its end the greater.
    pub(crate) fn end_us(&self) -> Option<u64> {
        self.end_us
    }
}

impl When {
    /// Whether the object of a VMA had been destroyed.
    pub(crate) fn is_after_destruction(self, vma: &KernelVma) -> bool {
        self.has_ended(vma.destroyed.as_ref().map(|deed| deed.at.guest_us))
    }

    fn has_ended(self, end_us: Option<u64>) -> bool {
        end_us.is_some_and(|end_us| end_us < self.ended_us)
    }

    /// Whether it was bound then, or may have been.
    fn had(self, vma: &KernelVma, end_us: Option<u64>) -> bool {
        vma.bound.at.guest_us <= self.begun_us && !self.has_ended(end_us)
    }
}

impl Ledger {
    /// Whether the trace had begun by a moment of device time.
    pub(crate) fn had_begun(&self, at_ns: u64) -> bool {
        self.begun_ns.is_some_and(|begun_ns| begun_ns <= at_ns)
    }

    /// A moment of device time, once all has been told that may have happened by then.
    pub(crate) fn when(&self, at_ns: u64) -> Option<When> {
        let guest = self.clock.guest(at_ns)?;
        let when = When {
            ended_us: guest.earliest_us.saturating_sub(SURELY_BEFORE_US),
            begun_us: guest.likely_us.saturating_add(SURELY_AFTER_US),
            likely_us: guest.likely_us,
        };
        (when.begun_us < self.heard_us).then_some(when)
    }

    /// Whether waiting for a moment's account is over: it has come, or can never be told from the others.
    pub(crate) fn is_past(&self, at_ns: u64) -> bool {
        self.clock.has_leapt_since(at_ns) || self.when(at_ns).is_some()
    }

    /// Whether something was bound at an address, or may have been. Which of the kernel's address spaces
    /// a PPGTT is cannot be told, so this asks all of them.
    pub(crate) fn was_bound(&self, kind: Space, address: u64, when: When) -> bool {
        let released = || self.released.iter().rev().filter_map(|number| self.spaces.get(number));
        let lately = released().take_while(|space| !when.has_ended(release_us(space)));
        let living = self.by_pointer.values().filter_map(|number| self.spaces.get(number));
        let mut spaces = living.chain(lately).filter(|space| is_a(kind, space));
        let is_forgotten = self.released.len() >= MOST_RELEASED
            && released().all(|space| !when.has_ended(release_us(space)));
        is_forgotten || spaces.any(|space| was_bound_in(space, address, when))
    }

    /// What was bound at an address and was gone at that moment, as far as is remembered.
    pub(crate) fn gone(&self, kind: Space, address: u64, when: When) -> Vec<Gone<'_>> {
        let spaces = self.spaces.values().filter(|space| is_a(kind, space));
        let ends = spaces
            .flat_map(|space| ends(space).map(move |(vma, end_us)| Gone { space, vma, end_us }));
        ends.filter(|gone| covers(gone.vma, address) && when.has_ended(gone.end_us)).collect()
    }
}

/// The GGTT is what nobody creates.
fn is_a(kind: Space, space: &KernelSpace) -> bool {
    (kind == Space::Ggtt) == space.created.is_none()
}

fn covers(vma: &KernelVma, address: u64) -> bool {
    address.checked_sub(vma.offset).is_some_and(|offset| offset < vma.bytes)
}

fn release_us(space: &KernelSpace) -> Option<u64> {
    space.released.map(|at| at.guest_us)
}

fn unbound_us(vma: &KernelVma) -> Option<u64> {
    vma.unbound.as_ref().map(|deed| deed.at.guest_us)
}

/// The VMAs of an address space, and the guest's time at which each ended if it has.
fn ends(space: &KernelSpace) -> impl Iterator<Item = (&KernelVma, Option<u64>)> {
    let unbound = space.unbound.iter().map(|vma| (vma, unbound_us(vma)));
    // A VMA does not survive its address space.
    let bound = space.vmas.values().map(|vma| (vma, release_us(space)));
    unbound.chain(bound)
}

fn was_bound_in(space: &KernelSpace, address: u64, when: When) -> bool {
    let bound = space.vmas.range(..=address).next_back().map(|(_, vma)| vma);
    let is_bound = bound.is_some_and(|vma| covers(vma, address) && when.had(vma, None));
    let mut unbound = space.unbound.iter();
    let is_forgotten = space.unbound.len() >= MOST_UNBOUND
        && space.unbound.front().is_some_and(|vma| !when.has_ended(unbound_us(vma)));
    let was = unbound.any(|vma| covers(vma, address) && when.had(vma, unbound_us(vma)));
    is_bound || is_forgotten || was
}
