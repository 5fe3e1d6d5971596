//! Rules for drivers, as a table of checks with the source of each, and how often each was broken.
//!
//! Most rules the device judges itself, as it sees them broken ([`gpu_model::GuestRule`]); what needs
//! to remember more than the device's state is judged here, from other events. A rule that a batch
//! without privilege broke is counted apart: that is a client's doing, and hardware is made to stand it.

mod check;
mod explained;
mod history;
mod hits;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gpu_model::{Event, Interests, Observer, Origin};

pub use check::{Block, Check, ObservedRule, Rule};
pub use explained::{Explained, Judgement, StockGuest};
pub use hits::{Culprit, Hit, RuleReport};
pub use table::checks;

use crate::{Finding, Findings};
use history::History;
use hits::Hits;

/// Counts how often each rule of the table is broken: an [`Observer`] of the device. Clones share what
/// was counted, so that one can be read while the device owns another. What is kept does not grow with
/// what the guest does.
///
/// A reset of the function, with which a machine starts anew, clears nothing: hits before it count.
#[derive(Clone, Debug, Default)]
pub struct Conformance(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    hits: Hits,
    history: History,
}

impl Conformance {
    /// Nothing was broken yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rules that were broken, in the order of the table; those that a client's batch broke behind
    /// the driver's of the same rule.
    pub fn reports(&self) -> Vec<RuleReport> {
        self.lock().hits.reports()
    }

    /// As [`Findings::findings`], if the driver is the stock i915 of `guest`: what that is known for is a note
    /// with its reason.
    pub fn findings_of(&self, guest: &StockGuest) -> Vec<Finding> {
        let reports = self.reports();
        in_order(reports.iter().flat_map(|report| report.findings(guest)).collect())
    }

    /// Counts from nothing again.
    pub fn clear(&self) {
        self.lock().hits.clear();
    }

    /// A panic elsewhere leaves whole counts, so a poisoned lock is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Findings for Conformance {
    fn findings(&self) -> Vec<Finding> {
        in_order(self.reports().iter().map(RuleReport::finding).collect())
    }
}

/// Oldest first.
fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.at_ns);
    findings
}

impl Observer for Conformance {
    fn interests(&self) -> Interests {
        Interests::BASICS
            | Interests::RULES
            | Interests::REGISTER_READS
            | Interests::REGISTER_WRITES
            | Interests::STORES
            | Interests::GGTT_WRITES
            | Interests::SUBMISSIONS
            | Interests::CONTEXTS
            | Interests::REQUESTS
            | Interests::INTERRUPTS
    }

    fn event(&mut self, now_ns: u64, event: &Event) {
        let state = &mut *self.lock();
        let State { hits, history } = state;
        if let Some((rule, origin, detail)) = broken_by(event) {
            hits.add(now_ns, rule, origin, detail);
        }
        history.event(event, &mut |rule, origin, detail| {
            hits.add(now_ns, rule.into(), origin, detail);
        });
    }
}

/// The rule that an event by itself shows to be broken, by whom and where.
fn broken_by(event: &Event) -> Option<(Rule, Origin, u64)> {
    let found = |rule: ObservedRule, origin, detail| Some((rule.into(), origin, detail));
    match *event {
        Event::GuestError { rule, origin, detail } => Some((rule.into(), origin, detail)),
        Event::UnknownRegister { offset, origin, .. } => {
            found(ObservedRule::UnknownRegister, origin, offset.into())
        }
        Event::PrivilegeViolation { engine, register } => {
            let origin = Origin::UserBatch(engine);
            found(ObservedRule::RegisterInUserBatch, origin, register.into())
        }
        Event::InstructionError { header, origin, .. } => {
            found(ObservedRule::CommandUnknown, origin, header.into())
        }
        Event::Fault(fault) => {
            let origin = fault.engine.map_or(Origin::Cpu, Origin::Engine);
            let rule = if fault.ggtt { ObservedRule::GgttFault } else { ObservedRule::PpgttFault };
            found(rule, origin, fault.address)
        }
        Event::PlaneFault { address, .. } => found(ObservedRule::PlaneFault, Origin::Cpu, address),
        _ => None,
    }
}
