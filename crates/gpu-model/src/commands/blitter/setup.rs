//! What the setup packets leave for the text, pixel and scan-line packets: registers BR01 to BR07,
//! BR20, BR21, BR24 and BR25 of the blitter (PRM Vol 10).
//!
//! It is kept as the dwords of the packet itself: that is all there is to save with a context.

use gen8_spec::commands::blt;

use super::blit::{PATTERN_SIZE, Rectangle};
use super::operands::Operands;
use crate::engine::Stop;

/// Dwords of XY_SETUP_BLT and XY_SETUP_MONO_PATTERN_SL_BLT, header included.
const SETUP_DWORDS: usize = 10;
/// Places in both packets.
const CONTROL: usize = 1;
const CLIP: usize = 2;
const DESTINATION: usize = 4;
const BACKGROUND: usize = 6;
const FOREGROUND: usize = 7;
const PATTERN: usize = 8;

/// The last setup packet, with the clip rectangle of a later XY_SETUP_CLIP_BLT.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Setup([u32; SETUP_DWORDS]);

/// The pattern of scan lines.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum SetupPattern {
    /// The background color.
    Solid,
    /// A byte a row, bit 7 left.
    Mono([u8; PATTERN_SIZE]),
    /// Pixels at this address.
    Color(u64),
}

impl Setup {
    /// Takes XY_SETUP_BLT or XY_SETUP_MONO_PATTERN_SL_BLT.
    pub(super) fn decode(operands: &mut Operands<'_, '_>) -> Result<Setup, Stop> {
        let mut setup = Setup::default();
        let (header, others) = setup.0.split_first_mut().ok_or(Stop::Instruction)?;
        *header = operands.header();
        for dword in others {
            *dword = operands.dword()?;
        }
        Ok(setup)
    }

    /// Takes the corners that XY_SETUP_CLIP_BLT gives.
    pub(super) fn set_clip(&mut self, corners: [u32; 2]) {
        [self.0[CLIP], self.0[CLIP + 1]] = corners;
    }

    /// What a context save keeps.
    pub(crate) fn dwords(&self) -> &[u32] {
        &self.0
    }

    /// What a context restore fills in. Every value is one that some packet could have left.
    pub(crate) fn dwords_mut(&mut self) -> &mut [u32] {
        &mut self.0
    }

    /// Header of the packet, for its write mask.
    pub(super) fn header(&self) -> u32 {
        self.0[0]
    }

    /// BR13 of the packet.
    pub(super) fn control(&self) -> u32 {
        self.0[CONTROL]
    }

    /// Where clipped packets draw.
    pub(super) fn clip(&self) -> Rectangle {
        Rectangle::of_corners(self.0[CLIP], self.0[CLIP + 1])
    }

    pub(super) fn destination(&self) -> u64 {
        self.wide(DESTINATION)
    }

    pub(super) fn background(&self) -> u32 {
        self.0[BACKGROUND]
    }

    pub(super) fn foreground(&self) -> u32 {
        self.0[FOREGROUND]
    }

    pub(super) fn pattern(&self) -> SetupPattern {
        let pattern = self.wide(PATTERN);
        if blt::opcode(self.header()) == blt::XY_SETUP {
            SetupPattern::Color(pattern)
        } else if self.control() & blt::SOLID_PATTERN != 0 {
            SetupPattern::Solid
        } else {
            SetupPattern::Mono(pattern.to_le_bytes())
        }
    }

    fn wide(&self, place: usize) -> u64 {
        u64::from(self.0[place + 1]) << 32 | u64::from(self.0[place])
    }
}
