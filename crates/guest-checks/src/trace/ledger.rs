//! What the trace adds up to: which address spaces, bindings and contexts begin and end.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::event::{Binding, Event, Happened, Pointer};

/// What a program says into the trace ahead of making the context whose address space it is going
/// to mark with this number.
pub(crate) const ANNOUNCEMENT: &str = "mark ";

/// One address space of the kernel's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vm {
    pub(crate) pointer: Pointer,
    /// `None`: it was there before the trace began, or is the GGTT, which is never "created".
    pub(crate) created_us: Option<u64>,
    pub(crate) released_us: Option<u64>,
    /// The mark that its maker announced.
    pub(crate) mark: Option<u32>,
    /// What is bound in it now.
    pub(crate) bound: HashSet<Binding>,
    /// Its living contexts.
    pub(crate) contexts: u32,
}

impl Vm {
    /// Released, with nothing bound and no context left.
    pub(crate) fn is_gone(&self) -> bool {
        self.released_us.is_some() && self.bound.is_empty() && self.contexts == 0
    }

    /// Whether an object is bound at `offset`.
    pub(crate) fn is_bound_at(&self, offset: u64) -> bool {
        self.bound_object(offset).is_some()
    }

    /// The object that is bound at `offset`.
    pub(crate) fn bound_object(&self, offset: u64) -> Option<Pointer> {
        self.bound.iter().find(|binding| binding.offset == offset).map(|binding| binding.object)
    }
}

/// How often something began and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Balance {
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

impl Balance {
    /// Whether all that began has ended.
    pub(crate) fn is_even(self) -> bool {
        self.began == self.ended
    }

    /// Since `earlier`.
    fn since(self, earlier: Balance) -> Balance {
        Balance { began: self.began - earlier.began, ended: self.ended - earlier.ended }
    }
}

/// Counts of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Balances {
    /// `i915_ppgtt_create` against `i915_ppgtt_release`.
    pub(crate) vms: Balance,
    /// `i915_vma_bind` against `i915_vma_unbind`; a VMA that is bound once more counts once.
    pub(crate) vmas: Balance,
    /// `i915_context_create` against `i915_context_free`.
    pub(crate) contexts: Balance,
}

impl Balances {
    /// Whether all that began has ended.
    pub(crate) fn are_even(&self) -> bool {
        [self.vms, self.vmas, self.contexts].into_iter().all(Balance::is_even)
    }

    /// What began and ended since `earlier`, a moment of the same trace.
    pub(crate) fn since(&self, earlier: &Balances) -> Balances {
        Balances {
            vms: self.vms.since(earlier.vms),
            vmas: self.vmas.since(earlier.vmas),
            contexts: self.contexts.since(earlier.contexts),
        }
    }
}

impl fmt::Display for Balances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Balances { vms, vmas, contexts } = self;
        write!(
            f,
            "{} of {} address spaces released, {} of {} VMAs unbound, {} of {} contexts freed",
            vms.ended, vms.began, vmas.ended, vmas.began, contexts.ended, contexts.began
        )
    }
}

/// One of the times that the watched object was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    vm: usize,
    pub(crate) binding: Binding,
    pub(crate) bound_us: u64,
    pub(crate) unbound_us: Option<u64>,
}

/// Everything since the trace began.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The object of which each binding is kept.
    watch: Option<Pointer>,
    watched: Vec<Watched>,
    vms: Vec<Vm>,
    /// The address space that a pointer means now: the last one that was created there.
    by_pointer: HashMap<Pointer, usize>,
    by_mark: HashMap<u32, usize>,
    /// Each living context's address space.
    contexts: HashMap<Pointer, usize>,
    /// Announcements of threads that have made no context since.
    announced: HashMap<u32, u32>,
    pub(crate) balances: Balances,
    /// Ends without a beginning: of what was there before the trace.
    pub(crate) strangers: u64,
}

