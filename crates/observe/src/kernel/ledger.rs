//! What the kernel's trace adds up to: which address spaces, VMAs, contexts and objects there are.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::clock::{Clock, Moment};
use super::line::{Binding, Event, Happened, Pointer, Task};
use super::model::{KernelCounts, KernelDeed, KernelObject, KernelSpace, KernelVma};
use super::places::Places;

/// Things that are kept of each kind: many times what a desktop has, and less than 1 GiB whatever a guest says. A
/// kernel that has more is not compared any more, and says so.
const MOST_SPACES: usize = 1 << 12;
const MOST_VMAS: usize = 1 << 17;
const MOST_OTHERS: usize = 1 << 17;
/// Functions of all stacks.
const MOST_STACKED: usize = 1 << 19;
/// Released address spaces, and VMAs of each that were unbound, that are remembered for an explanation.
pub(super) const MOST_RELEASED: usize = 2048;
pub(super) const MOST_UNBOUND: usize = 64;
/// Functions of a stack.
const MOST_FUNCTIONS: usize = 24;
/// What a program says into the trace ahead of making the context whose address space its batch will
/// mark with this number.
const ANNOUNCEMENT: &str = "mark ";

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(super) clock: Clock,
    pub(super) spaces: BTreeMap<u64, KernelSpace>,
    /// The address space that a pointer means now.
    pub(super) by_pointer: HashMap<Pointer, u64>,
    /// Those that are released, oldest first.
    pub(super) released: VecDeque<u64>,
    /// Each living context's address space.
    contexts: HashMap<Pointer, u64>,
    objects: BTreeMap<Pointer, KernelObject>,
    /// Marks that threads announced.
    announced: HashMap<u32, u32>,
    pub(super) counts: KernelCounts,
    vmas: usize,
    /// Functions of all stacks.
    stacked: usize,
    places: Places,
    next: u64,
    /// The deed to which a stack belongs that follows.
    stack_of: Option<StackOf>,
    /// Device time at which the trace had begun, and microseconds of the guest's clock up to which it is
    /// known.
    pub(super) begun_ns: Option<u64>,
    pub(super) heard_us: u64,
}

/// Whose stack follows, by the number of the address space.
#[derive(Clone, Copy, Debug)]
enum StackOf {
    /// That of the binding at this address.
    Bound(u64, u64),
    /// That of the unbinding which was the last.
    Unbound(u64),
}

impl Ledger {
    /// Of a trace that had begun by device time `begun_ns`.
    pub(super) fn begun(begun_ns: u64) -> Ledger {
        Ledger { begun_ns: Some(begun_ns), ..Ledger::default() }
    }

    /// Every address space that lives, and those that were released last.
    pub(super) fn spaces(&self) -> impl Iterator<Item = &KernelSpace> {
        self.spaces.values()
    }

    /// The objects of user space that live.
    pub(super) fn objects(&self) -> &BTreeMap<Pointer, KernelObject> {
        &self.objects
    }

    /// Takes in an event that arrived at device time `arrived_ns`.
    pub(super) fn take(&mut self, event: Event, arrived_ns: u64) {
        let Event { task, time_us, happened } = event;
        let at = self.clock.moment(time_us, arrived_ns);
        self.heard_us = self.heard_us.max(time_us);
        self.stack_of = None;
        match happened {
            Happened::SpaceCreated { vm } => self.created(vm, task, at),
            Happened::SpaceReleased { vm } => self.released(vm, at),
            Happened::Bound { vm, binding } => self.bound(vm, binding, task, at),
            Happened::Unbound { vm, binding } => self.unbound(vm, binding, task, at),
            Happened::ContextCreated { context, vm } => self.context(context, vm, &task),
            Happened::ContextFreed { context } => self.context_freed(context),
            Happened::ObjectCreated { object, bytes } => {
                self.counts.objects.began += 1;
                if self.objects.len() < MOST_OTHERS {
                    self.objects.insert(object, KernelObject { bytes, created: at });
                } else {
                    self.counts.dropped += 1;
                }
            }
            Happened::ObjectDestroyed { object } => self.destroyed(object, task, at),
            Happened::Shrunk => self.counts.shrinks += 1,
            Happened::Evicted => self.counts.evictions += 1,
            Happened::RequestAdded => self.counts.requests.began += 1,
            Happened::RequestRetired => {
                let requests = &mut self.counts.requests;
                requests.ended = (requests.ended + 1).min(requests.began);
            }
            Happened::Said(words) => self.said(&words, &task),
            Happened::Other => {}
        }
    }

