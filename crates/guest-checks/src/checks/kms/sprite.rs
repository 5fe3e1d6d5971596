//! The sprite plane: what it shows is as if it were painted.

use super::card::Card;
use super::crc::{self, Checksum};
use super::picture::{FrameBuffer, Picture};
use super::screen::Screen;
use super::uapi;
use crate::error::{Error, Result};
use crate::gpu::blt::Layout;
use crate::report::Reporter;

/// Columns and rows of what it shows.
const SPRITE: (usize, usize) = (200, 120);

/// The sprite plane over the primary.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    super::on_screen(reporter, |card, reporter| {
        let screen = Screen::first(card)?;
        let Some(plane) = card.plane(screen.pipe, uapi::PLANE_OVERLAY)? else {
            return Err(Error::NotHere("the pipe has no overlay plane".into()));
        };
        let (width, height) = screen.mode.size();
        let ground = Checksum::of(&screen)?;
        let film = Picture::pattern(SPRITE.0, SPRITE.1, 5);
        for (subject, layout) in [("linear", Layout::Linear), ("X-tiled", Layout::X)] {
            let same = || {
                screen.show_first(card)?;
                let frame_buffer = FrameBuffer::new(card, &film, layout)?;
                let corner = (width as i32 - SPRITE.0 as i32, height as i32 - SPRITE.1 as i32);
                for place in [(0, 0), (77, 33), corner] {
                    set_plane(card, plane, &screen, Some(&frame_buffer), place)?;
                    let shown = Checksum::of(&screen)?;
                    set_plane(card, plane, &screen, None, place)?;
                    ground.expect("without sprite", &screen)?;
                    crc::expect_painted(card, &screen, &film, place, &shown)?;
                }
                Ok("as if painted, at 3 places".into())
            };
            reporter.result(Some(subject), same());
        }
        Ok(())
    })
}

/// Shows a whole frame buffer on a plane, or nothing.
fn set_plane(
    card: &Card,
    plane: u32,
    screen: &Screen,
    shown: Option<&FrameBuffer>,
    (x, y): (i32, i32),
) -> Result<()> {
    let (width, height) = (SPRITE.0 as u32, SPRITE.1 as u32);
    let mut set = uapi::SetPlane { plane_id: plane, ..Default::default() };
    if let Some(shown) = shown {
        set = uapi::SetPlane {
            crtc_id: screen.crtc,
            fb_id: shown.id,
            crtc_x: x,
            crtc_y: y,
            crtc_w: width,
            crtc_h: height,
            src_w: width << 16,
            src_h: height << 16,
            ..set
        };
    }
    card.device.ioctl(uapi::SETPLANE, &mut set)
}
