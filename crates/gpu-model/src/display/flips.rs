//! The planes of a pipe: what software wrote for them, and what of it shows.

use gen8_spec::registers::{outputs, planes as regs};

use super::scan_out::{PlaneId, Planes};
use crate::registers::RegisterFile;

/// A plane: where software writes its address, where the one that shows can be read, and what tells
/// that it shows, and that it cannot.
struct Plane {
    id: PlaneId,
    surface: u32,
    live: u32,
    done: u32,
    fault: u32,
}

/// The planes of pipe A, as in [`PlaneId::ALL`].
const PLANES: [Plane; PlaneId::ALL.len()] = [
    Plane {
        id: PlaneId::Primary,
        surface: regs::DSPSURF,
        live: regs::DSPSURFLIVE,
        done: outputs::PIPE_PRIMARY_FLIP_DONE,
        fault: outputs::PIPE_PRIMARY_FAULT,
    },
    Plane {
        id: PlaneId::Sprite,
        surface: regs::SPRSURF,
        live: regs::SPRSURFLIVE,
        done: outputs::PIPE_SPRITE_FLIP_DONE,
        fault: outputs::PIPE_SPRITE_FAULT,
    },
    Plane {
        id: PlaneId::Cursor,
        surface: regs::CURBASE,
        live: regs::CURSURFLIVE,
        done: 0,
        fault: outputs::PIPE_CURSOR_FAULT,
    },
];

impl Plane {
    /// Whether a write of `register` lets the plane take effect: its address does, and the place of a
    /// cursor, which old drivers move by that alone.
    fn is_armed_by(&self, register: u32) -> bool {
        register == self.surface || self.id == PlaneId::Cursor && register == regs::CURPOS
    }
}

/// How far a plane is with what software wrote for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Progress {
    /// It takes effect with the next blanking.
    Armed,
    /// It shows, but nobody looked whether it has memory.
    Unchecked,
    /// It shows, and there is nothing to tell about it.
    Shown,
}

/// When a plane takes effect that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum When {
    /// With the next blanking.
    Blanking,
    /// At once: the primary plane that shows has asynchronous flips. That bit itself, as everything of a
    /// plane, takes effect with a blanking.
    AtOnce,
}

/// The planes of a pipe.
#[derive(Clone, Debug, Hash)]
pub(super) struct Flips {
    pipe: u32,
    shown: Planes,
    /// As in [`PLANES`].
    progress: [Progress; PLANES.len()],
}

impl Flips {
    /// The planes of a pipe, all off.
    pub(super) fn new(pipe: u32) -> Flips {
        Flips { pipe, shown: Planes::default(), progress: [Progress::Shown; PLANES.len()] }
    }

    /// The registers of the planes that show.
    pub(super) fn shown(&self) -> &Planes {
        &self.shown
    }

    /// A register was written, `own` if the pipe were A; what that does to a plane.
    pub(super) fn written(&mut self, own: u32) -> Option<When> {
        let mut planes = PLANES.iter().zip(&mut self.progress);
        let (plane, progress) = planes.find(|(plane, _)| plane.is_armed_by(own))?;
        *progress = Progress::Armed;
        let at_once = plane.id == PlaneId::Primary && self.shown.is_asynchronous();
        Some(if at_once { When::AtOnce } else { When::Blanking })
    }

    /// Lets armed planes take effect; the events that tell it.
    pub(super) fn show(&mut self, file: &mut RegisterFile) -> u32 {
        PLANES.iter().fold(0, |events, plane| events | self.show_plane(plane.id, file))
    }

    /// Lets a plane take effect if it is armed; the events that tell it.
    pub(super) fn show_plane(&mut self, id: PlaneId, file: &mut RegisterFile) -> u32 {
        let on_pipe = |register: u32| register + self.pipe * outputs::PIPE_STRIDE;
        let mut planes = PLANES.iter().zip(&mut self.progress);
        let armed =
            planes.find(|(plane, progress)| plane.id == id && **progress == Progress::Armed);
        let Some((plane, progress)) = armed else {
            return 0;
        };
        *progress = Progress::Unchecked;
        self.shown.take_effect(id, self.pipe, file);
        file.set(on_pipe(plane.live), file.get(on_pipe(plane.surface)));
        if id == PlaneId::Primary {
            let count = on_pipe(outputs::PIPE_FLIPCOUNT);
            file.set(count, file.get(count).wrapping_add(1));
        }
        plane.done
    }

    /// Whether a plane took effect since it was last asked whether it has memory.
    pub(super) fn is_unchecked(&self) -> bool {
        self.progress.contains(&Progress::Unchecked)
    }

    /// Asks each plane that took effect whether it lacks memory; the events that tell it. Each is
    /// asked once, however long it shows.
    pub(super) fn check(&mut self, mut lacks: impl FnMut(PlaneId) -> bool) -> u32 {
        let mut events = 0;
        for (plane, progress) in PLANES.iter().zip(&mut self.progress) {
            if *progress == Progress::Unchecked {
                *progress = Progress::Shown;
                if lacks(plane.id) {
                    events |= plane.fault | outputs::PIPE_FIFO_UNDERRUN;
                }
            }
        }
        events
    }

    /// The events that the next blanking may cause.
    pub(super) fn next_events(&self) -> u32 {
        let planes = PLANES.iter().zip(self.progress);
        planes.fold(0, |events, (plane, progress)| {
            let faults = plane.fault | outputs::PIPE_FIFO_UNDERRUN;
            match progress {
                Progress::Armed => events | plane.done | faults,
                Progress::Unchecked => events | faults,
                Progress::Shown => events,
            }
        })
    }
}
