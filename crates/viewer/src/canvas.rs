//! What one viewer has on its screen.

use std::ops::Range;

use gpu_model::display::Pixel;

use crate::area::Area;
use crate::encoding::Pixels;
use crate::eye::View;

/// A pixel of which it is not known what the viewer has there; no colour.
const UNKNOWN: Pixel = [u8::MAX; 4];
/// Beyond the picture.
const BLACK: Pixel = [0; 4];
/// Pixels of a side of the squares that differences are looked for in.
const SQUARE: u16 = 64;

/// The pixels that a viewer was sent. The picture may have another size, if the viewer cannot follow: it
/// is cut off then, or has black beside it.
pub(crate) struct Canvas {
    width: u16,
    height: u16,
    pixels: Vec<Pixel>,
    /// Rows that may differ from the picture.
    stale: Vec<bool>,
    /// The last of the view's news that `stale` knows of.
    news: u64,
}

impl Canvas {
    /// A viewer's screen before it is sent anything.
    pub(crate) fn new((width, height): (u16, u16)) -> Canvas {
        let pixels = vec![UNKNOWN; usize::from(width) * usize::from(height)];
        Canvas { width, height, pixels, stale: vec![true; height.into()], news: 0 }
    }

    /// Width and height.
    pub(crate) fn size(&self) -> (u16, u16) {
        (self.width, self.height)
    }

    /// All of it.
    pub(crate) fn area(&self) -> Area {
        Area::whole(self.width, self.height)
    }

    /// The viewer has lost what it had there.
    pub(crate) fn forget(&mut self, area: Area) {
        let Some(area) = area.within(self.area()) else { return };
        for y in rows(area) {
            self.stale[usize::from(y)] = true;
            self.row_mut(y, area.x.into()..area.right() as usize).fill(UNKNOWN);
        }
    }

    /// Takes over what is new in an area, and says where that is: what the viewer must be sent.
    pub(crate) fn take(&mut self, view: &View, area: Area) -> Vec<Area> {
        self.note(view);
        let mut areas = Vec::new();
        let Some(area) = area.within(self.area()) else { return areas };
        let mut from = u32::from(area.y);
        while from < area.bottom() {
            let to = (from / u32::from(SQUARE) + 1) * u32::from(SQUARE);
            let height = to.min(area.bottom()) - from;
            let band = Area { y: from as u16, height: height as u16, ..area };
            self.take_band(view, band, &mut areas);
            from = to;
        }
        areas
    }

    fn note(&mut self, view: &View) {
        for (y, stale) in (0..).zip(&mut self.stale) {
            *stale |= view.is_newer(y, self.news);
        }
        self.news = view.news();
    }

    /// Takes over what is new in a row of squares.
    fn take_band(&mut self, view: &View, band: Area, areas: &mut Vec<Area>) {
        let mut squares: Vec<Square> = squares(band).collect();
        for y in rows(band) {
            if !self.stale[usize::from(y)] {
                continue;
            }
            let theirs = view.row(y);
            for square in &mut squares {
                if take_over(self.row_mut(y, square.columns.clone()), theirs, square.columns.start)
                {
                    square.note(y);
                }
            }
            self.stale[usize::from(y)] = band.width < self.width;
        }
        let differ = squares.chunk_by(|left, right| left.rows.is_some() && right.rows.is_some());
        areas.extend(differ.filter_map(Square::joined));
    }

    fn row_mut(&mut self, y: u16, columns: Range<usize>) -> &mut [Pixel] {
        let first = usize::from(y) * usize::from(self.width);
        &mut self.pixels[first + columns.start..first + columns.end]
    }
}

impl Pixels for Canvas {
    fn row(&self, area: Area, row: u16) -> &[Pixel] {
        let y = usize::from(area.y) + usize::from(row);
        let first = y * usize::from(self.width) + usize::from(area.x);
        &self.pixels[first..first + usize::from(area.width)]
    }
}

/// A square, and the rows in which it is new: the first and the last.
struct Square {
    columns: Range<usize>,
    rows: Option<(u16, u16)>,
}

impl Square {
    fn note(&mut self, y: u16) {
        let first = self.rows.map_or(y, |(first, _)| first);
        self.rows = Some((first, y));
    }

    /// The area of neighbours that all are new; `None` if they are not.
    fn joined(squares: &[Square]) -> Option<Area> {
        let x = squares.first()?.columns.start as u16;
        let end = squares.last()?.columns.end as u16;
        let rows = squares.iter().filter_map(|square| square.rows);
        let (first, last) = rows.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))?;
        Some(Area { x, y: first, width: end - x, height: last - first + 1 })
    }
}

fn rows(area: Area) -> Range<u16> {
    area.y..area.bottom() as u16
}

fn squares(band: Area) -> impl Iterator<Item = Square> {
    let side = usize::from(SQUARE);
    let (left, right) = (usize::from(band.x), band.right() as usize);
    (left / side..right.div_ceil(side)).map(move |square| {
        let columns = (square * side).max(left)..((square + 1) * side).min(right);
        Square { columns, rows: None }
    })
}

/// Makes `ours` a part of `row`, from column `first` on. Whether it was another.
fn take_over(ours: &mut [Pixel], row: &[Pixel], first: usize) -> bool {
    let theirs = row.get(first..).unwrap_or_default();
    let (within, beyond) = ours.split_at_mut(theirs.len().min(ours.len()));
    let theirs = &theirs[..within.len()];
    let differs = *within != *theirs || beyond.iter().any(|&pixel| pixel != BLACK);
    if differs {
        within.copy_from_slice(theirs);
        beyond.fill(BLACK);
    }
    differs
}
