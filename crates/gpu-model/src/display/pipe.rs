//! A pipe: its timing in device time, and what its blankings do.
//!
//! Nothing runs: from the time at which the pipe was enabled follow the line that is sent and the
//! frames that were, whenever somebody asks (`frames`).

use core::mem;

use gen8_spec::registers::{outputs as regs, planes};

use super::crc::Crc;
use super::flips::{Flips, When};
use super::frames::{Frames, Timing};
use super::palette::Palette;
use super::scan_out::{PlaneId, Screen, Source};
use super::surface::Surface;
use crate::event::{Event, EventSink};
use crate::ggtt::Ggtt;
use crate::memory::GuestRam;
use crate::registers::RegisterFile;

/// A pipe with its transcoder.
#[derive(Clone, Debug, Hash)]
pub(super) struct Pipe {
    index: u32,
    run: Option<Frames>,
    flips: Flips,
    palette: Palette,
    /// Events of flips that waited for no blanking.
    at_once: u32,
    /// While software asks for it.
    crc: Option<Box<Crc>>,
}

/// What blankings work with, besides the pipe.
pub(super) struct Around<'a> {
    pub(super) file: &'a mut RegisterFile,
    pub(super) ggtt: &'a Ggtt,
    pub(super) memory: &'a GuestRam,
    pub(super) events: &'a mut EventSink,
}

impl Pipe {
    /// A pipe that is off.
    pub(super) fn new(index: u32) -> Pipe {
        Pipe {
            index,
            run: None,
            flips: Flips::new(index),
            palette: Palette::new(index),
            at_once: 0,
            crc: None,
        }
    }

    fn register(&self, offset: u32) -> u32 {
        offset + self.index * regs::PIPE_STRIDE
    }

    /// Registers that are more than storage; `None` for others.
    pub(super) fn read(&mut self, offset: u32, now_ns: u64) -> Option<u32> {
        match offset.wrapping_sub(self.index * regs::PIPE_STRIDE) {
            regs::PIPEDSL => Some(self.run.as_mut().map_or(0, |run| {
                let (line, lines) = (run.line(now_ns), run.lines());
                run.looked(now_ns);
                let behind = lines.saturating_sub(regs::PIPEDSL_HDMI_OFFSET);
                ((line + behind) % lines) as u32
            })),
            regs::PIPE_FRMCOUNT => Some(self.run.as_mut().map_or(0, |run| {
                let begun = run.begun(now_ns);
                run.counted(now_ns);
                begun as u32
            })),
            _ => self.palette.read(offset),
        }
    }

    /// The register at `offset` was written.
    pub(super) fn written(&mut self, offset: u32, file: &mut RegisterFile, now_ns: u64) {
        let own = offset.wrapping_sub(self.index * regs::PIPE_STRIDE);
        if own == regs::PIPECONF {
            self.switch(file, now_ns);
        }
        self.palette.written(offset, file.get(offset));
        match (self.flips.written(own), &mut self.run) {
            (None, _) | (Some(When::Blanking), Some(_)) => {}
            (Some(_), None) => {
                self.flips.show(file);
            }
            (Some(When::AtOnce), Some(run)) => {
                run.flipped();
                self.at_once |= self.flips.show_plane(PlaneId::Primary, file);
            }
        }
    }

    /// Events that a write caused, not a blanking. Each is given once.
    pub(super) fn take_events(&mut self) -> u32 {
        mem::take(&mut self.at_once)
    }

    /// PIPECONF was written: its state follows the request at once. Timing is what it was when
    /// the pipe was enabled.
    fn switch(&mut self, file: &mut RegisterFile, now_ns: u64) {
        let register = self.register(regs::PIPECONF);
        let control = file.get(register) & !regs::PIPECONF_STATE;
        if control & regs::PIPECONF_ENABLE == 0 {
            self.run = None;
            self.crc = None;
            self.flips.show(file);
            file.set(register, control);
            return;
        }
        if self.run.is_none() {
            self.run = Timing::of(self.index, file).map(|timing| Frames::begin(timing, now_ns));
        }
        file.set(register, control | regs::PIPECONF_STATE);
    }

