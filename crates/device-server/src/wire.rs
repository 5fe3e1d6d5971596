//! Messages as bytes: headers, and fields in the order in which they come.
//!
//! All numbers are in the host's byte order, since both ends share a host.

use crate::errno::Errno;

/// Bytes of a header.
pub(crate) const HEADER_SIZE: usize = 16;
/// Longest data of one region access that is taken.
pub(crate) const MAX_DATA: usize = 64 << 10;
/// Longest message that is taken: an access with [`MAX_DATA`] bytes fits.
pub(crate) const MAX_MESSAGE: usize = MAX_DATA + 4096;
/// Most file descriptors that one message brings.
pub(crate) const MAX_FDS: usize = 16;

/// Commands.
pub(crate) mod command {
    /// Negotiates version and capabilities.
    pub(crate) const VERSION: u16 = 1;
    /// Shares a range of the guest's memory.
    pub(crate) const DMA_MAP: u16 = 2;
    /// Takes it back.
    pub(crate) const DMA_UNMAP: u16 = 3;
    /// How many regions and interrupts there are.
    pub(crate) const DEVICE_GET_INFO: u16 = 4;
    /// Describes a region.
    pub(crate) const DEVICE_GET_REGION_INFO: u16 = 5;
    /// Describes an interrupt.
    pub(crate) const DEVICE_GET_IRQ_INFO: u16 = 7;
    /// Connects, masks or fires interrupts.
    pub(crate) const DEVICE_SET_IRQS: u16 = 8;
    /// Reads from a region.
    pub(crate) const REGION_READ: u16 = 9;
    /// Writes to a region.
    pub(crate) const REGION_WRITE: u16 = 10;
    /// Resets the function.
    pub(crate) const DEVICE_RESET: u16 = 13;
    /// Writes to regions, many times.
    pub(crate) const REGION_WRITE_MULTI: u16 = 15;
}

/// Header flags: the message's kind.
const KIND_MASK: u32 = 0xf;
/// Header flags: this is a reply.
const REPLY: u32 = 1;
/// Header flags: the sender wants no reply.
const NO_REPLY: u32 = 1 << 4;
/// Header flags: the reply tells an error.
const ERROR: u32 = 1 << 5;

/// What every message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Chosen by the sender; the reply repeats it.
    pub(crate) id: u16,
    /// See [`command`].
    pub(crate) command: u16,
    /// Bytes of the message, header included.
    pub(crate) size: u32,
    flags: u32,
}

impl Header {
    /// Reads a header.
    pub(crate) fn read(bytes: &[u8; HEADER_SIZE]) -> Self {
        let [i0, i1, c0, c1, s0, s1, s2, s3, f0, f1, f2, f3, ..] = *bytes;
        Header {
            id: u16::from_ne_bytes([i0, i1]),
            command: u16::from_ne_bytes([c0, c1]),
            size: u32::from_ne_bytes([s0, s1, s2, s3]),
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
        }
    }

    /// Whether it is a request, and not the reply to one.
    pub(crate) fn is_request(&self) -> bool {
        self.flags & KIND_MASK == 0
    }

    /// Whether it is a reply.
    pub(crate) fn is_reply(&self) -> bool {
        self.flags & KIND_MASK == REPLY
    }

    /// Whether the sender waits for a reply.
    pub(crate) fn wants_reply(&self) -> bool {
        self.flags & NO_REPLY == 0
    }
}

/// A reply in the making. Its buffer is used again and again.
#[derive(Debug)]
pub(crate) struct Reply(Vec<u8>);

impl Reply {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Reply(vec![0; HEADER_SIZE])
    }

    /// Forgets the body.
    pub(crate) fn clear(&mut self) {
        self.0.truncate(HEADER_SIZE);
    }

    /// Adds a field.
    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_ne_bytes())
    }

    /// Adds a field.
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_ne_bytes())
    }

    /// Adds a field.
    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_ne_bytes())
    }

    /// Adds bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds `count` zero bytes, for the caller to fill. `count` is at most [`MAX_DATA`].
    pub(crate) fn room(&mut self, count: usize) -> &mut [u8] {
        let start = self.0.len();
        self.0.resize(start + count.min(MAX_DATA), 0);
        self.0.get_mut(start..).unwrap_or_default()
    }

    /// The message that answers `request`; an error has no body.
    pub(crate) fn finish(&mut self, request: &Header, result: Result<(), Errno>) -> &[u8] {
        let (flags, error) = match result {
            Ok(()) => (REPLY, 0),
            Err(errno) => {
                self.clear();
                (REPLY | ERROR, errno.code())
            }
        };
        let size = self.0.len() as u32;
        let mut header = [0; HEADER_SIZE];
        let fields = [
            &request.id.to_ne_bytes()[..],
            &request.command.to_ne_bytes(),
            &size.to_ne_bytes(),
            &flags.to_ne_bytes(),
            &error.to_ne_bytes(),
        ];
        for (place, &byte) in header.iter_mut().zip(fields.into_iter().flatten()) {
            *place = byte;
        }
        for (place, byte) in self.0.iter_mut().zip(header) {
            *place = byte;
        }
        &self.0
    }
}

/// The body of a request, read field by field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Errno> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(Errno::INVALID)?;
        self.0 = rest;
        Ok(*first)
    }

    /// The next field.
    pub(crate) fn u16(&mut self) -> Result<u16, Errno> {
        self.take().map(u16::from_ne_bytes)
    }

    /// The next field.
    pub(crate) fn u32(&mut self) -> Result<u32, Errno> {
        self.take().map(u32::from_ne_bytes)
    }

    /// The next field.
    pub(crate) fn u64(&mut self) -> Result<u64, Errno> {
        self.take().map(u64::from_ne_bytes)
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Header {
        let mut bytes = [0; HEADER_SIZE];
        bytes[..2].copy_from_slice(&7u16.to_ne_bytes());
        bytes[2..4].copy_from_slice(&command::REGION_READ.to_ne_bytes());
        bytes[4..8].copy_from_slice(&32u32.to_ne_bytes());
        Header::read(&bytes)
    }

    #[test]
    fn replies_repeat_id_and_command_and_tell_their_size() {
        let mut reply = Reply::new();
        let message = reply.u64(1).u32(2).finish(&request(), Ok(())).to_vec();
        let header = Header::read(message.first_chunk().unwrap());
        assert_eq!((header.id, header.command, header.size), (7, command::REGION_READ, 28));
        assert!(header.is_reply() && !header.is_request());
        assert_eq!(message[12..16], [0; 4]);
    }

    #[test]
    fn error_replies_have_an_errno_and_no_body() {
        let mut reply = Reply::new();
        let message = reply.u64(1).finish(&request(), Err(Errno::EXISTS)).to_vec();
        assert_eq!(message.len(), HEADER_SIZE);
        assert_eq!(message[12..16], (libc::EEXIST as u32).to_ne_bytes());
        assert_eq!(message[8..12], (REPLY | ERROR).to_ne_bytes());
        let unknown = Errno::from(std::io::Error::other("no number"));
        assert_eq!(unknown.code(), libc::EIO as u32);
        assert_eq!(Errno::from(std::io::Error::from_raw_os_error(0)).code(), libc::EIO as u32);
    }

    #[test]
    fn a_body_that_ends_within_a_field_is_invalid() {
        let mut fields = Fields(&[1, 0, 0, 0, 2]);
        assert_eq!(fields.u32(), Ok(1u32.to_le()));
        assert_eq!(fields.u16(), Err(Errno::INVALID));
        assert_eq!(fields.rest(), [2]);
    }
}
