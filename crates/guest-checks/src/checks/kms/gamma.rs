//! The gamma ramp.

use super::card::Card;
use super::crc::Checksum;
use super::picture::{FrameBuffer, Picture};
use super::screen::Screen;
use super::uapi;
use crate::error::Result;
use crate::report::Reporter;

/// Entries of the legacy ramp: one for each level of a color.
const RAMP: u32 = 256;

/// What becomes of a level.
type Ramp = fn(u8) -> u8;

/// A picture through a ramp is the picture that was changed so before.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    super::on_screen(reporter, |card, reporter| {
        let screen = Screen::first(card)?;
        let (width, height) = screen.mode.size();
        let picture = Picture::pattern(width, height, 1);
        set_ramp(card, &screen, |level| level)?;
        let plain = Checksum::of(&screen)?;
        let cases: [(&str, Ramp); 3] = [
            ("inverted", |level| !level),
            ("darker", |level| level / 2),
            ("turned", |level| level.rotate_left(3)),
        ];
        for (subject, ramp) in cases {
            let same = || {
                screen.show_first(card)?;
                set_ramp(card, &screen, ramp)?;
                let through = Checksum::of(&screen)?;
                set_ramp(card, &screen, |level| level)?;
                plain.expect("the straight ramp again", &screen)?;
                let changed = picture.map(|pixel| {
                    let [blue, green, red, alpha] = pixel.to_le_bytes();
                    u32::from_le_bytes([ramp(blue), ramp(green), ramp(red), alpha])
                });
                let changed = FrameBuffer::linear(card, &changed)?;
                screen.set(card, &changed, (0, 0))?;
                through.expect("the changed picture", &screen)?;
                plain.expect_another("the changed picture", &screen)?;
                screen.show_first(card)?;
                Ok(format!("{through} by ramp and by picture"))
            };
            reporter.result(Some(subject), same());
        }
        set_ramp(card, &screen, |level| level)
    })
}

/// One ramp for all three colors.
fn set_ramp(card: &Card, screen: &Screen, ramp: impl Fn(u8) -> u8) -> Result<()> {
    let levels: Vec<u16> = (0..=255).map(|level| u16::from(ramp(level)) * 0x101).collect();
    let address = levels.as_ptr() as u64;
    let mut set = uapi::CrtcLut {
        crtc_id: screen.crtc,
        gamma_size: RAMP,
        red: address,
        green: address,
        blue: address,
    };
    card.device.ioctl(uapi::SETGAMMA, &mut set)
}