impl Ledger {
    /// Takes in one event.
    pub(crate) fn take(&mut self, event: Event) {
        let Event { thread, time_us, happened } = event;
        match happened {
            Happened::VmCreated { vm } => {
                self.balances.vms.began += 1;
                let created_us = Some(time_us);
                self.add(Vm { pointer: vm, created_us, ..Vm::default() });
            }
            Happened::VmReleased { vm } => {
                let known = self.vm(vm);
                if known.created_us.is_some() && known.released_us.is_none() {
                    known.released_us = Some(time_us);
                    self.balances.vms.ended += 1;
                } else {
                    self.strangers += 1;
                }
            }
            Happened::Bound { vm, binding } => {
                if self.vm(vm).bound.insert(binding) {
                    self.balances.vmas.began += 1;
                    self.note_bound(vm, binding, time_us);
                }
            }
            Happened::Unbound { vm, binding } => {
                if self.vm(vm).bound.remove(&binding) {
                    self.balances.vmas.ended += 1;
                    self.note_unbound(vm, binding, time_us);
                } else {
                    self.strangers += 1;
                }
            }
            Happened::ContextCreated { context, vm } => self.context(thread, context, vm),
            Happened::ContextFreed { context } => match self.contexts.remove(&context) {
                Some(index) => {
                    self.balances.contexts.ended += 1;
                    self.vms[index].contexts -= 1;
                }
                None => self.strangers += 1,
            },
            Happened::Said(text) => {
                if let Some(mark) = text.strip_prefix(ANNOUNCEMENT)
                    && let Ok(mark) = mark.parse()
                {
                    self.announced.insert(thread, mark);
                }
            }
        }
    }

    /// The address space of the context that was made after `mark` was announced.
    pub(crate) fn marked(&self, mark: u32) -> Option<&Vm> {
        self.by_mark.get(&mark).map(|&index| &self.vms[index])
    }

    /// From here on each binding of `object` is kept.
    pub(crate) fn watch(&mut self, object: Pointer) {
        self.watch = Some(object);
        self.watched.clear();
    }

    /// The bindings of the watched object in address spaces that were made since the trace began
    /// (the GGTT is none of them), from the binding number `from` on.
    pub(crate) fn watched(&self, from: usize) -> impl Iterator<Item = (&Watched, &Vm)> {
        let since = self.watched.iter().skip(from);
        let all = since.map(|watched| (watched, &self.vms[watched.vm]));
        all.filter(|(_, vm)| vm.created_us.is_some())
    }

    /// How many bindings of the watched object there were, in whatever address space.
    pub(crate) fn watched_count(&self) -> usize {
        self.watched.len()
    }

    fn note_bound(&mut self, vm: Pointer, binding: Binding, bound_us: u64) {
        if self.watch == Some(binding.object) {
            let vm = self.by_pointer[&vm];
            self.watched.push(Watched { vm, binding, bound_us, unbound_us: None });
        }
    }

    fn note_unbound(&mut self, vm: Pointer, binding: Binding, time_us: u64) {
        let vm = self.by_pointer[&vm];
        let is_it = |known: &&mut Watched| {
            known.vm == vm && known.binding == binding && known.unbound_us.is_none()
        };
        if let Some(known) = self.watched.iter_mut().find(is_it) {
            known.unbound_us = Some(time_us);
        }
    }

    fn context(&mut self, thread: u32, context: Pointer, vm: Pointer) {
        self.balances.contexts.began += 1;
        let known = self.vm(vm);
        known.contexts += 1;
        let index = self.by_pointer[&vm];
        self.contexts.insert(context, index);
        if let Some(mark) = self.announced.remove(&thread) {
            self.vms[index].mark = Some(mark);
            self.by_mark.insert(mark, index);
        }
    }

    /// The address space at a pointer; one that was never seen is noted as older than the trace.
    fn vm(&mut self, pointer: Pointer) -> &mut Vm {
        let index = match self.by_pointer.get(&pointer) {
            Some(&index) => index,
            None => self.add(Vm { pointer, ..Vm::default() }),
        };
        &mut self.vms[index]
    }

