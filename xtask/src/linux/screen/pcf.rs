//! Fonts of X's in its Portable Compiled Format, as far as bitmap fonts of fixed width use it.
//!
//! Format: libXfont2, `src/bitmap/pcfread.c` and `include/X11/fonts/pcf.h`. A file is an index of
//! tables; each table tells its own byte order.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::font::Cell;
use super::search::Face;
use crate::linux::modules::plain;

const MAGIC: &[u8] = b"\x01fcp";
/// Bytes of an entry in the index of tables: type, format, size and offset.
const ENTRY: usize = 16;

/// Types of tables.
const PROPERTIES: u32 = 1 << 0;
const ACCELERATORS: u32 = 1 << 1;
const METRICS: u32 = 1 << 2;
const BITMAPS: u32 = 1 << 3;
const ENCODINGS: u32 = 1 << 5;

/// In a table's format: rows of bitmaps begin at multiples of 1 << this.
const PADDING_MASK: u32 = 3;
/// The table's numbers have their highest byte first.
const BIG_ENDIAN: u32 = 1 << 2;
/// The leftmost pixel is in a byte's highest bit.
const LEFT_IS_HIGH: u32 = 1 << 3;
/// Metrics are bytes.
const COMPRESSED: u32 = 1 << 8;

/// What stands for a character without a glyph.
const NO_GLYPH: u16 = 0xffff;

/// A font file.
pub(in crate::linux) struct Pcf(Vec<u8>);

/// A table and how far it is read.
struct Table<'a> {
    format: u32,
    rest: &'a [u8],
}

/// Where a glyph's ink lies.
struct Metrics {
    left: i32,
    right: i32,
    /// From its origin to that of the next.
    width: i32,
    ascent: i32,
    descent: i32,
}

impl Pcf {
    /// The font in a file, which may be compressed.
    pub(in crate::linux) fn read(path: &Path) -> Result<Pcf> {
        let font = Pcf(plain(path)?);
        ensure!(font.0.starts_with(MAGIC), "{} is no font of X's", path.display());
        Ok(font)
    }

    /// Its full name.
    pub(in crate::linux) fn name(&self) -> Result<String> {
        let mut table = self.table(PROPERTIES)?;
        let count = table.count()?;
        let mut places = BTreeMap::new();
        for _ in 0..count {
            let (name, _is_string, value) = (table.count()?, table.bytes(1)?, table.number()?);
            places.insert(name, value);
        }
        table.bytes(count.wrapping_neg() % 4)?;
        let size = table.count()?;
        let strings = table.bytes(size)?;
        let string = |at: usize| -> Result<&str> {
            let bytes = strings.get(at..).context("a string outside the table")?;
            Ok(std::str::from_utf8(bytes.split(|&byte| byte == 0).next().unwrap_or_default())?)
        };
        for (name, value) in places {
            if string(name)? == "FONT" {
                return Ok(string(usize::try_from(value)?)?.to_owned());
            }
        }
        bail!("the font has no name")
    }

    /// Its printable ASCII characters.
    pub(in crate::linux) fn face(&self) -> Result<Face> {
        let mut accelerators = self.table(ACCELERATORS)?;
        accelerators.bytes(8)?; // flags that say how it can be drawn fast
        let (ascent, descent) = (accelerators.number()?, accelerators.number()?);
        let (metrics, bitmaps) = (self.metrics()?, self.bitmaps()?);
        let mut face = Face::default();
        for (character, index) in self.ascii()? {
            let metrics = metrics.get(index).context("a glyph without metrics")?;
            let (padding, bitmap) = bitmaps.get(index).context("a glyph without a bitmap")?;
            let size = (metrics.width, ascent.saturating_add(descent));
            let (Ok(width @ 1..=64), Ok(height @ 1..=64)) =
                (usize::try_from(size.0), usize::try_from(size.1))
            else {
                bail!("characters of {}x{} pixels", size.0, size.1);
            };
            let cell = cell(metrics, ascent, width, height, *padding, bitmap)?;
            face.add(character, width, height, cell)?;
        }
        Ok(face)
    }

