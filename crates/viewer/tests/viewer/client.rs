//! A viewer of our own, written by RFC 6143 alone: it knows nothing of the server's code.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use gpu_model::display::Picture;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};

use crate::rig::Rig;

pub(crate) const RAW: i32 = 0;
pub(crate) const ZRLE: i32 = 16;
pub(crate) const DESKTOP_SIZE: i32 = -223;

/// How long the server may take for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A pixel format: bits, depth, big endian, maxima and shifts of red, green and blue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format(
    pub(crate) u8,
    pub(crate) u8,
    pub(crate) bool,
    pub(crate) [u16; 3],
    pub(crate) [u8; 3],
);

pub(crate) const RGB888: Format = Format(32, 24, false, [255; 3], [16, 8, 0]);

impl Format {
    /// SetPixelFormat.
    fn message(self) -> Vec<u8> {
        let Format(bits, depth, big, max, shift) = self;
        let mut message = vec![0, 0, 0, 0, bits, depth, big.into(), 1];
        message.extend(max.iter().flat_map(|max| max.to_be_bytes()));
        message.extend(shift);
        message.extend([0; 3]);
        message
    }

    /// The value of a pixel of these colours.
    fn value(self, rgb: &[u8]) -> u32 {
        let Format(.., max, shift) = self;
        let channel = |n: usize| {
            let nearest = (f64::from(rgb[n]) * f64::from(max[n]) / 255.0).round() as u32;
            nearest << shift[n]
        };
        channel(0) | channel(1) | channel(2)
    }

    fn number(self, bytes: &[u8]) -> u32 {
        let fold = |number, &byte: &u8| number << 8 | u32::from(byte);
        if self.2 { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
    }

    fn bytes(self) -> usize {
        usize::from(self.0) / 8
    }

    /// The value of the pixel that ZRLE writes so.
    fn compressed(self, bytes: &[u8]) -> u32 {
        self.number(bytes) << if self.takes_high_bytes() { 8 } else { 0 }
    }

    fn compressed_bytes(self) -> usize {
        let three = self.0 == 32 && self.1 <= 24 && (self.ends_by(24) || self.takes_high_bytes());
        if three { 3 } else { self.bytes() }
    }

    fn ends_by(self, bits: u32) -> bool {
        let Format(.., max, shift) = self;
        (0..3).all(|n| u64::from(max[n]) << shift[n] < 1 << bits)
    }

    fn takes_high_bytes(self) -> bool {
        self.0 == 32 && self.1 <= 24 && !self.ends_by(24) && self.4.iter().all(|&shift| shift >= 8)
    }
}

/// A rectangle of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) encoding: i32,
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) width: usize,
    pub(crate) height: usize,
    format: Format,
    /// What it shows: values of pixels; `None` where it was sent nothing.
    pixels: Vec<Option<u32>>,
    stream_of_zrle: Box<InflateState>,
}