    fn add(&mut self, vm: Vm) -> usize {
        let index = self.vms.len();
        self.by_pointer.insert(vm.pointer, index);
        self.vms.push(vm);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: Binding = Binding { object: 1, offset: 0x1000, bytes: 0x1000 };

    fn ledger(happened: impl IntoIterator<Item = (u32, Happened)>) -> Ledger {
        let mut ledger = Ledger::default();
        for (time, (thread, happened)) in (1..).zip(happened) {
            ledger.take(Event { thread, time_us: time, happened });
        }
        ledger
    }

    /// A context with an address space that thread `thread` announced by `mark`.
    fn announced(thread: u32, mark: u32, vm: Pointer, context: Pointer) -> [(u32, Happened); 4] {
        [
            (thread, Happened::Said(format!("mark {mark}"))),
            (thread, Happened::VmCreated { vm }),
            (thread, Happened::ContextCreated { context, vm }),
            (thread, Happened::Bound { vm, binding: B }),
        ]
    }

    #[test]
    fn an_address_space_is_gone_when_released_unbound_and_without_contexts() {
        let ends = [
            Happened::Unbound { vm: 7, binding: B },
            Happened::VmReleased { vm: 7 },
            Happened::ContextFreed { context: 8 },
        ];
        for missing in 0..=ends.len() {
            let some = ends.iter().enumerate().filter(|(index, _)| *index != missing);
            let some = some.map(|(_, end)| (99, end.clone()));
            let ledger = ledger(announced(5, 100, 7, 8).into_iter().chain(some));
            let vm = ledger.marked(100).unwrap();
            assert_eq!(vm.is_gone(), missing == ends.len(), "without {missing}");
            let Balances { vms, vmas, contexts } = ledger.balances;
            let even = [vmas, vms, contexts].map(Balance::is_even);
            assert_eq!(even.iter().filter(|even| !**even).count(), usize::from(!vm.is_gone()));
        }
    }

    #[test]
    fn a_pointer_that_is_used_again_is_another_address_space() {
        let first = announced(5, 100, 7, 8);
        let end = [(9, Happened::VmReleased { vm: 7 })];
        let ledger = ledger(first.into_iter().chain(end).chain(announced(6, 200, 7, 10)));
        let (first, second) = (ledger.marked(100).unwrap(), ledger.marked(200).unwrap());
        assert_eq!((first.released_us, second.released_us), (Some(5), None));
        assert_eq!((ledger.vms.len(), second.contexts), (2, 1));
        assert!(second.is_bound_at(0x1000) && !second.is_bound_at(0));
    }

    #[test]
    fn an_announcement_counts_for_its_thread_and_for_one_context() {
        let mut events = announced(5, 100, 7, 8).to_vec();
        events.insert(1, (6, Happened::ContextCreated { context: 20, vm: 21 }));
        events.push((5, Happened::ContextCreated { context: 22, vm: 23 }));
        let ledger = ledger(events);
        let marks: Vec<_> = ledger.vms.iter().map(|vm| (vm.pointer, vm.mark)).collect();
        assert_eq!(marks, [(21, None), (7, Some(100)), (23, None)]);
    }

    #[test]
    fn bindings_of_the_watched_object_are_kept_but_for_those_in_the_ggtt() {
        let mut ledger = ledger(announced(5, 100, 7, 8));
        ledger.watch(B.object);
        let other = Binding { object: 2, ..B };
        let elsewhere = Binding { offset: 0x5000, ..B };
        let events = [
            Happened::VmCreated { vm: 20 },
            Happened::Bound { vm: 20, binding: B },
            Happened::Bound { vm: 20, binding: other },
            Happened::Bound { vm: 30, binding: B }, // never created: the GGTT
            Happened::Unbound { vm: 30, binding: B },
            Happened::Bound { vm: 20, binding: elsewhere },
            Happened::Unbound { vm: 20, binding: B },
            Happened::Bound { vm: 20, binding: B },
        ];
        for (time_us, happened) in (50..).zip(events) {
            ledger.take(Event { thread: 1, time_us, happened });
        }
        let times = |from| -> Vec<_> {
            let all = ledger.watched(from);
            all.map(|(one, vm)| (vm.pointer, one.bound_us, one.unbound_us)).collect()
        };
        assert_eq!(times(0), [(20, 51, Some(56)), (20, 55, None), (20, 57, None)]);
        assert_eq!((times(3), ledger.watched_count()), (vec![(20, 57, None)], 4));
    }

    #[test]
    fn what_was_there_before_the_trace_is_not_counted_against_it() {
        let ledger = ledger([
            (1, Happened::VmReleased { vm: 3 }),
            (1, Happened::Unbound { vm: 3, binding: B }),
            (1, Happened::ContextFreed { context: 4 }),
            (1, Happened::Bound { vm: 5, binding: B }),
            (1, Happened::Bound { vm: 5, binding: B }),
        ]);
        assert_eq!(ledger.strangers, 3);
        let vmas = Balance { began: 1, ended: 0 };
        assert_eq!(ledger.balances, Balances { vmas, ..Balances::default() });
    }
}