    /// Each glyph's metrics.
    fn metrics(&self) -> Result<Vec<Metrics>> {
        let mut table = self.table(METRICS)?;
        let compressed = table.format & COMPRESSED != 0;
        let count = if compressed { usize::from(table.short()?) } else { table.count()? };
        let mut all = Vec::new();
        for _ in 0..count {
            let mut next = || -> Result<i32> {
                match compressed {
                    true => Ok(i32::from(table.bytes(1)?[0]) - 0x80),
                    false => Ok(i32::from(table.short()?.cast_signed())),
                }
            };
            let (left, right, width) = (next()?, next()?, next()?);
            all.push(Metrics { left, right, width, ascent: next()?, descent: next()? });
            if !compressed {
                next()?; // attributes
            }
        }
        Ok(all)
    }

    /// Each glyph's bitmap: to what its rows are padded, in bytes, and the rest of all bitmaps from
    /// its own on.
    fn bitmaps(&self) -> Result<Vec<(usize, &[u8])>> {
        let mut table = self.table(BITMAPS)?;
        let order = BIG_ENDIAN | LEFT_IS_HIGH;
        ensure!(table.format & order == order, "a font whose bitmaps are in another order");
        let padding = 1 << (table.format & PADDING_MASK);
        let count = table.count()?;
        let offsets = (0..count).map(|_| table.count()).collect::<Result<Vec<_>>>()?;
        table.bytes(16)?; // sizes by padding
        let data = table.rest;
        let bitmap = |offset| data.get(offset..).map(|bitmap| (padding, bitmap));
        let all: Option<Vec<_>> = offsets.into_iter().map(bitmap).collect();
        all.context("a bitmap outside the table")
    }

    /// Which glyph each printable ASCII character has.
    fn ascii(&self) -> Result<Vec<(char, usize)>> {
        let mut table = self.table(ENCODINGS)?;
        let (first, last, first_row) = (table.short()?, table.short()?, table.short()?);
        table.bytes(4)?; // the last row, and what is drawn for missing characters
        ensure!(first_row == 0, "a font without ASCII");
        let mut found = Vec::new();
        for code in first..=last {
            let glyph = table.short()?;
            if let (b' '..=b'~', true) = (u8::try_from(code).unwrap_or(0), glyph != NO_GLYPH) {
                found.push((char::from(code as u8), usize::from(glyph)));
            }
        }
        Ok(found)
    }

    fn table(&self, wanted: u32) -> Result<Table<'_>> {
        // The index itself is little-endian.
        let mut index = Table { format: 0, rest: self.0.get(MAGIC.len()..).unwrap_or_default() };
        for _ in 0..index.count()? {
            let mut entry = Table { format: 0, rest: index.bytes(ENTRY)? };
            let (kind, format) = (entry.count()? as u32, entry.count()? as u32);
            let (size, offset) = (entry.count()?, entry.count()?);
            if kind == wanted {
                let end = offset.checked_add(size);
                let data = end.and_then(|end| self.0.get(offset..end));
                let mut table = Table { format, rest: data.context("a table outside the font")? };
                table.bytes(4)?; // the format once more
                return Ok(table);
            }
        }
        bail!("the font lacks a table (type {wanted})")
    }
}

impl<'a> Table<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count).context("a font that is cut off")?;
        self.rest = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<i32> {
        let bytes = self.bytes(4)?.try_into()?;
        Ok(if self.format & BIG_ENDIAN == 0 {
            i32::from_le_bytes(bytes)
        } else {
            i32::from_be_bytes(bytes)
        })
    }

    fn short(&mut self) -> Result<u16> {
        let bytes = self.bytes(2)?.try_into()?;
        Ok(if self.format & BIG_ENDIAN == 0 {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        })
    }

    /// A number that counts or measures something.
    fn count(&mut self) -> Result<usize> {
        usize::try_from(self.number()?).context("a negative size")
    }
}

