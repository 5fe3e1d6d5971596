//! A viewer's socket, with an end to every wait.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The shortest time that a socket can wait.
const SHORTEST: Duration = Duration::from_millis(1);

/// A viewer's socket.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// How long the viewer may take for one exchange.
    patience: Duration,
}

impl Connection {
    /// A connection whose viewer may take so long to send what it must, and to take what it asked for.
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        Ok(Connection { stream, patience })
    }

    /// Reads what there is, `None` when nothing comes for `longest`. Without a limit it may wait for
    /// ever. The end of the connection is an error.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        longest: Option<Duration>,
    ) -> io::Result<Option<usize>> {
        self.stream.set_read_timeout(longest.map(|time| time.max(SHORTEST)))?;
        match self.stream.read(buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => Ok(Some(length)),
            Err(error) if is_timeout(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads so many bytes.
    pub(crate) fn read_all<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (mut bytes, mut have) = ([0; N], 0);
        let end = Instant::now() + self.patience;
        while have < N {
            let left = end.saturating_duration_since(Instant::now());
            let read =
                if left.is_zero() { None } else { self.read(&mut bytes[have..], Some(left))? };
            have += read.ok_or(ErrorKind::TimedOut)?;
        }
        Ok(bytes)
    }

    /// Sends all of it before `end`.
    pub(crate) fn send(&mut self, mut bytes: &[u8], end: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_write_timeout(Some(left.max(SHORTEST)))?;
            match self.stream.write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Until when the viewer must have taken what is sent from now on.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }
}

/// Linux says the one, POSIX the other; a signal is no news either.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
