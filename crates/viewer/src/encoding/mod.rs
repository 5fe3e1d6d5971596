//! How areas of the picture are sent (RFC 6143, 7.6.1 and 7.7).

mod zrle;

use gpu_model::display::Pixel;

use crate::area::{Area, narrow};
use crate::pixel_format::PixelFormat;

use zrle::Zrle;

const RAW: i32 = 0;
const ZRLE: i32 = 16;
/// The picture has another size (7.8.2).
const DESKTOP_SIZE: i32 = -223;

/// The pixels that are sent.
pub(crate) trait Pixels {
    /// The pixels of a row of `area`.
    fn row(&self, area: Area, row: u16) -> &[Pixel];
}

/// What a viewer wants pictures in, and what it has to be told.
#[derive(Default)]
pub(crate) struct Encoder {
    format: Option<PixelFormat>,
    /// The first one of the viewer's list that we know.
    encoding: Option<i32>,
    follows_size: bool,
    /// One stream for the whole connection (7.7.6), made when it is needed.
    zrle: Option<Box<Zrle>>,
}

impl Encoder {
    /// The viewer wants its pixels so.
    pub(crate) fn set_format(&mut self, format: PixelFormat) {
        self.format = Some(format);
    }

    /// A new list of encodings begins.
    pub(crate) fn forget_encodings(&mut self) {
        (self.encoding, self.follows_size) = (None, false);
    }

    /// The next one of the list.
    pub(crate) fn add_encoding(&mut self, encoding: i32) {
        match encoding {
            RAW | ZRLE => {
                self.encoding.get_or_insert(encoding);
            }
            DESKTOP_SIZE => self.follows_size = true,
            _ => {}
        }
    }

    /// Whether the viewer can be told of another size.
    pub(crate) fn follows_size(&self) -> bool {
        self.follows_size
    }

    /// Appends an area with its pixels.
    pub(crate) fn put(&mut self, area: Area, pixels: &impl Pixels, out: &mut Vec<u8>) {
        let format = self.format.unwrap_or(PixelFormat::OURS);
        if self.encoding == Some(ZRLE) {
            put_header(area, ZRLE, out);
            self.zrle.get_or_insert_default().put(format, area, pixels, out);
            return;
        }
        put_header(area, RAW, out);
        for row in 0..area.height {
            let pixels = pixels.row(area, row);
            if format == PixelFormat::OURS {
                out.extend_from_slice(pixels.as_flattened());
            } else {
                pixels.iter().for_each(|&pixel| format.put(pixel, out));
            }
        }
    }
}

/// Appends the news that the picture has this size.
pub(crate) fn put_size((width, height): (u16, u16), out: &mut Vec<u8>) {
    put_header(Area::whole(width, height), DESKTOP_SIZE, out);
}

/// Appends the beginning of an update with so many areas.
pub(crate) fn put_update(areas: usize, out: &mut Vec<u8>) {
    out.extend([0, 0]);
    out.extend(narrow(areas as u32).to_be_bytes());
}

fn put_header(area: Area, encoding: i32, out: &mut Vec<u8>) {
    for value in [area.x, area.y, area.width, area.height] {
        out.extend(value.to_be_bytes());
    }
    out.extend(encoding.to_be_bytes());
}
