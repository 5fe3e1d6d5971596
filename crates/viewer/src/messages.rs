//! What a viewer says after the handshake (RFC 6143, 7.5), taken apart as its bytes come.

use thiserror::Error;

use crate::area::Area;
use crate::pixel_format::{FORMAT_BYTES, FormatError, PixelFormat};

const SET_PIXEL_FORMAT: u8 = 0;
const SET_ENCODINGS: u8 = 2;
const FRAMEBUFFER_UPDATE_REQUEST: u8 = 3;
const KEY_EVENT: u8 = 4;
const POINTER_EVENT: u8 = 5;
const CLIENT_CUT_TEXT: u8 = 6;

/// Bytes of the longest piece that is looked at as a whole.
const LONGEST: usize = 20;

/// A message, or what matters of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Pixels shall come so.
    PixelFormat(PixelFormat),
    /// A list of encodings begins.
    Encodings,
    /// The next one of the list, best first.
    Encoding(i32),
    /// The viewer wants to know an area, or if incremental, its changes.
    Request { incremental: bool, area: Area },
}

/// Bytes that are no message; where the next one begins is not known.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum MessageError {
    /// A type that no viewer may use before we offer it.
    #[error("it sent a message of type {0}, which there is not")]
    Type(u8),
    /// A pixel format that there is not.
    #[error("it asked for {0}")]
    Format(#[from] FormatError),
}

/// Cuts a viewer's bytes into messages. It keeps at most one piece of [`LONGEST`] bytes, whatever
/// lengths the viewer claims.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// The beginning of a piece that is not complete.
    piece: [u8; LONGEST],
    have: usize,
    /// Bytes that mean nothing to us.
    skip: u32,
    /// Encodings that the list still has.
    encodings: u16,
}

