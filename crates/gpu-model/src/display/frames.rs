//! When a pipe sends what: its frames in device time, and blankings that wait for software.
//!
//! Planes change with a blanking, all of them at once. A driver that writes several registers for one
//! picture must not be overtaken by a blanking, so it looks at the scan line first: i915 waits if the line is
//! one of the last 100 µs before the blanking, and else writes (`intel_pipe_update_start`), after which it
//! compares the frame counts before and after (`intel_pipe_update_end`). On hardware the writes take a few
//! microseconds. Here a single read takes half of the 100 µs, and a host that is busy with other things stops
//! the guest's CPU for milliseconds in the middle.
//!
//! So a blanking waits for who writes. A driver says where it begins by a look at the scan line and at the frame
//! count behind it, and where it ends by the same two: in between, the pipe stands still on the last line that
//! lets a driver write, for three frames at most. Afterwards it is where it would have been: the next
//! blanking is due when it always was, so no time is lost. (Looks between two frame counts are another thing:
//! that is how the time of a blanking is asked for, `drm_update_vblank_count`.)

use gen8_spec::registers::outputs as regs;

use super::clocks;
use crate::registers::RegisterFile;

/// No monitor takes frames that are shorter; without one the pipe stands still.
const SHORTEST_FRAME_NS: u64 = 1_000_000;
/// Nanoseconds in a millisecond.
const MS_NS: u64 = 1_000_000;
/// So long before a blanking a driver writes nothing any more (i915 `VBLANK_EVASION_TIME_US`).
const EVASION_NS: u64 = 100_000;

/// How a pipe's frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Timing {
    frame_ns: u64,
    /// Lines of a frame.
    lines: u64,
    /// First line of the blanking.
    blank_start: u64,
}

impl Timing {
    /// What the registers of a pipe ask for; `None` if nothing drives it, or too fast.
    pub(super) fn of(pipe: u32, file: &RegisterFile) -> Option<Timing> {
        let register = |offset: u32| file.get(offset + pipe * regs::PIPE_STRIDE);
        let total = |offset: u32| u64::from(register(offset) >> 16 & 0x1fff) + 1;
        let khz = clocks::pixel_khz(pipe, file)?;
        let (pixels, lines) = (total(regs::HTOTAL), total(regs::VTOTAL));
        let frame_ns = pixels * lines * MS_NS / khz;
        let blank_start = u64::from(register(regs::VBLANK) & 0x1fff) + 1;
        (frame_ns >= SHORTEST_FRAME_NS).then_some(Timing {
            frame_ns,
            lines,
            blank_start: blank_start.min(lines - 1),
        })
    }

    /// How long so many lines take.
    fn lines_ns(&self, lines: u64) -> u64 {
        self.frame_ns * lines / self.lines
    }

    /// From a blanking's beginning to the first line of the picture.
    fn lead_ns(&self) -> u64 {
        self.lines_ns(self.lines - self.blank_start)
    }

    /// Lines before a blanking in which a driver writes nothing. It may count one less by its idea of the
    /// clock.
    fn evaded_lines(&self) -> u64 {
        (EVASION_NS * self.lines).div_ceil(self.frame_ns) + 1
    }

    /// Where a blanking waits: the last line in which a driver begins to write, whatever it rounds. `None`
    /// if no line is early enough.
    fn last_free_line(&self) -> Option<u64> {
        self.blank_start.checked_sub(self.evaded_lines() + 1)
    }
}

/// What software does with scan line and frame count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Talk {
    Nothing,
    /// It read the frame count: it wants to know when the last blanking was.
    Asks,
    /// It read the scan line behind that.
    Times,
    /// It read the scan line to begin with: it may want to write.
    Looked,
    /// It read the frame count behind that: it may write.
    Writes,
    /// It read the scan line again: the frame count is the end.
    Ends,
    /// It flipped asynchronously, which needs no look before; i915 looks and counts behind it nevertheless.
    Flips,
}

/// A blanking that waits for who writes planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Hold {
    /// Which one.
    blanking: u64,
    until_ns: u64,
    /// The line on which the pipe stands.
    line: u64,
}

/// A pipe that sends frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Frames {
    timing: Timing,
    /// When it sent its first line.
    since_ns: u64,
    /// Blankings that were noticed.
    noticed: u64,
    talk: Talk,
    hold: Option<Hold>,
}

impl Frames {
    /// Frames from now on.
    pub(super) fn begin(timing: Timing, now_ns: u64) -> Frames {
        Frames { timing, since_ns: now_ns, noticed: 0, talk: Talk::Nothing, hold: None }
    }

