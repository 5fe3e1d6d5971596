//! What the kernel's trace adds up to: which address spaces, VMAs, contexts and objects there are.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::clock::{Clock, Moment};
use super::line::{Binding, Event, Happened, Pointer, Task};
use super::model::{KernelCounts, KernelDeed, KernelObject, KernelSpace, KernelVma};

/// Things that are kept of each kind. A kernel that has more is not compared any more, and says so.
const MOST_SPACES: usize = 1 << 16;
const MOST_VMAS: usize = 1 << 20;
const MOST_OTHERS: usize = 1 << 20;
/// Released address spaces, and VMAs of each that were unbound, that are remembered for an explanation.
pub(super) const MOST_RELEASED: usize = 4096;
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
        if let Some(deed) = deed.filter(|deed| deed.stack.len() < MOST_FUNCTIONS) {
            deed.stack.push(name);
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
            // Its end was lost.
            Some(_) => self.counts.strangers += 1,
            None => self.vmas += 1,
        }
        self.stack_of = Some(StackOf::Bound(number, offset));
    }

    fn unbound(&mut self, vm: Pointer, binding: Binding, by: Task, at: Moment) {
        let space = self.known(vm);
        let known = space.and_then(|space| {
            let known = space.vmas.get(&binding.offset)?;
            let same = (known.object, known.bytes) == (binding.object, binding.bytes);
            let vma = same.then(|| space.vmas.remove(&binding.offset))??;
            if space.unbound.len() == MOST_UNBOUND {
                space.unbound.pop_front();
            }
            space.unbound.push_back(KernelVma { unbound: Some(KernelDeed::new(at, by)), ..vma });
            Some(space.number)
        });
        match known {
            Some(number) => {
                self.stack_of = Some(StackOf::Unbound(number));
                self.vmas -= 1;
                self.counts.vmas.ended += 1;
            }
            None => self.counts.strangers += 1,
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
        let living = self.spaces.values_mut().filter(|space| space.released.is_none());
        for vma in living.flat_map(|space| space.vmas.values_mut().chain(&mut space.unbound)) {
            if vma.object == object && vma.destroyed.is_none() {
                vma.destroyed = Some(KernelDeed::new(at, by.clone()));
            }
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
        }
    }
}

#[cfg(test)]
mod tests;