    /// A function of the stack of the event before.
    pub(super) fn function(&mut self, name: String) {
        let deed = match self.stack_of {
            Some(StackOf::Bound(space, offset)) => {
                let space = self.spaces.get_mut(&space);
                space.and_then(|space| space.vmas.get_mut(&offset)).map(|vma| &mut vma.bound)
            }
            Some(StackOf::Unbound(space)) => {
                let space = self.spaces.get_mut(&space);
                space.and_then(|space| space.unbound.back_mut()?.unbound.as_mut())
            }
            None => None,
        };
        let fits = |deed: &&mut KernelDeed| deed.stack.len() < MOST_FUNCTIONS;
        if let Some(deed) = deed.filter(fits).filter(|_| self.stacked < MOST_STACKED) {
            deed.stack.push(name);
            self.stacked += 1;
        }
    }

    fn created(&mut self, vm: Pointer, maker: Task, at: Moment) {
        self.counts.spaces.began += 1;
        let space = KernelSpace { vm, created: Some(at), maker, ..KernelSpace::default() };
        if self.add(space).is_none() {
            self.counts.dropped += 1;
        }
    }

    fn released(&mut self, vm: Pointer, at: Moment) {
        let Some(space) = self.known(vm).filter(|space| space.created.is_some()) else {
            self.counts.strangers += 1;
            return;
        };
        space.released = Some(at);
        let number = space.number;
        self.counts.spaces.ended += 1;
        self.by_pointer.remove(&vm);
        self.released.push_back(number);
        if self.released.len() > MOST_RELEASED
            && let Some(oldest) = self.released.pop_front()
        {
            self.forget(oldest);
        }
    }

    fn bound(&mut self, vm: Pointer, binding: Binding, by: Task, at: Moment) {
        if self.vmas >= MOST_VMAS {
            self.counts.dropped += 1;
            return;
        }
        let Some(number) = self.number(vm) else {
            self.counts.dropped += 1;
            return;
        };
        let Some(space) = self.spaces.get_mut(&number) else { return };
        let Binding { object, offset, bytes } = binding;
        let known = space.vmas.get(&offset);
        if known.is_some_and(|known| (known.object, known.bytes) == (object, bytes)) {
            return; // bound once more, as with another caching
        }
        let (bound, unbound, destroyed) = (KernelDeed::new(at, by), None, None);
        let vma = KernelVma { offset, bytes, object, bound, unbound, destroyed };
        self.counts.vmas.began += 1;
        match space.vmas.insert(offset, vma) {
            Some(before) => {
                // Its end was lost.
                self.counts.strangers += 1;
                self.stacked -= before.functions();
                self.places.not_bound(before.object, number, offset);
            }
            None => self.vmas += 1,
        }
        self.places.bound(object, number, offset);
        self.stack_of = Some(StackOf::Bound(number, offset));
    }

    fn unbound(&mut self, vm: Pointer, binding: Binding, by: Task, at: Moment) {
        let Binding { object, offset, bytes } = binding;
        let known = self.known(vm).and_then(|space| {
            let known = space.vmas.get(&offset)?;
            let same = (known.object, known.bytes) == (object, bytes);
            Some((same.then(|| space.vmas.remove(&offset))??, space.number))
        });
        let Some((vma, number)) = known else {
            self.counts.strangers += 1;
            return;
        };
        self.vmas -= 1;
        self.counts.vmas.ended += 1;
        self.places.not_bound(object, number, offset);
        self.remember(number, KernelVma { unbound: Some(KernelDeed::new(at, by)), ..vma });
        self.stack_of = Some(StackOf::Unbound(number));
    }

