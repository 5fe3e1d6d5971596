//! The registers of a pipe's planes, as they last took effect.
//!
//! Hardware keeps each of them twice: what software writes shows from the next blanking on, all
//! registers of a plane together, once the last of them, its address, was written.

use gen8_spec::registers::outputs::PIPE_STRIDE;
use gen8_spec::registers::planes as regs;

use crate::registers::RegisterFile;

/// A plane of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlaneId {
    /// The one below, as large as the picture.
    Primary,
    /// The one in the middle, anywhere in the picture.
    Sprite,
    /// The one above.
    Cursor,
}

impl PlaneId {
    /// Every plane, from below.
    pub const ALL: [PlaneId; 3] = [PlaneId::Primary, PlaneId::Sprite, PlaneId::Cursor];
}

/// The registers of all planes of a pipe.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(in crate::display) struct Planes {
    pub(in crate::display) primary: Primary,
    pub(super) sprite: Sprite,
    pub(super) cursor: Cursor,
}

/// The primary plane's.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(in crate::display) struct Primary {
    pub(in crate::display) control: u32,
    pub(in crate::display) stride: u32,
    pub(in crate::display) offset: u32,
    pub(in crate::display) surface: u32,
}

/// The sprite's.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(super) struct Sprite {
    pub(super) control: u32,
    pub(super) stride: u32,
    pub(super) position: u32,
    pub(super) size: u32,
    pub(super) offset: u32,
    pub(super) surface: u32,
    pub(super) key: u32,
    pub(super) key_max: u32,
    pub(super) key_mask: u32,
}

/// The cursor's.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(super) struct Cursor {
    pub(super) control: u32,
    pub(super) base: u32,
    pub(super) position: u32,
    pub(super) fbc: u32,
}

impl Planes {
    /// Whether addresses of the primary plane take effect at once.
    pub(in crate::display) fn is_asynchronous(&self) -> bool {
        let on = regs::PLANE_ENABLE | regs::PLANE_ASYNC_FLIP;
        self.primary.control & on == on
    }

    /// Takes over what software wrote for `plane` of `pipe`.
    pub(in crate::display) fn take_effect(
        &mut self,
        plane: PlaneId,
        pipe: u32,
        file: &RegisterFile,
    ) {
        let register = |offset: u32| file.get(offset + pipe * PIPE_STRIDE);
        match plane {
            PlaneId::Primary => {
                self.primary = Primary {
                    control: register(regs::DSPCNTR),
                    stride: register(regs::DSPSTRIDE),
                    offset: register(regs::DSPOFFSET),
                    surface: register(regs::DSPSURF),
                };
            }
            PlaneId::Sprite => {
                self.sprite = Sprite {
                    control: register(regs::SPRCTL),
                    stride: register(regs::SPRSTRIDE),
                    position: register(regs::SPRPOS),
                    size: register(regs::SPRSIZE),
                    offset: register(regs::SPROFFSET),
                    surface: register(regs::SPRSURF),
                    key: register(regs::SPRKEYVAL),
                    key_max: register(regs::SPRKEYMAX),
                    key_mask: register(regs::SPRKEYMSK),
                };
            }
            PlaneId::Cursor => {
                self.cursor = Cursor {
                    control: register(regs::CURCNTR),
                    base: register(regs::CURBASE),
                    position: register(regs::CURPOS),
                    fbc: register(regs::CUR_FBC_CTL),
                };
            }
        }
    }
}
