//! The display, by the kernel's mode setting interface alone: the group `kms`.
//!
//! A screen is judged by its events, by what the kernel says of it, and by the checksums that it
//! makes of its pictures. Whatever a check did, the console must be back when it is over.

mod beats;
mod cadence;
mod card;
mod crc;
mod cursor;
mod events;
mod flips;
mod gamma;
mod layouts;
mod modes;
mod picture;
mod plug;
mod pulse;
mod screen;
mod sprite;
mod suspend;
mod two_outputs;

use self::card::Card;
use crate::error::{Error, Result};
use crate::report::Reporter;
use crate::uapi::kms as uapi;

pub(super) use cursor::run as cursor;
pub(super) use flips::run as flips;
pub(super) use gamma::run as gamma;
pub(super) use layouts::run as crc;
pub(super) use modes::run as modes;
pub(super) use plug::run as plug;
pub(super) use sprite::run as sprite;
pub(super) use suspend::run as screen_suspend;
pub(super) use two_outputs::run as two_outputs;

/// Runs `check` with the card; the console must be on the screens before and after.
fn on_screen(
    reporter: &mut Reporter,
    check: impl FnOnce(&Card, &mut Reporter) -> Result<()>,
) -> Result<()> {
    let card = Card::open()?;
    let before = Shown::on(&card)?;
    if let Err(error) = card.monitors() {
        reporter.result(None, Err(error));
        return Ok(());
    }
    let result = check(&card, reporter);
    drop(card);
    if let Err(error) = result {
        reporter.result(None, Err(error));
    }
    reporter.result(Some("console"), before.expect_back());
    Ok(())
}

/// What every pipe shows: its frame buffer, its mode.
#[derive(Debug, PartialEq)]
struct Shown(Vec<(u32, u32, String)>);

impl Shown {
    fn on(card: &Card) -> Result<Shown> {
        let crtcs = card.crtcs.iter().map(|&id| {
            let crtc = card.crtc(id)?;
            let mode = if crtc.mode_valid == 0 { "dark".into() } else { crtc.mode.to_string() };
            Ok((id, crtc.fb_id, mode))
        });
        Ok(Shown(crtcs.collect::<Result<_>>()?))
    }

    fn expect_back(&self) -> Result<String> {
        let now = Shown::on(&Card::open()?)?;
        if now != *self {
            return Err(Error::Wrong(format!("was {self:?} and is {now:?}")));
        }
        let lit = self.0.iter().filter(|(_, frame_buffer, _)| *frame_buffer != 0);
        Ok(format!("back on {} screens", lit.count()))
    }
}
