//! Blankings and page flips: each is told once, at the mode's rate.

use std::time::Duration;

use super::beats;
use super::cadence::Cadence;
use super::screen::Screen;
use crate::error::Result;
use crate::report::{Figure, Reporter};

/// How long flips are committed as atomic ones.
const ATOMIC: Duration = Duration::from_secs(2);

/// `seconds` of blankings, then as many of flips, on the first monitor.
pub(in crate::checks) fn run(reporter: &mut Reporter, seconds: u32) -> Result<()> {
    let length = Duration::from_secs(seconds.into());
    super::on_screen(reporter, |card, reporter| {
        let screen = Screen::first(card)?;
        let blankings = beats::blankings(card, &[&screen], length).and_then(beats::alone);
        report(reporter, "vblanks", &screen, blankings);
        let flips = beats::flips(card, &[&screen], length).and_then(beats::alone);
        report(reporter, "flips", &screen, flips);
        report(reporter, "atomic", &screen, beats::atomic_flips(card, &screen, ATOMIC.min(length)));
        Ok(())
    })
}

/// A result with the rate as its figure.
pub(super) fn report(
    reporter: &mut Reporter,
    subject: &str,
    screen: &Screen,
    result: Result<Cadence>,
) {
    match result {
        Ok(cadence) => {
            let figure = Figure { name: "rate", value: cadence.hertz, unit: "Hz" };
            reporter.measured(Some(subject), &format!("{}: {cadence}", screen.mode), figure);
        }
        Err(error) => reporter.failed(Some(subject), &error.to_string()),
    }
}