    /// Time came to `now_ns`; the events of the blankings that began since.
    pub(super) fn advance_to(&mut self, now_ns: u64, around: &mut Around<'_>) -> u32 {
        let Some(run) = &mut self.run else {
            return 0;
        };
        if !run.advance_to(now_ns) {
            return 0;
        }
        let crc = self.tell_crc(around);
        let shown = self.flips.show(around.file);
        regs::PIPE_VBLANK | crc | shown | self.check_planes(now_ns, around)
    }

    /// The frame that ended gets its CRC, if software asks for it.
    fn tell_crc(&mut self, around: &mut Around<'_>) -> u32 {
        let control = around.file.get(self.register(planes::PIPE_CRC_CTL));
        if control & planes::PIPE_CRC_ENABLE == 0 {
            self.crc = None;
            return 0;
        }
        let Some(screen) = self.screen(around.file, around.ggtt, around.memory) else {
            return 0;
        };
        let value = self.crc.get_or_insert_default().of_frame(control, screen);
        around.file.set(self.register(planes::PIPE_CRC_RES_1), value);
        regs::PIPE_CRC_DONE
    }

    /// Planes that took effect are looked at once: whether there is memory behind them.
    fn check_planes(&mut self, now_ns: u64, around: &mut Around<'_>) -> u32 {
        if !self.flips.is_unchecked() {
            return 0;
        }
        let screen = self.screen(around.file, around.ggtt, around.memory);
        self.flips.check(|plane| {
            let missing = screen.as_ref().and_then(|screen| screen.missing(plane));
            if let Some(address) = missing {
                let pipe = self.index;
                around.events.emit(|| Event::PlaneFault {
                    pipe,
                    plane,
                    address,
                    blanked_ns: now_ns,
                });
            }
            missing.is_some()
        })
    }

    /// What the pipe sends; `None` while it is off.
    pub(super) fn screen(
        &self,
        file: &RegisterFile,
        ggtt: &Ggtt,
        memory: &GuestRam,
    ) -> Option<Screen> {
        let (pipe, planes, palette) = (self.index, self.flips.shown(), &self.palette);
        Screen::of(&Source { pipe, planes, file, palette, ggtt, memory })
    }

    /// The memory of what the primary plane shows; `None` while the plane or the pipe is off.
    pub(super) fn surface(&self, file: &RegisterFile, ggtt: &Ggtt) -> Option<Surface> {
        Surface::of(self.index, &self.flips.shown().primary, file, ggtt)
    }

    /// The events that the next blanking may cause.
    pub(super) fn next_events(&self, file: &RegisterFile) -> u32 {
        let control = file.get(self.register(planes::PIPE_CRC_CTL));
        let crc = if control & planes::PIPE_CRC_ENABLE == 0 { 0 } else { regs::PIPE_CRC_DONE };
        regs::PIPE_VBLANK | crc | self.flips.next_events()
    }