/// A glyph in its cell of `width` and `height` pixels, on a line `ascent` pixels from the top.
fn cell(
    metrics: &Metrics,
    ascent: i32,
    width: usize,
    height: usize,
    padding: usize,
    bitmap: &[u8],
) -> Result<Cell> {
    let ink = metrics.right.checked_sub(metrics.left).and_then(|ink| usize::try_from(ink).ok());
    let row_bytes = ink.context("ink of negative width")?.div_ceil(8).next_multiple_of(padding);
    let mut cell = vec![false; width * height];
    for (row, y) in (-metrics.ascent..metrics.descent).enumerate() {
        let row = bitmap.get(row * row_bytes..(row + 1) * row_bytes);
        let row = row.context("a bitmap that is cut off")?;
        for (column, x) in (metrics.left..metrics.right).enumerate() {
            if row[column / 8] << (column % 8) & 0x80 == 0 {
                continue;
            }
            let (x, y) = (usize::try_from(x), usize::try_from(y.saturating_add(ascent)));
            match (x, y) {
                (Ok(x), Ok(y)) if x < width && y < height => cell[y * width + x] = true,
                _ => bail!("a glyph that is larger than its cell"),
            }
        }
    }
    Ok(cell)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn numbers(numbers: &[i32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn shorts(numbers: &[u16]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// A font of 4x3 pixels (2 above the line, 1 below) with the name `-x-y`: `1` is a stroke in its
    /// second column, `2` a dot at the bottom right corner, blank is blank.
    pub(in crate::linux::screen) fn font() -> Pcf {
        Pcf(file())
    }

    /// Its file.
    pub(in crate::linux) fn file() -> Vec<u8> {
        let order = BIG_ENDIAN | LEFT_IS_HIGH;
        let properties = [
            numbers(&[2]),
            [numbers(&[5]), vec![0], numbers(&[-7])].concat(),
            [numbers(&[0]), vec![1], numbers(&[11])].concat(),
            vec![0; 2],
            numbers(&[16]),
            b"FONT\0WIDTH\0-x-y\0".to_vec(),
        ];
        let metrics = [
            shorts(&[3]),
            vec![0x80, 0x80, 0x84, 0x80, 0x80],
            vec![0x81, 0x82, 0x84, 0x82, 0x80],
            vec![0x83, 0x84, 0x84, 0x80, 0x81],
        ];
        let bitmaps = [numbers(&[3, 0, 0, 2]), vec![0; 16], vec![0x80, 0x80, 0x80], Vec::new()];
        let encodings =
            [shorts(&[32, 50, 0, 0, 32]), shorts(&[&[0], &[NO_GLYPH; 16][..], &[1, 2]].concat())];
        let tables = [
            (PROPERTIES, order, properties.concat()),
            (ACCELERATORS, order, [vec![0; 8], numbers(&[2, 1])].concat()),
            (METRICS, order | COMPRESSED, metrics.concat()),
            (BITMAPS, order, bitmaps.concat()),
            (ENCODINGS, order, encodings.concat()),
        ];
        let mut file = [MAGIC, &(tables.len() as u32).to_le_bytes()].concat();
        let mut offset = file.len() + ENTRY * tables.len();
        for (kind, format, data) in &tables {
            let entry = [*kind, *format, data.len() as u32 + 4, offset as u32];
            file.extend(entry.iter().flat_map(|number| number.to_le_bytes()));
            offset += data.len() + 4;
        }
        for (_, format, data) in &tables {
            file.extend(format.to_le_bytes());
            file.extend(data);
        }
        file
    }

    #[test]
    fn a_font_tells_its_name_and_puts_glyphs_on_their_line() {
        assert_eq!(font().name().unwrap(), "-x-y");
        let face = font().face().unwrap();
        let drawing = |character| {
            let cell = face.cell(character).unwrap().iter();
            cell.map(|&ink| if ink { '#' } else { '.' }).collect::<String>()
        };
        assert_eq!(drawing(' '), "............");
        assert_eq!(drawing('1'), ".#...#......");
        assert_eq!(drawing('2'), "...........#");
        assert!(face.cell('3').is_none());
    }

    #[test]
    fn a_font_that_is_cut_off_anywhere_is_refused() {
        let whole = font();
        for length in 0..whole.0.len() {
            let cut = Pcf(whole.0[..length].to_vec());
            assert!(cut.face().is_err() || cut.name().is_err(), "{length} bytes");
        }
    }

    #[test]
    fn no_byte_of_a_font_makes_the_reader_panic() {
        let whole = font().0;
        for at in 0..whole.len() {
            for bad in [0, 1, 0x7f, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[at] = bad;
                let broken = Pcf(broken);
                broken.face().ok(); // Right or refused; what counts is that we get here.
                broken.name().ok();
            }
        }
    }
}