impl Messages {
    /// Takes the next message from `input`; `None` when it ends before the message does.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Message>, MessageError> {
        loop {
            self.pass_over(input);
            if self.skip > 0 {
                return Ok(None);
            }
            let Some(length) = self.length(input)? else { return Ok(None) };
            if !self.fill(input, length) {
                return Ok(None);
            }
            self.have = 0;
            if let Some(message) = self.understand()? {
                return Ok(Some(message));
            }
        }
    }

    fn pass_over(&mut self, input: &mut &[u8]) {
        let passed = input.len().min(self.skip as usize);
        *input = &input[passed..];
        self.skip -= passed as u32;
    }

    /// Bytes of the piece that comes; `None` if there is not even its first.
    fn length(&self, input: &[u8]) -> Result<Option<usize>, MessageError> {
        if self.encodings > 0 {
            return Ok(Some(4));
        }
        let first = if self.have > 0 { Some(self.piece[0]) } else { input.first().copied() };
        first
            .map(|kind| match kind {
                SET_PIXEL_FORMAT => Ok(4 + FORMAT_BYTES),
                SET_ENCODINGS => Ok(4),
                FRAMEBUFFER_UPDATE_REQUEST => Ok(10),
                KEY_EVENT | CLIENT_CUT_TEXT => Ok(8),
                POINTER_EVENT => Ok(6),
                kind => Err(MessageError::Type(kind)),
            })
            .transpose()
    }

    /// Completes a piece of `length` bytes, if `input` has as many.
    fn fill(&mut self, input: &mut &[u8], length: usize) -> bool {
        let taken = input.len().min(length - self.have);
        self.piece[self.have..self.have + taken].copy_from_slice(&input[..taken]);
        *input = &input[taken..];
        self.have += taken;
        self.have == length
    }

    /// What the piece says; `None` for nothing that matters.
    fn understand(&mut self) -> Result<Option<Message>, MessageError> {
        let short = |at: usize| u16::from_be_bytes([self.piece[at], self.piece[at + 1]]);
        let long = |at: usize| u32::from(short(at)) << 16 | u32::from(short(at + 2));
        if self.encodings > 0 {
            let encoding = Message::Encoding(long(0) as i32);
            self.encodings -= 1;
            return Ok(Some(encoding));
        }
        let message = match self.piece[0] {
            SET_PIXEL_FORMAT => {
                let mut format = [0; FORMAT_BYTES];
                format.copy_from_slice(&self.piece[4..]);
                Some(Message::PixelFormat(PixelFormat::parse(&format)?))
            }
            SET_ENCODINGS => {
                self.encodings = short(2);
                Some(Message::Encodings)
            }
            FRAMEBUFFER_UPDATE_REQUEST => Some(Message::Request {
                incremental: self.piece[1] != 0,
                area: Area { x: short(2), y: short(4), width: short(6), height: short(8) },
            }),
            CLIENT_CUT_TEXT => {
                self.skip = long(4);
                None
            }
            _ => None,
        };
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The messages of these bytes, which come in pieces of `chunk` bytes.
    fn messages(bytes: &[u8], chunk: usize) -> Result<Vec<Message>, MessageError> {
        let (mut parser, mut found) = (Messages::default(), Vec::new());
        for mut piece in bytes.chunks(chunk) {
            while let Some(message) = parser.next(&mut piece)? {
                found.push(message);
            }
            assert!(piece.is_empty(), "bytes are left over");
        }
        Ok(found)
    }

    #[test]
    fn messages_are_the_same_in_whatever_pieces_they_come() {
        let request = [3, 1, 0, 1, 0, 2, 1, 0, 2, 0];
        let format = [&[0, 9, 9, 9], &PixelFormat::OURS.bytes()[..]].concat();
        let bytes = [
            &[4, 1, 0, 0, 0, 0, 0, 65][..],     // a key
            &[5, 1, 0, 9, 0, 9],                // the pointer
            &[6, 0, 0, 0, 0, 0, 0, 3, 3, 3, 3], // a clipboard that looks like messages
            &[2, 0, 0, 2, 0, 0, 0, 16, 255, 255, 255, 33],
            &request,
            &[6, 0, 0, 0, 0, 0, 0, 0], // nothing in the clipboard
            &[2, 0, 0, 0],             // no encodings
            &format,
        ]
        .concat();
        let expected = [
            Message::Encodings,
            Message::Encoding(16),
            Message::Encoding(-223),
            Message::Request {
                incremental: true,
                area: Area { x: 1, y: 2, width: 256, height: 512 },
            },
            Message::Encodings,
            Message::PixelFormat(PixelFormat::OURS),
        ];
        for chunk in 1..=bytes.len() {
            assert_eq!(messages(&bytes, chunk).unwrap(), expected, "{chunk}");
        }
    }

    #[test]
    fn an_unknown_type_or_format_ends_it() {
        for kind in [1, 7, 150, 248, 255] {
            assert_eq!(messages(&[5, 0, 0, 0, 0, 0, kind], 3), Err(MessageError::Type(kind)));
        }
        assert_eq!(messages(&[0; 20], 20), Err(FormatError::Bits(0).into()));
    }

    #[test]
    fn the_longest_clipboard_is_passed_over_without_being_kept() {
        let mut parser = Messages::default();
        assert_eq!(parser.next(&mut &[6, 0, 0, 0, 255, 255, 255, 255][..]), Ok(None));
        let block = vec![0xaa; 1 << 20];
        for _ in 0..(1 << 12) - 1 {
            assert_eq!(parser.next(&mut &block[..]), Ok(None));
        }
        let rest = [&block[..block.len() - 1], &[2, 0, 0, 0][..]].concat();
        assert_eq!(parser.next(&mut &rest[..]), Ok(Some(Message::Encodings)));
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_they_are_used_up_or_refused(
            bytes in prop::collection::vec(prop_oneof![3 => 0..8u8, 1 => any::<u8>()], 0..300),
            chunk in 1..40usize,
        ) {
            let whole = messages(&bytes, bytes.len().max(1));
            prop_assert_eq!(messages(&bytes, chunk), whole);
        }
    }
}
