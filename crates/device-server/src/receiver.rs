//! Messages out of the socket, with the file descriptors that came along.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::errno::Errno;
use crate::waiting::Waiting;
use crate::wire::{Fields, HEADER_SIZE, Header, MAX_FDS, MAX_MESSAGE};

/// Bytes of the receive buffer: a longest message, and more that the client posted behind it.
const BUFFER: usize = 2 * MAX_MESSAGE;
/// Bytes of control data that [`MAX_FDS`] file descriptors take.
// SAFETY: CMSG_SPACE only computes.
const CONTROL: usize =
    unsafe { libc::CMSG_SPACE((MAX_FDS * size_of::<RawFd>()) as libc::c_uint) } as usize;

/// A message of the client.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// Its header.
    pub(crate) header: Header,
    /// Its body and its fds, unless it cannot be understood.
    pub(crate) content: Result<(Fields<'a>, Vec<OwnedFd>), Errno>,
}

/// The receiving end of a connection. Many messages may come with one system call.
///
/// File descriptors belong to the message with whose first byte they were sent. The kernel ends a
/// receive after bytes that carry some, so they belong to the last message that begins in what was
/// received then: the first one that reaches the end of it.
pub(crate) struct Receiver<'a> {
    stream: &'a UnixStream,
    waiting: Waiting<'a>,
    buffer: Vec<u8>,
    /// What is received and not yet given out is `start..end` of the buffer.
    start: usize,
    end: usize,
    /// Fds that no message has taken, each with the end of the bytes that it came with.
    fds: Vec<(usize, OwnedFd)>,
    /// End of bytes with which more fds came than can be taken.
    fds_lost: Option<usize>,
}

impl<'a> Receiver<'a> {
    /// Receives from `stream`.
    pub(crate) fn new(stream: &'a UnixStream, waiting: Waiting<'a>) -> Self {
        let buffer = vec![0; BUFFER];
        Receiver { stream, waiting, buffer, start: 0, end: 0, fds: Vec::new(), fds_lost: None }
    }

    /// The next message; `None` when the client has gone.
    pub(crate) fn next(&mut self) -> io::Result<Option<Message<'_>>> {
        let header = loop {
            if let Some(bytes) = self.received().first_chunk() {
                break Header::read(bytes);
            }
            if !self.receive()? {
                return Ok(None);
            }
        };
        let size = header.size as usize;
        if size > MAX_MESSAGE {
            return self.refuse(header, size, Errno::TOO_LONG);
        }
        if size < HEADER_SIZE {
            return self.refuse(header, HEADER_SIZE, Errno::INVALID);
        }
        while self.received().len() < size {
            if !self.receive()? {
                return Ok(None);
            }
        }
        let body = self.start + HEADER_SIZE..self.start + size;
        let fds = self.pass(size);
        let body = Fields(self.buffer.get(body).unwrap_or_default());
        Ok(Some(Message { header, content: fds.map(|fds| (body, fds)) }))
    }

    /// Passes over a message of `size` bytes.
    fn refuse(
        &mut self,
        header: Header,
        size: usize,
        errno: Errno,
    ) -> io::Result<Option<Message<'_>>> {
        let mut left = size;
        loop {
            let here = left.min(self.received().len());
            left -= here;
            // Whatever its fds are, they are closed.
            let _ = self.pass(here);
            if left == 0 {
                return Ok(Some(Message { header, content: Err(errno) }));
            }
            if !self.receive()? {
                return Ok(None);
            }
        }
    }

    /// Goes `size` bytes on; gives the fds that belong there.
    fn pass(&mut self, size: usize) -> Result<Vec<OwnedFd>, Errno> {
        self.start += size;
        let here = self.fds.iter().take_while(|(end, _)| *end <= self.start).count();
        let fds = self.fds.drain(..here).map(|(_, fd)| fd).collect();
        match self.fds_lost.take_if(|end| *end <= self.start) {
            Some(_) => Err(Errno::TOO_MANY_FILES),
            None => Ok(fds),
        }
    }

    fn received(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Waits for more bytes; false when there will be none.
    fn receive(&mut self) -> io::Result<bool> {
        self.move_to_front();
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let received =
            self.waiting.until(self.stream, |flags| receive(self.stream, room, flags))?;
        self.end += received.bytes;
        let too_many = self.fds.len() + received.fds.len() > 2 * MAX_FDS;
        if received.truncated || too_many {
            self.fds_lost = Some(self.end);
        } else {
            self.fds.extend(received.fds.into_iter().map(|fd| (self.end, fd)));
        }
        Ok(received.bytes != 0)
    }

    fn move_to_front(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        let ends = self.fds.iter_mut().map(|(end, _)| end).chain(&mut self.fds_lost);
        // What lies before the start was passed, with its fds.
        ends.for_each(|end| *end -= self.start);
        self.end -= self.start;
        self.start = 0;
    }
}

