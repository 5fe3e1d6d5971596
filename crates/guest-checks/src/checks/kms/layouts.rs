//! The same picture made in different ways has the same checksum, by layout in memory and by panning;
//! another picture has another one.

use super::card::Card;
use super::crc::Checksum;
use super::picture::{FrameBuffer, Picture};
use super::screen::Screen;
use crate::error::Result;
use crate::gpu::blt::Layout;
use crate::report::Reporter;

/// The primary plane alone.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    super::on_screen(reporter, |card, reporter| {
        let screen = Screen::first(card)?;
        let (width, height) = screen.mode.size();
        let sum = Checksum::of(&screen)?;
        let picture = Picture::pattern(width, height, 1);
        for (subject, layout) in [("linear", Layout::Linear), ("X-tiled", Layout::X)] {
            let same = || {
                let whole = FrameBuffer::new(card, &picture, layout)?;
                screen.set(card, &whole, (0, 0))?;
                sum.expect("the whole frame buffer", &screen)?;
                panned(card, &screen, &picture, layout, &sum)
            };
            reporter.result(Some(subject), same());
        }
        let other = || {
            screen.show_first(card)?;
            let mut changed = picture.clone();
            changed.paint(
                &Picture::new(1, 1, |_, _| 0xff00_0000),
                width as i32 - 1,
                height as i32 - 1,
            );
            let changed = FrameBuffer::linear(card, &changed)?;
            screen.set(card, &changed, (0, 0))?;
            sum.expect_another("the last pixel is black", &screen)?;
            screen.show_first(card)?;
            sum.expect("the first picture again", &screen)?;
            Ok(format!("{sum} tells one pixel"))
        };
        reporter.result(Some("another picture"), other());
        Ok(())
    })
}

/// The picture as a part of larger frame buffers.
fn panned(
    card: &Card,
    screen: &Screen,
    picture: &Picture,
    layout: Layout,
    sum: &Checksum,
) -> Result<String> {
    const BORDER: (usize, usize) = (301, 77);
    let mut large = Picture::pattern(picture.width + BORDER.0, picture.height + BORDER.1, 7);
    let places = [(0, 0), (1, 0), (0, 1), (128, 8), (37, 21), (BORDER.0, BORDER.1)];
    for (x, y) in places {
        large.paint(picture, x as i32, y as i32);
        let shown = FrameBuffer::new(card, &large, layout)?;
        screen.set(card, &shown, (x as u32, y as u32))?;
        sum.expect(&format!("panned by {x}, {y}"), screen)?;
    }
    screen.show_first(card)?;
    Ok(format!("{sum} whole and panned to {} places", places.len()))
}
