//! A pipe that shows a picture of ours on a monitor.

use super::card::{Card, Connector};
use super::picture::{FrameBuffer, Picture};
use super::uapi::{self, ModeInfo};
use crate::error::{Error, Result};

impl ModeInfo {
    /// Blankings in a second, as the timing makes them.
    pub(super) fn hertz(&self) -> f64 {
        let frame = f64::from(self.htotal) * f64::from(self.vtotal);
        f64::from(self.clock) * 1e3 / frame.max(1.0)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.hdisplay.into(), self.vdisplay.into())
    }

    /// Whether the other one is the same on the wire. Kernels fill in other fields as they like.
    pub(super) fn same_timing(&self, other: &ModeInfo) -> bool {
        let timing = |mode: &ModeInfo| {
            let across = (mode.hdisplay, mode.hsync_start, mode.hsync_end, mode.htotal);
            let down = (mode.vdisplay, mode.vsync_start, mode.vsync_end, mode.vtotal);
            (mode.clock, across, down)
        };
        timing(self) == timing(other)
    }
}

/// `1024x768 at 60.0 Hz`
impl std::fmt::Display for ModeInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{} at {:.1} Hz", self.hdisplay, self.vdisplay, self.hertz())
    }
}

/// A lit pipe with its first frame buffer.
pub(super) struct Screen {
    pub(super) crtc: u32,
    /// The pipe's number.
    pub(super) pipe: u32,
    pub(super) connector: u32,
    pub(super) mode: ModeInfo,
    /// What it shows unless something else was set since.
    pub(super) first: FrameBuffer,
}

impl Screen {
    /// Lights the monitor at `connector` by the pipe number `pipe`, with a pattern.
    pub(super) fn light(
        card: &Card,
        connector: &Connector,
        pipe: usize,
        mode: ModeInfo,
    ) -> Result<Screen> {
        let (width, height) = mode.size();
        Screen::show(card, connector, pipe, mode, &Picture::pattern(width, height, 1))
    }

    /// As [`Screen::light`], with this picture.
    pub(super) fn show(
        card: &Card,
        connector: &Connector,
        pipe: usize,
        mode: ModeInfo,
        picture: &Picture,
    ) -> Result<Screen> {
        let no_pipe = || Error::Wrong(format!("there is no pipe number {pipe}"));
        let crtc = *card.crtcs.get(pipe).ok_or_else(no_pipe)?;
        let first = FrameBuffer::linear(card, picture)?;
        let pipe = pipe as u32;
        let screen = Screen { crtc, pipe, connector: connector.id, mode, first };
        screen.show_first(card)?;
        Ok(screen)
    }

    /// Lights the first monitor with its best mode.
    pub(super) fn first(card: &Card) -> Result<Screen> {
        let monitors = card.monitors()?;
        Screen::light(card, &monitors[0], 0, monitors[0].modes[0])
    }

    /// Sets the mode with the part of a frame buffer that begins at (x, y); the kernel must then say
    /// that it is so.
    pub(super) fn set(&self, card: &Card, shown: &FrameBuffer, (x, y): (u32, u32)) -> Result<()> {
        let mut set = uapi::Crtc {
            set_connectors_ptr: std::ptr::from_ref(&self.connector) as u64,
            count_connectors: 1,
            crtc_id: self.crtc,
            fb_id: shown.id,
            x,
            y,
            gamma_size: 0,
            mode_valid: 1,
            mode: self.mode,
        };
        card.device.ioctl(uapi::SETCRTC, &mut set)?;
        let now = card.crtc(self.crtc)?;
        if now.mode_valid == 0 || !now.mode.same_timing(&self.mode) || now.fb_id != shown.id {
            let what = format!("{} was set, and the kernel says {:?}", self.mode, now);
            return Err(Error::Wrong(what));
        }
        Ok(())
    }

    /// Shows the first frame buffer again.
    pub(super) fn show_first(&self, card: &Card) -> Result<()> {
        self.set(card, &self.first, (0, 0))
    }

    /// Darkens it.
    pub(super) fn off(&self, card: &Card) -> Result<()> {
        card.darken(self.crtc)
    }

    /// Darkens all others.
    pub(super) fn others_off(&self, card: &Card) -> Result<()> {
        let others = card.crtcs.iter().filter(|&&crtc| crtc != self.crtc);
        others.copied().try_for_each(|crtc| card.darken(crtc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modes_rate_comes_from_its_timing() {
        let mode = ModeInfo {
            clock: 65_000,
            hdisplay: 1024,
            htotal: 1344,
            vdisplay: 768,
            vtotal: 806,
            ..ModeInfo::default()
        };
        assert!((mode.hertz() - 60.004).abs() < 0.001);
        assert_eq!(mode.to_string(), "1024x768 at 60.0 Hz");
        assert!(mode.same_timing(&ModeInfo { vrefresh: 60, ..mode }));
        assert!(!mode.same_timing(&ModeInfo { vtotal: 807, ..mode }));
    }
}
