//! Hang detection and reset.

use gen8_spec::engine::EngineId;

use crate::context::Context;
use crate::error::Error;
use crate::findings::Finding;
use crate::gem::Gem;
use crate::gt::{HangSample, ResetReport};
use crate::hardware::Hardware;
use crate::request::Request;
use crate::slab::Id;

/// Scores of i915's hangcheck (4.9).
const SCORE_BUSY: u32 = 1;
const SCORE_HUNG: u32 = 20;
const SCORE_PROGRESS: u32 = 15;
const SCORE_DECLARED: u32 = 31;

/// What hangcheck knows of an engine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HangState {
    last: Option<HangSample>,
    score: u32,
}

impl HangState {
    /// Adds one sample of an engine with work; whether it is now declared hung.
    fn sample(&mut self, sample: HangSample) -> bool {
        match self.last.replace(sample) {
            None => {}
            Some(last) if last.seqno != sample.seqno => {
                self.score = self.score.saturating_sub(SCORE_PROGRESS);
            }
            Some(last) if last != sample => self.score += SCORE_BUSY,
            Some(_) => self.score += SCORE_HUNG,
        }
        self.score >= SCORE_DECLARED
    }
}

/// A context's record of hangs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HangStats {
    /// Batches of this context that hung.
    pub(crate) batch_active: u32,
    /// Batches of this context that were pending when another one hung.
    pub(crate) batch_pending: u32,
    /// No more work is accepted.
    pub(crate) banned: bool,
    guilty_ns: Option<u64>,
}

impl<H: Hardware> Gem<H> {
    /// Samples the engines if the period is over. A hang is only noted here: the reset needs
    /// struct_mutex.
    pub(crate) fn hangcheck(&mut self, now: u64) {
        let Some(config) = self.config.hangcheck else { return };
        if now < self.timers.hangcheck_at {
            return;
        }
        self.timers.hangcheck_at = now.saturating_add(config.period_ns);
        for index in 0..self.engines.len() {
            let id = self.engines[index].id;
            let busy = match self.engines[index].requests.back() {
                Some(&last) => !self.request_completed(last).unwrap_or(true),
                None => false,
            };
            if !busy {
                self.engines[index].hang = HangState::default();
                continue;
            }
            let sample = self.hw.sample(id);
            if self.engines[index].hang.sample(sample) {
                self.engines[index].hang = HangState::default();
                self.reset_pending.push(id);
            }
        }
    }

    /// The reset worker: resets the engines that hangcheck declared hung.
    pub(crate) fn run_pending_reset(&mut self) {
        if self.reset_pending.is_empty() {
            return;
        }
        let engines = core::mem::take(&mut self.reset_pending);
        for engine in engines {
            let _ = self.locked("reset", |gem| gem.reset(engine));
        }
    }

    /// Resets one engine and settles who is to blame.
    pub(crate) fn reset(&mut self, engine: EngineId) -> Result<(), Error> {
        match self.hw.reset_engine(engine) {
            Ok(report) => self.account_reset(&report),
            Err(error) => {
                log::error!("reset of {}: {error}", engine.name());
                self.wedged = true;
                self.warn("reset failed, GPU wedged");
                Ok(())
            }
        }
    }

    /// First incomplete request: guilty. The others were innocent bystanders.
    fn account_reset(&mut self, report: &ResetReport) -> Result<(), Error> {
        let now = self.hw.now_ns();
        let ban_period = self.config.hangcheck.unwrap_or_default().ban_period_ns;
        let guilty = report.guilty.and_then(|token| self.context_of_token(token));
        let mut number = 0;
        if let Some(context) = guilty {
            let record = self.contexts.get_mut(context)?;
            number = record.number;
            let hang = &mut record.hang;
            hang.batch_active += 1;
            let repeated = hang.guilty_ns.is_some_and(|at| now.saturating_sub(at) < ban_period);
            hang.banned |= repeated;
            hang.guilty_ns = Some(now);
        }
        for &token in report.skipped.iter().chain(&report.replayed) {
            if let Some(context) = self.context_of_token(token) {
                self.contexts.get_mut(context)?.hang.batch_pending += 1;
            }
        }
        self.report(Finding::Reset { guilty: number });
        Ok(())
    }

    fn context_of_token(&self, token: u64) -> Option<Id<Context>> {
        let request: Id<Request> = Id::from_token(token);
        self.requests.get(request).ok()?.context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seqno: u32, acthd: u64) -> HangSample {
        HangSample { seqno, acthd, head: 0 }
    }

    #[test]
    fn two_still_periods_are_a_hang_and_progress_forgives() {
        let mut state = HangState::default();
        assert!(!state.sample(sample(1, 8)));
        assert!(!state.sample(sample(1, 8)));
        assert!(!state.sample(sample(2, 8)));
        assert!(!state.sample(sample(2, 8)));
        assert!(state.sample(sample(2, 8)));
    }

    #[test]
    fn a_moving_head_is_busy_for_a_long_time() {
        let mut state = HangState::default();
        assert!((0..31).all(|i| !state.sample(sample(1, i))));
        assert!(state.sample(sample(1, 99)));
    }
}