    /// When the next blanking begins, if the pipe runs.
    pub(super) fn next_blanking(&self) -> Option<u64> {
        self.run.as_ref().map(Frames::next_blanking)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::Display;

    /// Pixel clock, frame and line of 1024x768 as i915 programs it for 65 MHz.
    const FRAME_NS: u64 = 1344 * 806 * 1_000_000 / 64_962;
    const LINES: u64 = 806;
    /// When the pipe is enabled.
    const START: u64 = 123_456_789;

    /// Pipe B sends 1024x768 from [`START`] on.
    fn display() -> Display {
        let mut display = Display::new(&["hdmi=1024x768".parse().unwrap()]);
        for (register, value) in [
            (regs::WRPLL_CTL1, 0xb020_0e13),
            (regs::PORT_CLK_SEL + 4, regs::PORT_CLK_SEL_WRPLL1 << regs::PORT_CLK_SEL_SHIFT),
            (on_b(regs::HTOTAL), 1343 << 16 | 1023),
            (on_b(regs::VTOTAL), 805 << 16 | 767),
            (on_b(regs::VBLANK), 805 << 16 | 767),
            (on_b(regs::TRANS_DDI_FUNC_CTL), regs::TRANS_DDI_FUNC_ENABLE | 1 << 28),
        ] {
            assert!(display.write(register, value, START));
        }
        display.write(on_b(regs::PIPECONF), regs::PIPECONF_ENABLE, START);
        display
    }

    fn advance(display: &mut Display, now_ns: u64) -> [u32; 3] {
        let (ggtt, memory) = (Ggtt::new(0), GuestRam::empty());
        display.advance_to(now_ns, &ggtt, &memory, &mut EventSink::default())
    }

    fn on_b(register: u32) -> u32 {
        register + regs::PIPE_STRIDE
    }

    #[test]
    fn the_state_of_a_pipe_follows_the_request_whatever_software_writes() {
        let mut display = display();
        let on = regs::PIPECONF_ENABLE | regs::PIPECONF_STATE;
        assert_eq!(display.read(on_b(regs::PIPECONF), START), Some(on));
        display.write(on_b(regs::PIPECONF), regs::PIPECONF_STATE, START);
        assert_eq!(display.read(on_b(regs::PIPECONF), START), Some(0));
        assert_eq!(display.next_blanking(1), None);
    }

    #[test]
    fn lines_and_frames_are_counted_by_one_clock() {
        let display = display();
        let at = |line: u64| {
            // Who looked before does not count.
            let mut display = display.clone();
            // In the middle of a line, so that rounding does not count.
            let now = START + FRAME_NS * (2 * line + 1) / (2 * LINES);
            let read = |display: &mut Display, register| display.read(on_b(register), now).unwrap();
            let [line, frame] = [regs::PIPEDSL, regs::PIPE_FRMCOUNT].map(|r| read(&mut display, r));
            // The counter is two lines late.
            ((u64::from(line) + 2) % LINES, frame)
        };
        assert_eq!(at(0), (0, 0));
        assert_eq!(at(767), (767, 0));
        assert_eq!(at(768), (768, 1));
        assert_eq!(at(805), (805, 1));
        assert_eq!(at(806), (0, 1));
        assert_eq!(at(60 * 806 + 768), (768, 61));
    }

    #[test]
    fn each_blanking_is_told_once_and_foretold() {
        let mut display = display();
        let first = display.next_blanking(1).unwrap();
        assert!(first.abs_diff(START + FRAME_NS * 768 / LINES) <= 2);
        assert_eq!(advance(&mut display, first - 1), [0; 3]);
        assert_eq!(advance(&mut display, first), [0, regs::PIPE_VBLANK, 0]);
        assert_eq!(advance(&mut display, first + 1), [0; 3]);
        assert_eq!(display.next_blanking(1), Some(first + FRAME_NS));
        assert_eq!(advance(&mut display, first + 10 * FRAME_NS), [0, regs::PIPE_VBLANK, 0]);
        assert_eq!(display.next_blanking(1), Some(first + 11 * FRAME_NS));
    }

    #[test]
    fn an_address_takes_effect_with_the_next_blanking_and_at_once_while_the_pipe_is_off() {
        let mut display = display();
        let first = display.next_blanking(1).unwrap();
        display.write(on_b(planes::DSPSURF), 0x8_1000, START);
        assert_eq!(display.read(on_b(planes::DSPSURFLIVE), START), Some(0));
        let events = advance(&mut display, first)[1];
        assert_eq!(events, regs::PIPE_VBLANK | regs::PIPE_PRIMARY_FLIP_DONE);
        assert_eq!(display.read(on_b(planes::DSPSURFLIVE), first), Some(0x8_1000));
        assert_eq!(display.read(on_b(regs::PIPE_FLIPCOUNT), first), Some(1));
        assert_eq!(advance(&mut display, first + FRAME_NS)[1], regs::PIPE_VBLANK);
        display.write(planes::DSPSURF, 0x4000, first);
        assert_eq!(display.read(planes::DSPSURFLIVE, first), Some(0x4000));
    }

    #[test]
    fn a_pipe_that_nothing_drives_or_that_is_driven_too_fast_stands_still() {
        let mut stray = Display::new(&["hdmi=1024x768".parse().unwrap()]);
        stray.write(on_b(regs::PIPECONF), regs::PIPECONF_ENABLE, START);
        assert_eq!((stray.next_blanking(1), advance(&mut stray, u64::MAX)), (None, [0; 3]));
        let mut fast = display();
        fast.write(on_b(regs::PIPECONF), 0, START);
        fast.write(on_b(regs::VTOTAL), 9 << 16, START);
        fast.write(on_b(regs::PIPECONF), regs::PIPECONF_ENABLE, START);
        assert_eq!(fast.next_blanking(1), None);
    }
}
