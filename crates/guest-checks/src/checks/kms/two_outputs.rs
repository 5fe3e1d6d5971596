//! Two monitors at once, each with a mode of its own.

use std::time::Duration;

use super::beats::{self, Cadences};
use super::card::{Card, Connector};
use super::crc::Checksum;
use super::flips::report;
use super::modes;
use super::picture::{FrameBuffer, Picture};
use super::screen::Screen;
use crate::error::{Error, Result};
use crate::report::Reporter;

/// How long both are watched.
const LENGTH: Duration = Duration::from_secs(2);

/// Lights two monitors and flips on both; then one goes dark, and the other goes on.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    super::on_screen(reporter, |card, reporter| {
        let monitors = card.monitors()?;
        let [first, second, ..] = &monitors[..] else {
            return Err(Error::NotHere("there is one monitor only (--output twice)".into()));
        };
        let mode = first.modes[0];
        let other = second.modes.iter().find(|other| !other.same_timing(&mode));
        let one = Screen::light(card, first, 0, mode)?;
        let two = Screen::light(card, second, 1, *other.unwrap_or(&second.modes[0]))?;
        both(card, reporter, "vblanks", [&one, &two], beats::blankings)?;
        both(card, reporter, "flips", [&one, &two], beats::flips)?;
        two.off(card)?;
        let alone = beats::flips(card, &[&one], LENGTH).and_then(beats::alone);
        report(reporter, "first alone", &one, alone);
        reporter.result(Some("pictures"), pictures(card, [first, second]));
        Ok(())
    })
}

/// The same picture has the same checksum on both, another one on one of them has another there only.
fn pictures(card: &Card, monitors: [&Connector; 2]) -> Result<String> {
    let one = Screen::light(card, monitors[0], 0, modes::smallest())?;
    let two = Screen::light(card, monitors[1], 1, modes::smallest())?;
    let sum = Checksum::of(&one)?;
    sum.expect("the second screen, the same picture", &two)?;
    let (width, height) = two.mode.size();
    let other = FrameBuffer::linear(card, &Picture::pattern(width, height, 9))?;
    two.set(card, &other, (0, 0))?;
    sum.expect_another("the second screen, another picture", &two)?;
    sum.expect("the first screen, the same picture still", &one)?;
    Ok(format!("{sum} on both, then on the first alone"))
}

/// Watches both at the same time; a result for each.
fn both(
    card: &Card,
    reporter: &mut Reporter,
    what: &str,
    screens: [&Screen; 2],
    watch: fn(&Card, &[&Screen], Duration) -> Result<Cadences>,
) -> Result<()> {
    for ((cadence, screen), which) in
        watch(card, &screens, LENGTH)?.into_iter().zip(screens).zip(["first", "second"])
    {
        report(reporter, &format!("{which} {what}"), screen, cadence);
    }
    Ok(())
}
