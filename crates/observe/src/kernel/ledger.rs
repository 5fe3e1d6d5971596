//! What the kernel's trace adds up to: which address spaces, VMAs, contexts and objects there are.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;

use super::clock::{Clock, Moment};
use super::line::{Binding, Event, Happened, Pointer, Task};

/// Things that are kept of each kind. A kernel that has more is not compared any more, and says so.
const MOST_SPACES: usize = 1 << 16;
const MOST_VMAS: usize = 1 << 20;
const MOST_OTHERS: usize = 1 << 20;
/// Released address spaces, and VMAs of each that were unbound, that are remembered for an explanation.
const MOST_RELEASED: usize = 4096;
const MOST_UNBOUND: usize = 64;
/// Functions of a stack.
const MOST_FUNCTIONS: usize = 24;
/// What a program says into the trace ahead of making the context whose address space its batch will
/// mark with this number.
const ANNOUNCEMENT: &str = "mark ";

/// An address space by the kernel's account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelSpace {
    /// Counts from 0 in the order in which they were first heard of.
    pub number: u64,
    /// The kernel's pointer: what the trace calls `vm`.
    pub vm: Pointer,
    /// Its beginning; `None` for the GGTT, and for what was there before the trace.
    pub created: Option<Moment>,
    /// Its end.
    pub released: Option<Moment>,
    /// Who made it.
    pub maker: Task,
    /// The mark that its maker announced.
    pub mark: Option<u32>,
    /// Living contexts that use it.
    pub contexts: u32,
    /// What is bound in it, by address.
    pub vmas: BTreeMap<u64, KernelVma>,
    /// What was bound in it last, oldest first.
    pub unbound: VecDeque<KernelVma>,
}

/// A VMA that is or was bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelVma {
    /// First address.
    pub offset: u64,
    /// Length.
    pub bytes: u64,
    /// The kernel's pointer of the object.
    pub object: Pointer,
    /// When it was bound.
    pub bound: Moment,
    /// By whom.
    pub bound_by: Task,
    /// The kernel's stack at that, innermost function first, if the agent streams stacks.
    pub stack: Vec<String>,
    /// When it was unbound, and by whom.
    pub unbound: Option<(Moment, Task)>,
    /// When its object was destroyed.
    pub destroyed: Option<Moment>,
}

/// An object that user space made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KernelObject {
    /// Its length.
    pub bytes: u64,
    /// Its beginning.
    pub created: Moment,
}

/// How many began and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Since the trace began.
    pub began: u64,
    /// Of these.
    pub ended: u64,
}

/// Counts since the trace began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelCounts {
    /// Address spaces, without the GGTT.
    pub spaces: Balance,
    /// VMAs of all address spaces, those of the GGTT included.
    pub vmas: Balance,
    /// Contexts of user space.
    pub contexts: Balance,
    /// Objects of user space.
    pub objects: Balance,
    /// Requests; those that were there before do not count.
    pub requests: Balance,
    /// Evictions.
    pub evictions: u64,
    /// Calls of the shrinker.
    pub shrinks: u64,
    /// Ends without a beginning: of what was there before the trace.
    pub strangers: u64,
    /// Things that were too many to be kept.
    pub dropped: u64,
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    clock: Clock,
    spaces: BTreeMap<u64, KernelSpace>,
    /// The address space that a pointer means now.
    by_pointer: HashMap<Pointer, u64>,
    /// Those that are released, oldest first.
    released: VecDeque<u64>,
    /// Each living context's address space.
    contexts: HashMap<Pointer, u64>,
    objects: BTreeMap<Pointer, KernelObject>,
    /// Marks that threads announced.
    announced: HashMap<u32, u32>,
    pub(super) counts: KernelCounts,
    vmas: usize,
    next: u64,
    /// The VMA to which a stack belongs that follows.
    stack_of: Option<(u64, u64)>,
}

impl Ledger {
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
            Happened::ObjectDestroyed { object } => self.destroyed(object, at),
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
        let Some((space, offset)) = self.stack_of else { return };
        let Some(space) = self.spaces.get_mut(&space) else { return };
        if let Some(vma) = space.vmas.get_mut(&offset)
            && vma.stack.len() < MOST_FUNCTIONS
        {
            vma.stack.push(name);
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

    fn bound(&mut self, vm: Pointer, binding: Binding, bound_by: Task, bound: Moment) {
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
        let (unbound, destroyed, stack) = (None, None, Vec::new());
        let vma = KernelVma { offset, bytes, object, bound, bound_by, stack, unbound, destroyed };
        self.counts.vmas.began += 1;
        match space.vmas.insert(offset, vma) {
            // Its end was lost.
            Some(_) => self.counts.strangers += 1,
            None => self.vmas += 1,
        }
        self.stack_of = Some((number, offset));
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
            space.unbound.push_back(KernelVma { unbound: Some((at, by)), ..vma });
            Some(())
        });
        match known {
            Some(()) => {
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
    fn destroyed(&mut self, object: Pointer, at: Moment) {
        if self.objects.remove(&object).is_some() {
            self.counts.objects.ended += 1;
        }
        let living = self.spaces.values_mut().filter(|space| space.released.is_none());
        for vma in living.flat_map(|space| space.vmas.values_mut().chain(&mut space.unbound)) {
            if vma.object == object && vma.destroyed.is_none() {
                vma.destroyed = Some(at);
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
mod tests {
    use super::*;

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
        assert_eq!((vma.object, vma.bytes, vma.bound.guest_us), (7, 0x2000, 2));
        assert_eq!(bound.counts.vmas, Balance { began: 1, ended: 0 }, "bound twice is bound once");
        let unbound = ledger([created(1), bind, Happened::Unbound { vm: 1, binding: A }]);
        let space = space(&unbound, 0);
        assert!(space.vmas.is_empty());
        assert_eq!(space.unbound[0].unbound.as_ref().unwrap().0.guest_us, 3);
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
        assert_eq!(space(&ledger, 0).unbound[0].destroyed.unwrap().guest_us, 5);
        assert_eq!(ledger.counts.objects, Balance { began: 1, ended: 1 });
        assert!(ledger.objects().is_empty());
    }

    #[test]
    fn a_stack_belongs_to_the_binding_before_it() {
        let mut ledger = ledger([created(1), Happened::Bound { vm: 1, binding: A }]);
        (0..100).for_each(|_| ledger.function("i915_vma_bind".into()));
        assert_eq!(space(&ledger, 0).vmas[&0x1000].stack.len(), MOST_FUNCTIONS);
    }

    #[test]
    fn what_was_released_long_ago_is_forgotten() {
        let ledger = ledger(
            (0..2 * MOST_RELEASED as u64)
                .flat_map(|vm| [created(vm), Happened::SpaceReleased { vm }]),
        );
        assert_eq!(ledger.spaces().count(), MOST_RELEASED);
    }
}