    /// Lines of a frame.
    pub(super) fn lines(&self) -> u64 {
        self.timing.lines
    }

    /// Time since a blanking that may lie before the first line.
    fn elapsed(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.since_ns).saturating_add(self.timing.lead_ns())
    }

    /// When a blanking is due; the first is number 1.
    fn due_ns(&self, blanking: u64) -> u64 {
        let end = self.timing.frame_ns.saturating_mul(blanking);
        self.since_ns.saturating_add(end - self.timing.lead_ns())
    }

    /// The hold that keeps the pipe where it is.
    fn stands(&self, now_ns: u64) -> Option<Hold> {
        self.hold.filter(|hold| {
            let evaded = self.timing.lines_ns(self.timing.evaded_lines());
            now_ns < hold.until_ns && now_ns >= self.due_ns(hold.blanking).saturating_sub(evaded)
        })
    }

    /// Blankings that have begun.
    pub(super) fn begun(&self, now_ns: u64) -> u64 {
        match self.stands(now_ns) {
            Some(hold) => hold.blanking - 1,
            None => self.elapsed(now_ns) / self.timing.frame_ns,
        }
    }

    /// The line that is sent.
    pub(super) fn line(&self, now_ns: u64) -> u64 {
        let timing = &self.timing;
        if let Some(hold) = self.stands(now_ns) {
            return hold.line;
        }
        let past = self.elapsed(now_ns) % timing.frame_ns;
        (timing.blank_start + past * timing.lines / timing.frame_ns) % timing.lines
    }

    /// Software has read [`Frames::line`].
    pub(super) fn looked(&mut self, now_ns: u64) {
        self.talk = match self.talk {
            Talk::Asks | Talk::Times => Talk::Times,
            Talk::Nothing | Talk::Looked => {
                if self.may_write(now_ns) {
                    self.hold(now_ns, self.timing.frame_ns);
                }
                Talk::Looked
            }
            Talk::Writes | Talk::Ends => Talk::Ends,
            Talk::Flips => Talk::Flips,
        };
    }

    /// Software has read [`Frames::begun`].
    pub(super) fn counted(&mut self, now_ns: u64) {
        self.talk = match self.talk {
            Talk::Nothing | Talk::Asks => Talk::Asks,
            Talk::Looked => {
                self.hold(now_ns, 3 * self.timing.frame_ns);
                Talk::Writes
            }
            Talk::Times | Talk::Flips => Talk::Nothing,
            Talk::Writes | Talk::Ends => {
                self.hold = None;
                Talk::Nothing
            }
        };
    }

    /// A plane was flipped asynchronously.
    pub(super) fn flipped(&mut self) {
        if self.talk == Talk::Nothing {
            self.talk = Talk::Flips;
        }
    }

    /// Whether a driver begins to write in the line that is sent. By its idea of the clock one more line may
    /// be free than by ours.
    fn may_write(&self, now_ns: u64) -> bool {
        let line = self.line(now_ns);
        let last = self.timing.last_free_line();
        line >= self.timing.blank_start || last.is_some_and(|last| line <= last + 1)
    }

    /// Lets the next blanking wait so long, from now on or from when it is due.
    fn hold(&mut self, now_ns: u64, patience_ns: u64) {
        let Some(last) = self.timing.last_free_line() else { return };
        let (line, blanking) = (self.line(now_ns), self.begun(now_ns) + 1);
        let until_ns = now_ns.min(self.due_ns(blanking)).saturating_add(patience_ns);
        let line = if line < self.timing.blank_start { line.max(last) } else { last };
        self.hold = Some(Hold { blanking, until_ns, line });
    }

    /// Time came to `now_ns`; whether a blanking began since.
    pub(super) fn advance_to(&mut self, now_ns: u64) -> bool {
        let begun = self.begun(now_ns);
        let news = begun != self.noticed;
        if news {
            self.noticed = begun;
            let waited = self.hold.is_some();
            self.hold = self.hold.filter(|hold| hold.blanking > begun);
            self.talk = match self.talk {
                _ if self.hold.is_some() => self.talk,
                // What was asked across the blanking is asked still.
                Talk::Asks | Talk::Times => self.talk,
                // It was not waited for long enough: the count comes yet.
                Talk::Looked if waited => Talk::Looked,
                _ => Talk::Nothing,
            };
        }
        news
    }

    /// When the first blanking begins that was not noticed.
    pub(super) fn next_blanking(&self) -> u64 {
        let next = self.noticed + 1;
        let hold = self.hold.filter(|hold| hold.blanking == next);
        hold.map_or(0, |hold| hold.until_ns).max(self.due_ns(next))
    }
}

#[cfg(test)]
mod tests;
