//! RPS (render performance states): how busy the GPU was in the intervals that software set, and
//! the interrupts by which software chooses the next frequency (i915 `gt/intel_rps.c`).
//!
//! The modes "average" are modelled, which are the ones that i915 uses; in the others the counters
//! run and no threshold is ever crossed.

use gen8_spec::mmio;
use gen8_spec::registers::power as regs;

use crate::registers::RegisterFile;

/// One evaluation: the interval that runs, and the last whole one.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Evaluation {
    elapsed_ns: u64,
    busy_ns: u64,
    previous_ns: u64,
}

impl Evaluation {
    /// Time passes in which the GPU works or not. Gives the busy time of the last interval that
    /// came to its end, if one did; an interval of 0 never ends.
    fn advance(&mut self, ns: u64, busy: bool, interval_ns: u64) -> Option<u64> {
        let work = |ns| if busy { ns } else { 0 };
        let left = interval_ns.saturating_sub(self.elapsed_ns);
        if interval_ns == 0 || ns < left {
            self.elapsed_ns = self.elapsed_ns.saturating_add(ns);
            self.busy_ns = self.busy_ns.saturating_add(work(ns));
            return None;
        }
        let more = ns - left;
        // If several end at once, all but the first are alike.
        self.previous_ns =
            if more < interval_ns { self.busy_ns + work(left) } else { work(interval_ns) };
        self.elapsed_ns = more % interval_ns;
        self.busy_ns = work(self.elapsed_ns);
        Some(self.previous_ns)
    }
}

/// The two evaluations.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(crate) struct Rps {
    up: Evaluation,
    down: Evaluation,
}

impl Rps {
    /// Time passes, outside RC6, with `settings` in the registers. Gives the interrupts of the PM
    /// bank that it causes.
    pub(crate) fn advance(&mut self, ns: u64, busy: bool, settings: &RegisterFile) -> u32 {
        let control = settings.get(regs::RP_CONTROL);
        if control & regs::RP_CONTROL_ENABLE == 0 {
            return 0;
        }
        let interval = |register| u64::from(settings.get(register)) * regs::PM_TICK_NS;
        let ratio = settings.get(mmio::RPNSWREQ) >> regs::RPNSWREQ_RATIO_SHIFT;
        let limits = settings.get(regs::RP_INTERRUPT_LIMITS);
        let mut events = 0;
        if let Some(busy_ns) = self.up.advance(ns, busy, interval(regs::RP_UP_EI)) {
            events |= regs::PM_UP_EI_EXPIRED;
            if control & regs::RP_CONTROL_UP_MASK == regs::RP_CONTROL_UP_BUSY_AVG
                && busy_ns > interval(regs::RP_UP_THRESHOLD)
                && ratio < limits >> regs::RP_LIMIT_UP_SHIFT
            {
                events |= regs::PM_UP_THRESHOLD;
            }
        }
        if let Some(busy_ns) = self.down.advance(ns, busy, interval(regs::RP_DOWN_EI)) {
            events |= regs::PM_DOWN_EI_EXPIRED;
            if control & regs::RP_CONTROL_DOWN_MASK == regs::RP_CONTROL_DOWN_IDLE_AVG
                && busy_ns < interval(regs::RP_DOWN_THRESHOLD)
                && ratio > limits >> regs::RP_LIMIT_DOWN_SHIFT & regs::RP_LIMIT_DOWN_MASK
            {
                events |= regs::PM_DOWN_THRESHOLD;
            }
        }
        events & !settings.get(regs::PMINTRMSK)
    }

