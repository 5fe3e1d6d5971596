//! What is known of a kernel's address spaces, VMAs and objects, as plain values.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::clock::Moment;
use super::line::{Pointer, Task};

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
    /// When and by whom it was bound.
    pub bound: KernelDeed,
    /// When and by whom it was unbound.
    pub unbound: Option<KernelDeed>,
    /// When and by whom its object was destroyed; without the stack.
    pub destroyed: Option<KernelDeed>,
}

/// Something that the kernel did in a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelDeed {
    /// When.
    pub at: Moment,
    /// In which thread.
    pub by: Task,
    /// The kernel's stack at that, innermost function first, if the agent streams stacks.
    pub stack: Vec<String>,
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

impl KernelVma {
    /// Functions of all its stacks.
    pub(super) fn functions(&self) -> usize {
        let deeds = [Some(&self.bound), self.unbound.as_ref(), self.destroyed.as_ref()];
        deeds.into_iter().flatten().map(|deed| deed.stack.len()).sum()
    }
}

impl KernelDeed {
    /// Without a stack yet.
    pub(super) fn new(at: Moment, by: Task) -> KernelDeed {
        KernelDeed { at, by, stack: Vec::new() }
    }
}