impl Client {
    /// A viewer that asks for the server's proposals, in this version of the protocol.
    pub(crate) fn of_version(address: SocketAddr, version: &[u8; 12]) -> io::Result<Client> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let [major, .., minor, _end] = read::<12>(&mut stream)?;
        assert_eq!((major, minor), (b'R', b'8'));
        stream.write_all(version)?;
        if version.ends_with(b"3\n") {
            assert_eq!(read(&mut stream)?, [0, 0, 0, 1]);
        } else {
            assert_eq!(read(&mut stream)?, [1, 1]);
            stream.write_all(&[1])?;
        }
        if version.ends_with(b"8\n") {
            assert_eq!(read(&mut stream)?, [0; 4]);
        }
        stream.write_all(&[1])?;
        let init: [u8; 24] = read(&mut stream)?;
        assert_eq!(init[4..17], RGB888.message()[4..17], "the format of the server");
        let length = u32::from_be_bytes(*init.last_chunk().unwrap());
        let mut name = vec![0; length as usize];
        stream.read_exact(&mut name)?;
        assert_eq!(name, b"gen8emu");
        let size = |at: usize| usize::from(u16::from_be_bytes([init[at], init[at + 1]]));
        let (width, height) = (size(0), size(2));
        Ok(Client {
            stream,
            width,
            height,
            format: RGB888,
            pixels: vec![None; width * height],
            stream_of_zrle: InflateState::new_boxed(DataFormat::Zlib),
        })
    }

    /// A viewer with a seat, which may first have to become free.
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let end = Instant::now() + PATIENCE;
        loop {
            match Client::of_version(address, b"RFB 003.008\n") {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < end, "no seat: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn set_format(&mut self, format: Format) {
        self.format = format;
        self.stream.write_all(&format.message()).unwrap();
    }

    pub(crate) fn set_encodings(&mut self, encodings: &[i32]) {
        let mut message = vec![2, 0, 0, encodings.len() as u8];
        message.extend(encodings.iter().flat_map(|encoding| encoding.to_be_bytes()));
        self.stream.write_all(&message).unwrap();
    }

    pub(crate) fn request(&mut self, incremental: bool) {
        let area = [0, 0, self.width as u16, self.height as u16];
        self.request_area(incremental, area);
    }

    pub(crate) fn request_area(&mut self, incremental: bool, area: [u16; 4]) {
        self.stream.write_all(&request(incremental, area)).unwrap();
    }

    /// Takes an update.
    pub(crate) fn update(&mut self) -> Vec<Part> {
        let [kind, _, high, low] = read(&mut self.stream).unwrap();
        assert_eq!(kind, 0, "an update");
        (0..u16::from_be_bytes([high, low])).map(|_| self.part()).collect()
    }

    fn part(&mut self) -> Part {
        let header: [u8; 12] = read(&mut self.stream).unwrap();
        let short = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
        let encoding = i32::from_be_bytes(*header.last_chunk().unwrap());
        let part = Part { x: short(0), y: short(2), width: short(4), height: short(6), encoding };
        match encoding {
            DESKTOP_SIZE => {
                (self.width, self.height) = (part.width, part.height);
                self.pixels = vec![None; part.width * part.height];
            }
            RAW => {
                let bytes = self.read_vec(part.width * part.height * self.format.bytes());
                let mut pixels = bytes.chunks(self.format.bytes());
                for (x, y) in places(part, part.width, part.height) {
                    let value = self.format.number(pixels.next().unwrap());
                    self.put(x, y, value);
                }
            }
            ZRLE => self.zrle(part),
            other => panic!("encoding {other} was not asked for"),
        }
        part
    }

    fn put(&mut self, x: usize, y: usize, value: u32) {
        assert!(x < self.width && y < self.height, "({x}, {y}) is outside");
        self.pixels[y * self.width + x] = Some(value);
    }

    fn zrle(&mut self, part: Part) {
        let length = u32::from_be_bytes(read(&mut self.stream).unwrap());
        let packed = self.read_vec(length as usize);
        let plain = self.inflate(&packed);
        let mut rest = &plain[..];
        for top in (0..part.height).step_by(64) {
            for left in (0..part.width).step_by(64) {
                let (width, height) = (64.min(part.width - left), 64.min(part.height - top));
                let tile = Part { x: part.x + left, y: part.y + top, width, height, ..part };
                self.tile(tile, &mut rest);
            }
        }
        assert!(rest.is_empty(), "bytes behind the tiles");
    }

    fn tile(&mut self, tile: Part, rest: &mut &[u8]) {
        let format = self.format;
        let mut take = |count: usize| {
            let (taken, left) = rest.split_at(count);
            *rest = left;
            taken
        };
        let kind = usize::from(take(1)[0]);
        let size = format.compressed_bytes();
        let colours = match kind {
            0 => tile.width * tile.height,
            1..=16 => kind,
            other => panic!("a tile of kind {other}"),
        };
        let pixels = take(colours * size).chunks(size).map(|bytes| format.compressed(bytes));
        let colours: Vec<u32> = pixels.collect();
        let bits = [0, 0, 1, 2, 2, 4].get(kind).copied().unwrap_or(4);
        for row in 0..tile.height {
            let packed = take((tile.width * if kind == 0 { 0 } else { bits }).div_ceil(8));
            for column in 0..tile.width {
                let index = match kind {
                    0 => row * tile.width + column,
                    1 => 0,
                    _ => {
                        let at = column * bits;
                        usize::from(packed[at / 8] >> (8 - bits - at % 8)) & ((1 << bits) - 1)
                    }
                };
                self.put(tile.x + column, tile.y + row, colours[index]);
            }
        }
    }

    fn inflate(&mut self, mut packed: &[u8]) -> Vec<u8> {
        let (mut plain, mut piece) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let result = inflate(&mut self.stream_of_zrle, packed, &mut piece, MZFlush::None);
            packed = &packed[result.bytes_consumed..];
            plain.extend(&piece[..result.bytes_written]);
            if packed.is_empty() && result.bytes_written < piece.len() {
                return plain;
            }
            result.status.expect("a zlib stream");
        }
    }

    fn read_vec(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Whether it shows this picture, cut off or with black beside it where the size is another.
    pub(crate) fn shows(&self, picture: &Picture) -> bool {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let rgb = picture.rgb();
        let expected = |x: usize, y: usize| {
            let at = 3 * (y * width + x);
            self.format.value(if x < width && y < height { &rgb[at..at + 3] } else { &[0; 3] })
        };
        let whole = Part { x: 0, y: 0, width: self.width, height: self.height, encoding: RAW };
        let mut places = places(whole, self.width, self.height).zip(&self.pixels);
        places.all(|((x, y), &pixel)| pixel == Some(expected(x, y)))
    }

    /// Asks for changes until it shows what is on the screen, which does not change.
    pub(crate) fn follow(&mut self, rig: &Rig) {
        let (end, picture) = (Instant::now() + PATIENCE, rig.screenshot());
        while !self.shows(&picture) {
            assert!(Instant::now() < end, "it never shows the picture");
            self.request(true);
            self.update();
        }
    }
}

/// FramebufferUpdateRequest.
pub(crate) fn request(incremental: bool, area: [u16; 4]) -> Vec<u8> {
    let mut message = vec![3, incremental.into()];
    message.extend(area.iter().flat_map(|value| value.to_be_bytes()));
    message
}

fn places(part: Part, width: usize, height: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..height).flat_map(move |y| (0..width).map(move |x| (part.x + x, part.y + y)))
}

pub(crate) fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