    /// Keeps what was unbound, for an explanation.
    fn remember(&mut self, number: u64, vma: KernelVma) {
        let Some(space) = self.spaces.get_mut(&number) else { return };
        let full = space.unbound.len() >= MOST_UNBOUND;
        let oldest = full.then(|| space.unbound.pop_front()).flatten();
        self.places.remembered(vma.object, number);
        space.unbound.push_back(vma);
        if let Some(oldest) = oldest {
            self.stacked -= oldest.functions();
            if !space.unbound.iter().any(|vma| vma.object == oldest.object) {
                self.places.not_remembered(oldest.object, number);
            }
        }
    }

    fn context(&mut self, context: Pointer, vm: Pointer, task: &Task) {
        self.counts.contexts.began += 1;
        let mark = self.announced.remove(&task.thread);
        let Some(number) = self.number(vm).filter(|_| self.contexts.len() < MOST_OTHERS) else {
            self.counts.dropped += 1;
            return;
        };
        self.contexts.insert(context, number);
        if let Some(space) = self.spaces.get_mut(&number) {
            space.contexts += 1;
            space.mark = mark.or(space.mark);
        }
    }

    fn context_freed(&mut self, context: Pointer) {
        let Some(number) = self.contexts.remove(&context) else {
            self.counts.strangers += 1;
            return;
        };
        self.counts.contexts.ended += 1;
        if let Some(space) = self.spaces.get_mut(&number) {
            space.contexts = space.contexts.saturating_sub(1);
        }
    }

    /// The kernel's own objects end without a beginning, so that is no stranger.
    fn destroyed(&mut self, object: Pointer, by: Task, at: Moment) {
        if self.objects.remove(&object).is_some() {
            self.counts.objects.ended += 1;
        }
        let end = |vma: &mut KernelVma| {
            if vma.object == object && vma.destroyed.is_none() {
                vma.destroyed = Some(KernelDeed::new(at, by.clone()));
            }
        };
        let (bound, unbound) = self.places.take(object);
        let is_living = |space: &&mut KernelSpace| space.released.is_none();
        for (number, offset) in bound {
            let space = self.spaces.get_mut(&number).filter(is_living);
            space.and_then(|space| space.vmas.get_mut(&offset)).into_iter().for_each(end);
        }
        for number in unbound {
            let space = self.spaces.get_mut(&number).filter(is_living);
            space.into_iter().flat_map(|space| &mut space.unbound).for_each(end);
        }
    }

    fn said(&mut self, words: &str, task: &Task) {
        let mark = words.strip_prefix(ANNOUNCEMENT).and_then(|mark| mark.parse().ok());
        if let Some(mark) = mark
            && self.announced.len() < MOST_OTHERS
        {
            self.announced.insert(task.thread, mark);
        }
    }

    /// The address space that `vm` is now.
    fn known(&mut self, vm: Pointer) -> Option<&mut KernelSpace> {
        self.spaces.get_mut(self.by_pointer.get(&vm)?)
    }

    /// Its number; one that nobody told of is the GGTT, or older than the trace.
    fn number(&mut self, vm: Pointer) -> Option<u64> {
        match self.by_pointer.get(&vm) {
            Some(&number) => Some(number),
            None => self.add(KernelSpace { vm, ..KernelSpace::default() }),
        }
    }

    fn add(&mut self, space: KernelSpace) -> Option<u64> {
        if self.by_pointer.len() >= MOST_SPACES {
            return None;
        }
        let number = self.next;
        self.next += 1;
        if let Some(before) = self.by_pointer.insert(space.vm, number) {
            // Its release was lost.
            self.counts.strangers += 1;
            self.forget(before);
        }
        self.spaces.insert(number, KernelSpace { number, ..space });
        Some(number)
    }

    fn forget(&mut self, number: u64) {
        if let Some(space) = self.spaces.remove(&number) {
            self.vmas -= space.vmas.len();
            let vmas = space.vmas.values().chain(&space.unbound);
            self.stacked -= vmas.map(KernelVma::functions).sum::<usize>();
            self.places.forget(&space);
        }
    }
}

#[cfg(test)]
mod tests;
