//! COM1: a 16550 whose output is collected line by line.

use std::io;

use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};

/// A line longer than this is cut: a broken guest must not fill the host's memory.
const LINE_MAX: usize = 4 << 20;

/// The serial port; `on_line` gets each whole line without its end.
pub(super) struct Com1<F: FnMut(String)> {
    port: Serial<NoInterrupt, NoEvents, Lines<F>>,
}

impl<F: FnMut(String)> Com1<F> {
    /// A port with nothing received or sent.
    pub(super) fn new(on_line: F) -> Self {
        let lines = Lines { line: Vec::new(), on_line };
        Com1 { port: Serial::new(NoInterrupt, lines) }
    }

    /// Offset of `port` in the 16550's registers, if it is one of them.
    pub(super) fn offset(port: u16) -> Option<u8> {
        let offset = port.checked_sub(board::COM1)?;
        u8::try_from(offset).ok().filter(|_| offset < board::COM1_SIZE)
    }

    /// The CPU reads bytes from one register.
    pub(super) fn read(&mut self, offset: u8, data: &mut [u8]) {
        for byte in data {
            *byte = self.port.read(offset);
        }
    }

    /// The CPU writes bytes to one register (`rep outsb` comes as one exit).
    pub(super) fn write(&mut self, offset: u8, data: &[u8]) {
        for &byte in data {
            // Only the interrupt trigger and the sink could fail, and neither does.
            let _ = self.port.write(offset, byte);
        }
    }
}

/// The board's COM1 interrupt is not connected: the guest only sends, and polls.
struct NoInterrupt;

impl Trigger for NoInterrupt {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Cuts bytes into lines.
struct Lines<F: FnMut(String)> {
    line: Vec<u8>,
    on_line: F,
}

impl<F: FnMut(String)> Lines<F> {
    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).trim_end_matches('\r').to_owned();
        self.line.clear();
        (self.on_line)(line);
    }
}

impl<F: FnMut(String)> io::Write for Lines<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() < LINE_MAX => self.line.push(byte),
                _ => {}
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<F: FnMut(String)> Drop for Lines<F> {
    /// A last line without its end still says something, for example where the guest died.
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn lines_of(writes: &[&[u8]]) -> Vec<String> {
        let lines = RefCell::new(Vec::new());
        let mut port = Com1::new(|line| lines.borrow_mut().push(line));
        for bytes in writes {
            port.write(0, bytes);
        }
        drop(port);
        lines.into_inner()
    }

    #[test]
    fn bytes_become_lines_however_they_are_cut() {
        assert_eq!(lines_of(&[b"on", b"e\ntw", b"o\r\n"]), ["one", "two"]);
    }

    #[test]
    fn the_rest_without_an_end_is_told_when_the_machine_ends() {
        assert_eq!(lines_of(&[b"one\nhalf"]), ["one", "half"]);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let chunk = vec![b'x'; LINE_MAX];
        let lines = lines_of(&[&chunk, b"more\n"]);
        assert_eq!(lines[0].len(), LINE_MAX);
    }

    #[test]
    fn the_transmitter_is_always_ready() {
        const LINE_STATUS: u8 = 5;
        const THR_EMPTY: u8 = 1 << 5;
        let mut status = [0];
        Com1::new(|_| ()).read(LINE_STATUS, &mut status);
        assert_eq!(status[0] & THR_EMPTY, THR_EMPTY);
    }

    #[test]
    fn only_the_ports_of_com1_are_its_registers() {
        type Port = Com1<fn(String)>;
        assert_eq!(Port::offset(board::COM1 - 1), None);
        assert_eq!(Port::offset(board::COM1), Some(0));
        assert_eq!(Port::offset(board::COM1 + 7), Some(7));
        assert_eq!(Port::offset(board::COM1 + 8), None);
    }
}
