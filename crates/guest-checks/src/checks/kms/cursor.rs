//! The cursor plane: what it shows is as if it were painted.

use super::card::Card;
use super::crc::{self, Checksum};
use super::picture::{Picture, cursor_object};
use super::screen::Screen;
use super::uapi;
use crate::error::Result;
use crate::gpu::Object;
use crate::report::Reporter;

/// Columns and rows of a cursor.
const CURSOR: usize = 64;

/// The cursor, inside, at and beyond all edges.
pub(in crate::checks) fn run(reporter: &mut Reporter, moves: u32) -> Result<()> {
    super::on_screen(reporter, |card, reporter| {
        let screen = Screen::first(card)?;
        let ground = Checksum::of(&screen)?;
        // Opaque but for a corner, so that what is below shows through.
        let arrow = Picture::pattern(CURSOR, CURSOR, 3);
        let arrow = Picture::new(CURSOR, CURSOR, |x, y| match x + y < CURSOR {
            true => arrow.at(x, y),
            false => 0,
        });
        let object = cursor_object(card, &arrow)?;
        let result = || {
            for (x, y) in edges(&screen) {
                set_cursor(card, &screen, Some(&object), (x, y))?;
                let shown = Checksum::of(&screen)?;
                set_cursor(card, &screen, None, (0, 0))?;
                ground.expect("without cursor", &screen)?;
                crc::expect_painted(card, &screen, &arrow, (x, y), &shown)?;
            }
            Ok(format!("as if painted, at {} places", edges(&screen).len()))
        };
        reporter.result(Some("places"), result());
        reporter.result(Some("moves"), walk(card, &screen, &object, moves, &ground));
        Ok(())
    })
}

/// Left upper corners of a cursor: inside, across each edge and corner, beyond.
fn edges(screen: &Screen) -> Vec<(i32, i32)> {
    let (width, height) = screen.mode.size();
    let (width, height, size) = (width as i32, height as i32, CURSOR as i32);
    vec![
        (0, 0),
        (301, 203),
        (-size / 2, 100),
        (100, -size / 2),
        (width - size / 2, 100),
        (101, height - size / 2),
        (-size + 1, -size + 1),
        (width - 1, height - 1),
        (-size, 100),
        (width, height),
    ]
}

/// Moves the cursor over the whole screen and beyond; taken away, nothing is left of it.
fn walk(
    card: &Card,
    screen: &Screen,
    object: &Object,
    moves: u32,
    ground: &Checksum,
) -> Result<String> {
    let (width, height) = screen.mode.size();
    screen.show_first(card)?;
    set_cursor(card, screen, Some(object), (0, 0))?;
    for step in 0..moves as i32 {
        let across = (width as i32 + 2 * CURSOR as i32) * step / moves as i32;
        let down = (height as i32 + 2 * CURSOR as i32) * step / moves as i32;
        let (x, y) = (across - CURSOR as i32, down - CURSOR as i32);
        let mut cursor = uapi::Cursor2 {
            flags: uapi::CURSOR_MOVE,
            crtc_id: screen.crtc,
            x,
            y,
            ..Default::default()
        };
        card.device.ioctl(uapi::CURSOR2, &mut cursor)?;
    }
    set_cursor(card, screen, None, (0, 0))?;
    ground.expect("after all moves", screen)?;
    Ok(format!("{moves} moves"))
}

/// Shows a cursor's picture at a place, or none.
fn set_cursor(
    card: &Card,
    screen: &Screen,
    picture: Option<&Object>,
    (x, y): (i32, i32),
) -> Result<()> {
    let mut cursor = uapi::Cursor2 {
        flags: uapi::CURSOR_BO | uapi::CURSOR_MOVE,
        crtc_id: screen.crtc,
        x,
        y,
        width: CURSOR as u32,
        height: CURSOR as u32,
        handle: picture.map_or(0, Object::handle),
        ..Default::default()
    };
    card.device.ioctl(uapi::CURSOR2, &mut cursor)
}
