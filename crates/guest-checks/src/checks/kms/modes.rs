//! One mode after the other, each at its own rate.

use std::time::Duration;

use super::beats;
use super::card::{Card, Connector};
use super::screen::Screen;
use super::uapi::ModeInfo;
use crate::error::{Error, Result};
use crate::report::Reporter;

/// How long a mode is watched: thirty blankings of the slowest.
const WATCHED: Duration = Duration::from_millis(500);
/// How many of the monitor's own modes are set.
const MOST_OFFERED: usize = 5;

/// Clock in kHz, then across and down: visible, sync from, sync to, total.
type Timing = (u32, [u16; 4], [u16; 4]);

/// Modes that any monitor of the time takes, whether it says so or not (VESA's "Monitor Timing
/// Standard", and CEA-861 for 1280x720).
const STANDARD: [Timing; 5] = [
    (25_175, [640, 656, 752, 800], [480, 490, 492, 525]),
    (50_000, [800, 856, 976, 1040], [600, 637, 643, 666]),
    (78_750, [1024, 1040, 1136, 1312], [768, 769, 772, 800]),
    (74_250, [1280, 1390, 1430, 1650], [720, 725, 730, 750]),
    (108_000, [1280, 1328, 1440, 1688], [1024, 1025, 1028, 1066]),
];

/// A mode that every monitor takes: 640x480.
pub(super) fn smallest() -> ModeInfo {
    mode(STANDARD[0])
}

/// Every mode of the first monitor's list (the first few) and of the standard, and the first again.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    super::on_screen(reporter, |card, reporter| {
        let monitor = &card.monitors()?[0];
        let offered = distinct(&monitor.modes, MOST_OFFERED);
        for mode in offered.iter().copied().chain(STANDARD.map(mode)).chain([offered[0]]) {
            let result = set_and_watch(card, monitor, mode);
            reporter.result(Some(&mode.to_string()), result);
        }
        Ok(())
    })
}

fn mode((clock, across, down): Timing) -> ModeInfo {
    let [hdisplay, hsync_start, hsync_end, htotal] = across;
    let [vdisplay, vsync_start, vsync_end, vtotal] = down;
    ModeInfo {
        clock,
        hdisplay,
        hsync_start,
        hsync_end,
        htotal,
        vdisplay,
        vsync_start,
        vsync_end,
        vtotal,
        ..ModeInfo::default()
    }
}

/// The first `most` modes of which no two have the same timing. Interlaced ones are left out: the
/// kernel counts their fields.
fn distinct(modes: &[ModeInfo], most: usize) -> Vec<ModeInfo> {
    /// `DRM_MODE_FLAG_INTERLACE`
    const INTERLACED: u32 = 1 << 4;
    let mut found: Vec<ModeInfo> = Vec::new();
    for mode in modes.iter().filter(|mode| mode.flags & INTERLACED == 0) {
        if !found.iter().any(|known| known.same_timing(mode)) {
            found.push(*mode);
        }
    }
    found.truncate(most);
    found
}

fn set_and_watch(card: &Card, monitor: &Connector, mode: ModeInfo) -> Result<String> {
    let screen = Screen::light(card, monitor, 0, mode)?;
    let cadence = beats::blankings(card, &[&screen], WATCHED).and_then(beats::alone)?;
    screen.off(card)?;
    match card.crtc(screen.crtc)? {
        dark if dark.mode_valid == 0 => Ok(cadence.to_string()),
        lit => Err(Error::Wrong(format!("is switched off, and the kernel says {lit:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_modes_have_the_rates_of_the_standard() {
        let rates = STANDARD.map(|timing| mode(timing).hertz().round());
        assert_eq!(rates, [60.0, 72.0, 75.0, 60.0, 60.0]);
    }

    #[test]
    fn modes_are_taken_once_and_not_interlaced() {
        let [one, two, ..] = STANDARD.map(mode);
        let woven = ModeInfo { flags: 1 << 4, ..two };
        assert_eq!(distinct(&[woven, one, one, two], 5), [one, two]);
        assert_eq!(distinct(&[one, two], 1), [one]);
    }
}
