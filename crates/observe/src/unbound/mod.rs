//! Uses of what a stock kernel unbound or destroyed, by its own tracepoints ([`crate::kernel`]).
//!
//! The device tells which page an engine used, and by which address; the kernel, later, what was bound
//! there. A use is judged when the kernel's account has passed its moment, and is found only if nothing
//! can have been bound at the address in any of the kernel's address spaces: what cannot be ordered, or
//! not be told apart, is not accused (docs/agent.md).

mod owner;
mod seen;
mod waiting;
mod words;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gpu_model::{Event, GuestRam, Interests, Observer, Space};
use serde::Serialize;

use crate::finding::{Finding, Findings};
use crate::kernel::{KernelView, Ledger, When};
use owner::Explained;
use seen::Seen;
use waiting::Use;
use words::Kind;

/// Pages of address spaces that are looked into, of those that end in scratch and of the others: one fault can
/// show at every page, and what was bound there is looked for in all that is remembered.
const MOST_PAGES: usize = 1024;
/// Findings of one kind that are kept.
const MOST_OF_A_KIND: usize = 64;

/// Finds uses of pages that the kernel's account does not explain: an [`Observer`] of the device that is
/// told what the kernel's agent says ([`UnboundUses::take`]). Clones share all of it.
#[derive(Clone, Debug)]
pub struct UnboundUses {
    kernel: KernelView,
    seen: Arc<Mutex<Seen>>,
    judged: Arc<Mutex<Judged>>,
}

#[derive(Debug, Default)]
struct Judged {
    uses: u64,
    /// Those of before a leap of the clocks.
    given_up: u64,
    blind: Option<Blind>,
    explained: Explained,
    /// Address spaces and pages of them that were looked into: of those that reach memory, and scratch.
    known: [HashSet<(u64, u64)>; 2],
    /// How many there are of each kind.
    counts: HashMap<Kind, usize>,
    findings: Vec<Finding>,
}

/// Why uses are not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blind {
    /// Something of the kernel's trace was lost, not understood, or too much.
    Incomplete,
    /// Engines had page tables before the trace began: what is bound in them is not known.
    TraceBeganLate,
}

/// What became of the uses that were seen.
#[derive(Clone, Debug, Serialize)]
pub struct UsesReport {
    /// Pages used, each counted once in a while, that the kernel's account was asked for.
    pub judged: u64,
    /// Those that wait for its account of that moment.
    pub waiting: usize,
    /// Those that waited and were too many, or that no clock can tell from others any more.
    pub given_up: u64,
    /// Why none is judged now.
    pub blind: Option<Blind>,
    /// Those that it does not explain.
    pub findings: Vec<Finding>,
}

impl Default for UnboundUses {
    /// Of a kernel that has not told anything yet.
    fn default() -> UnboundUses {
        let seen = Arc::new(Mutex::new(Seen::new(GuestRam::empty())));
        UnboundUses { kernel: KernelView::new(), seen, judged: Arc::default() }
    }
}

impl UnboundUses {
    /// The kernel's account.
    pub fn kernel(&self) -> &KernelView {
        &self.kernel
    }

    /// Takes what came from the agent ([`KernelView::take`]), and judges what it tells of.
    pub fn take(&self, bytes: &[u8], arrived_ns: u64) -> Vec<String> {
        let asked = self.kernel.take(bytes, arrived_ns);
        self.judge();
        asked
    }

    /// What was found up to now, and what was not looked at.
    pub fn report(&self) -> UsesReport {
        let (waiting, given_up) = {
            let waiting = &lock(&self.seen).waiting;
            (waiting.len(), waiting.given_up)
        };
        let judged = lock(&self.judged);
        let given_up = given_up + judged.given_up;
        let Judged { uses, blind, ref findings, .. } = *judged;
        UsesReport { judged: uses, waiting, given_up, blind, findings: findings.clone() }
    }

    /// The device waits for the short time only in which uses are taken out.
    fn judge(&self) {
        let mut judged = lock(&self.judged);
        let looked = self.kernel.look(|ledger| {
            let due = {
                let mut seen = lock(&self.seen);
                if seen.first_load_ns.is_some_and(|first| !ledger.had_begun(first)) {
                    return Err(Blind::TraceBeganLate);
                }
                seen.waiting.take_due(|at_ns| ledger.is_past(at_ns))
            };
            for access in due {
                match ledger.when(access.at_ns) {
                    Some(when) => judged.judge(ledger, &access, when),
                    None => judged.given_up += 1,
                }
            }
            Ok(())
        });
        judged.blind = looked.unwrap_or(Err(Blind::Incomplete)).err();
        if judged.blind.is_some() {
            lock(&self.seen).waiting.clear();
        }
    }
}

impl Judged {
    fn judge(&mut self, ledger: &Ledger, access: &Use, when: When) {
        self.uses += 1;
        let Use { space, address, is_scratch, .. } = *access;
        if ledger.was_bound(space, address, when) {
            self.explained.note(access, when);
            // What is found there from now on is something else.
            for known in &mut self.known {
                known.remove(&access.place());
            }
            return;
        }
        if !self.is_new(access) {
            return;
        }
        let owner = self.explained.owner(access, when, ledger.gone(space, address, when));
        let kind = match (owner, is_scratch) {
            // The kernel fills parts of the GGTT without a VMA.
            (None, _) if space == Space::Ggtt => return,
            (Some(_), true) => Kind::UseAfterUnmap,
            (None, true) => Kind::ScratchAccess,
            (Some(owner), false) if owner.is_destroyed => Kind::PageUsedAfterFree,
            (Some(_), false) => Kind::PageUsedAfterUnbind,
            (None, false) => Kind::PageNeverBound,
        };
        let count = self.counts.entry(kind).or_default();
        if *count < MOST_OF_A_KIND {
            *count += 1;
            self.findings.push(words::finding(kind, access, owner));
        }
    }

    fn is_new(&mut self, access: &Use) -> bool {
        let known = &mut self.known[usize::from(access.is_scratch)];
        known.len() < MOST_PAGES && known.insert(access.place())
    }
}

impl Findings for UnboundUses {
    fn findings(&self) -> Vec<Finding> {
        lock(&self.judged).findings.clone()
    }
}

impl Observer for UnboundUses {
    fn interests(&self) -> Interests {
        Interests::BASICS | Interests::ACCESSES | Interests::CONTEXTS | Interests::REQUESTS
    }

    fn memory(&mut self, memory: &GuestRam) {
        lock(&self.seen).memory(memory);
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        lock(&self.seen).event(now_ns, event);
    }
}

/// Events and lines leave it whole; a panic elsewhere is no reason to stop.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
