//! What the setup packets leave for the text, pixel and scan-line packets: registers BR01 to BR07,
//! BR20, BR21, BR24 and BR25 of the blitter (PRM Vol 10).

use gen8_spec::commands::blt;

use super::blit::{PATTERN_SIZE, Rectangle};
use super::operands::Operands;
use crate::engine::Stop;

/// The state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    /// Header of the packet, for its write mask.
    pub(super) header: u32,
    /// BR13 of the packet.
    pub(super) control: u32,
    /// Where clipped packets draw.
    pub(super) clip: Rectangle,
    pub(super) destination: u64,
    pub(super) background: u32,
    pub(super) foreground: u32,
    pub(super) pattern: SetupPattern,
}

/// The pattern of scan lines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum SetupPattern {
    /// The background color.
    #[default]
    Solid,
    /// A byte a row, bit 7 left.
    Mono([u8; PATTERN_SIZE]),
    /// Pixels at this address.
    Color(u64),
}

impl Setup {
    /// Decodes XY_SETUP_BLT or XY_SETUP_MONO_PATTERN_SL_BLT.
    pub(super) fn decode(operands: &mut Operands<'_, '_>) -> Result<Setup, Stop> {
        let header = operands.header();
        let control = operands.dword()?;
        let clip = operands.rectangle()?;
        let destination = operands.address()?;
        let (background, foreground) = (operands.dword()?, operands.dword()?);
        let pattern = if blt::opcode(header) == blt::XY_SETUP {
            SetupPattern::Color(operands.address()?)
        } else {
            let rows = operands.pattern_bits()?;
            match control & blt::SOLID_PATTERN {
                0 => SetupPattern::Mono(rows),
                _ => SetupPattern::Solid,
            }
        };
        Ok(Setup { header, control, clip, destination, background, foreground, pattern })
    }
}
