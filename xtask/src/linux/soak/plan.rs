//! When each guest is killed.

use std::time::Duration;

use serde::Serialize;

/// Where in its life a guest is killed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stage {
    /// In its firmware, or before the kernel says a word.
    Firmware,
    /// While i915 is loaded and probes.
    Probe,
    /// While batches run.
    Work,
}

impl Stage {
    /// Four in ten at work, three each before.
    pub(super) fn of(kill: u32) -> Stage {
        match kill % 10 {
            0 | 3 | 6 => Stage::Firmware,
            1 | 4 | 8 => Stage::Probe,
            _ => Stage::Work,
        }
    }

    /// What the guest says when the stage begins; None if it begins at once.
    pub(super) fn mark(self) -> Option<&'static str> {
        match self {
            Stage::Firmware => None,
            Stage::Probe => Some("gen8emu: loading i915"),
            Stage::Work => Some("gen8emu: check "),
        }
    }

    /// How long the stage lasts at least, under TCG.
    pub(super) fn length(self) -> Duration {
        match self {
            Stage::Firmware => Duration::from_millis(2000),
            Stage::Probe => Duration::from_millis(2500),
            Stage::Work => Duration::from_millis(3000),
        }
    }
}

/// The same numbers in every run (xorshift64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Random {
        Random(0x9e37_79b9_7f4a_7c15)
    }

    /// From 0 to below 1.
    pub(super) fn fraction(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_stages_come_and_times_differ() {
        for stage in [Stage::Firmware, Stage::Probe, Stage::Work] {
            let count = (0..100).filter(|&kill| Stage::of(kill) == stage).count();
            assert_eq!(count, if stage == Stage::Work { 40 } else { 30 });
        }
        let mut random = Random::new();
        let times: Vec<f64> = (0..100).map(|_| random.fraction()).collect();
        assert!(times.iter().all(|time| (0.0..1.0).contains(time)));
        assert!(times.iter().any(|&time| time < 0.2) && times.iter().any(|&time| time > 0.8));
    }
}