/// What one system call brought.
struct Received {
    bytes: usize,
    fds: Vec<OwnedFd>,
    /// Fds were thrown away by the kernel.
    truncated: bool,
}

/// Control data is read as `cmsghdr`, so it is aligned as one.
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

fn receive(stream: &UnixStream, room: &mut [u8], flags: libc::c_int) -> io::Result<Received> {
    let mut control = Control([0; CONTROL]);
    let mut vector = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: all fields are integers or pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL as _;
    let flags = flags | libc::MSG_CMSG_CLOEXEC;
    let bytes = loop {
        // SAFETY: `message` describes `room` and `control`, which are writable and outlive the call.
        let result = unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut message, flags) };
        match usize::try_from(result) {
            Ok(bytes) => break bytes,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    };
    let truncated = message.msg_flags & libc::MSG_CTRUNC != 0;
    Ok(Received { bytes, fds: take_fds(&message), truncated })
}

/// The file descriptors in the control data that the kernel filled.
fn take_fds(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: `message` is as the kernel left it; its control buffer is alive.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !next.is_null() {
        // SAFETY: the macros return null or a whole header within the control data.
        let header = unsafe { *next };
        if header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: CMSG_LEN only computes.
            let empty = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = (header.cmsg_len as usize).saturating_sub(empty) / size_of::<RawFd>();
            // SAFETY: the data lies behind the header.
            let data = unsafe { libc::CMSG_DATA(next) }.cast::<RawFd>();
            for i in 0..count {
                // SAFETY: the kernel wrote `count` file descriptors there.
                let place = unsafe { data.add(i) };
                // SAFETY: as above; it need not be aligned.
                let fd = unsafe { place.read_unaligned() };
                // SAFETY: the kernel just opened it for this process, and nobody else knows it.
                fds.push(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
    fds
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{IoSlice, Write};
    use std::os::unix::fs::MetadataExt;

    use crate::interrupts::Interrupts;
    use crate::wire::command;
    use vmm_sys_util::sock_ctrl_msg::ScmSocket;

    fn waiting(interrupts: &Interrupts) -> Waiting<'_> {
        Waiting::new(interrupts, false)
    }

    fn message(id: u16, size: u32, body: usize) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_SIZE + body];
        bytes[..2].copy_from_slice(&id.to_ne_bytes());
        bytes[2..4].copy_from_slice(&command::REGION_WRITE.to_ne_bytes());
        bytes[4..8].copy_from_slice(&size.to_ne_bytes());
        bytes
    }

    fn whole(id: u16, body: usize) -> Vec<u8> {
        message(id, (HEADER_SIZE + body) as u32, body)
    }

    fn send(stream: &UnixStream, bytes: &[u8], files: &[&File]) {
        let fds: Vec<RawFd> = files.iter().map(|file| file.as_raw_fd()).collect();
        let slices = [IoSlice::new(bytes)];
        let slices: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
        assert_eq!(stream.send_with_fds(&slices, &fds).unwrap(), bytes.len());
    }

    /// Id, bytes of the body, and inodes of the fds; or the errno.
    type Seen = (u16, Result<(usize, Vec<u64>), Errno>);

    fn next(receiver: &mut Receiver<'_>) -> Option<Seen> {
        let message = receiver.next().unwrap()?;
        let content = message.content.map(|(body, fds)| {
            let inode = |fd| File::from(fd).metadata().unwrap().ino();
            (body.0.len(), fds.into_iter().map(inode).collect())
        });
        Some((message.header.id, content))
    }

    fn inode(file: &File) -> u64 {
        file.metadata().unwrap().ino()
    }

    #[test]
    fn fds_reach_the_message_that_they_were_sent_with_whatever_comes_before() {
        let (client, server) = UnixStream::pair().unwrap();
        let files = [File::open("/").unwrap(), File::open("/proc").unwrap()];
        send(&client, &whole(1, 8), &[]);
        send(&client, &whole(2, 8), &[&files[0]]);
        send(&client, &whole(3, 8), &[]);
        send(&client, &whole(4, 8), &[&files[1], &files[0]]);
        send(&client, &whole(5, 8), &[]);
        drop(client);
        let interrupts = Interrupts::default();
        let mut receiver = Receiver::new(&server, waiting(&interrupts));
        for (id, files) in [
            (1, vec![]),
            (2, vec![inode(&files[0])]),
            (3, vec![]),
            (4, vec![inode(&files[1]), inode(&files[0])]),
            (5, vec![]),
        ] {
            assert_eq!(next(&mut receiver), Some((id, Ok((8, files)))));
        }
        assert_eq!(next(&mut receiver), None);
    }

    #[test]
    fn messages_cut_anywhere_are_put_together_and_keep_their_fds() {
        let file = File::open("/").unwrap();
        let bytes = [whole(1, 3), whole(2, 5)].concat();
        for cut in 1..bytes.len() {
            let (client, server) = UnixStream::pair().unwrap();
            let sender = std::thread::spawn({
                let (bytes, file) = (bytes.clone(), file.try_clone().unwrap());
                move || {
                    send(&client, &bytes[..cut], &[&file]);
                    std::thread::sleep(std::time::Duration::from_millis(1));
                    (&client).write_all(&bytes[cut..]).unwrap();
                }
            });
            let interrupts = Interrupts::default();
            let mut receiver = Receiver::new(&server, waiting(&interrupts));
            let seen = [next(&mut receiver).unwrap(), next(&mut receiver).unwrap()];
            assert_eq!(next(&mut receiver), None);
            sender.join().unwrap();
            let fds: usize =
                seen.iter().map(|(_, content)| content.as_ref().unwrap().1.len()).sum();
            assert_eq!((seen[0].0, seen[1].0, fds), (1, 2, 1), "cut at {cut}");
        }
    }

    #[test]
    fn messages_of_impossible_size_are_passed_over() {
        let (client, server) = UnixStream::pair().unwrap();
        let sender = std::thread::spawn(move || {
            let file = File::open("/").unwrap();
            send(&client, &message(1, 3, 0), &[&file]);
            (&client).write_all(&whole(2, 4)).unwrap();
            let long = MAX_MESSAGE * 5;
            (&client).write_all(&message(3, (HEADER_SIZE + long) as u32, long)).unwrap();
            (&client).write_all(&whole(4, 4)).unwrap();
            // Promises 4 GiB and goes.
            (&client).write_all(&message(5, u32::MAX, 100)).unwrap();
        });
        let interrupts = Interrupts::default();
        let mut receiver = Receiver::new(&server, waiting(&interrupts));
        assert_eq!(next(&mut receiver), Some((1, Err(Errno::INVALID))));
        assert_eq!(next(&mut receiver), Some((2, Ok((4, vec![])))));
        assert_eq!(next(&mut receiver), Some((3, Err(Errno::TOO_LONG))));
        assert_eq!(next(&mut receiver), Some((4, Ok((4, vec![])))));
        assert_eq!(next(&mut receiver), None);
        sender.join().unwrap();
    }

    #[test]
    fn a_message_with_more_fds_than_allowed_is_refused_and_the_next_is_not() {
        let (client, server) = UnixStream::pair().unwrap();
        let file = File::open("/").unwrap();
        let files = vec![&file; MAX_FDS + 1];
        send(&client, &whole(1, 8), &files[1..]);
        send(&client, &whole(2, 8), &files);
        send(&client, &whole(3, 8), &files[..1]);
        let interrupts = Interrupts::default();
        let mut receiver = Receiver::new(&server, waiting(&interrupts));
        let (_, first) = next(&mut receiver).unwrap();
        assert_eq!(first.unwrap().1.len(), MAX_FDS);
        assert_eq!(next(&mut receiver), Some((2, Err(Errno::TOO_MANY_FILES))));
        assert_eq!(next(&mut receiver), Some((3, Ok((8, vec![inode(&file)])))));
    }
}