    /// The counter register at `offset`, in PM ticks; `None` if it is none.
    pub(crate) fn counter(&self, offset: u32) -> Option<u32> {
        let ns = match offset {
            regs::RP_CUR_UP_EI => self.up.elapsed_ns,
            regs::RP_CUR_UP => self.up.busy_ns,
            regs::RP_PREV_UP => self.up.previous_ns,
            regs::RP_CUR_DOWN_EI => self.down.elapsed_ns,
            regs::RP_CUR_DOWN => self.down.busy_ns,
            regs::RP_PREV_DOWN => self.down.previous_ns,
            _ => return None,
        };
        Some((ns / regs::PM_TICK_NS) as u32 & regs::RP_COUNTER_MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks in an up and a down interval, and the thresholds of 95 % and 85 % that i915 sets.
    const UP: u32 = 1000;
    const DOWN: u32 = 2000;
    const BOTH_EXPIRED: u32 = regs::PM_UP_EI_EXPIRED | regs::PM_DOWN_EI_EXPIRED;

    /// As i915 sets it up, at a ratio between the limits.
    fn settings() -> RegisterFile {
        let mut file = RegisterFile::new(regs::RULES);
        let average = regs::RP_CONTROL_UP_BUSY_AVG | regs::RP_CONTROL_DOWN_IDLE_AVG;
        for (register, value) in [
            (regs::RP_CONTROL, regs::RP_CONTROL_ENABLE | average),
            (regs::RP_UP_EI, UP),
            (regs::RP_UP_THRESHOLD, UP / 100 * 95),
            (regs::RP_DOWN_EI, DOWN),
            (regs::RP_DOWN_THRESHOLD, DOWN / 100 * 85),
            (regs::RP_INTERRUPT_LIMITS, 19 << 24 | 6 << 16),
            (mmio::RPNSWREQ, 10 << regs::RPNSWREQ_RATIO_SHIFT),
        ] {
            file.write(register, value);
        }
        file
    }

    fn with(register: u32, value: u32) -> RegisterFile {
        let mut file = settings();
        file.write(register, value);
        file
    }

    /// `busy` ticks of work, then `idle` ticks of rest; the interrupts of both.
    fn spend(rps: &mut Rps, busy: u32, idle: u32, settings: &RegisterFile) -> u32 {
        let ns = |ticks| u64::from(ticks) * regs::PM_TICK_NS;
        rps.advance(ns(busy), true, settings) | rps.advance(ns(idle), false, settings)
    }

    #[test]
    fn a_busy_interval_asks_for_more_and_an_idle_one_for_less() {
        let busy = spend(&mut Rps::default(), DOWN, 0, &settings());
        assert_eq!(busy, BOTH_EXPIRED | regs::PM_UP_THRESHOLD);
        let idle = spend(&mut Rps::default(), 0, DOWN, &settings());
        assert_eq!(idle, BOTH_EXPIRED | regs::PM_DOWN_THRESHOLD);
    }

    #[test]
    fn between_the_thresholds_nothing_is_asked_for() {
        let mut rps = Rps::default();
        // 90 % in every interval.
        let first = spend(&mut rps, UP / 10 * 9, UP / 10, &settings());
        let second = spend(&mut rps, UP / 10 * 9, UP / 10, &settings());
        assert_eq!(first | second, BOTH_EXPIRED);
    }

    #[test]
    fn before_the_end_of_an_interval_nothing_happens() {
        assert_eq!(spend(&mut Rps::default(), UP - 1, 0, &settings()), 0);
    }

    #[test]
    fn at_a_limit_that_direction_is_silent() {
        let most = with(mmio::RPNSWREQ, 19 << regs::RPNSWREQ_RATIO_SHIFT);
        assert_eq!(spend(&mut Rps::default(), DOWN, 0, &most), BOTH_EXPIRED);
        let least = with(mmio::RPNSWREQ, 6 << regs::RPNSWREQ_RATIO_SHIFT);
        assert_eq!(spend(&mut Rps::default(), 0, DOWN, &least), BOTH_EXPIRED);
    }

    #[test]
    fn masked_interrupts_are_not_sent() {
        let masked = with(regs::PMINTRMSK, !regs::PM_UP_THRESHOLD);
        assert_eq!(spend(&mut Rps::default(), DOWN, 0, &masked), regs::PM_UP_THRESHOLD);
    }

    #[test]
    fn nothing_is_evaluated_while_disabled_or_without_an_interval() {
        assert_eq!(spend(&mut Rps::default(), DOWN, 0, &with(regs::RP_CONTROL, 0)), 0);
        let no_up = with(regs::RP_UP_EI, 0);
        assert_eq!(spend(&mut Rps::default(), DOWN, 0, &no_up), regs::PM_DOWN_EI_EXPIRED);
    }

    #[test]
    fn counters_show_the_running_and_the_last_interval() {
        let mut rps = Rps::default();
        spend(&mut rps, 700, 500, &settings());
        for (register, ticks) in [
            (regs::RP_CUR_UP_EI, 200),
            (regs::RP_CUR_UP, 0),
            (regs::RP_PREV_UP, 700),
            (regs::RP_CUR_DOWN_EI, 1200),
            (regs::RP_CUR_DOWN, 700),
            (regs::RP_PREV_DOWN, 0),
        ] {
            assert_eq!(rps.counter(register), Some(ticks), "{register:#x}");
        }
        assert_eq!(rps.counter(regs::RP_UP_EI), None);
    }

    #[test]
    fn many_intervals_at_once_leave_the_last_one() {
        let mut rps = Rps::default();
        spend(&mut rps, 300, 0, &settings());
        assert_eq!(spend(&mut rps, 0, 5 * DOWN, &settings()) & regs::PM_UP_THRESHOLD, 0);
        assert_eq!(rps.counter(regs::RP_PREV_UP), Some(0));
        assert_eq!(rps.counter(regs::RP_CUR_UP_EI), Some(300));
        assert_eq!(rps.counter(regs::RP_CUR_UP), Some(0));
    }

    #[test]
    fn endless_time_is_no_trouble() {
        let mut rps = Rps::default();
        rps.advance(u64::MAX, true, &with(regs::RP_UP_EI, 0));
        rps.advance(u64::MAX, true, &settings());
        rps.advance(u64::MAX, true, &with(regs::RP_UP_EI, 1));
    }
}
