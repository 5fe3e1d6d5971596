//! COM1: log lines and the JSON lines of the reports.
//!
//! A report is a line that starts with `{`; no other line does.

use core::fmt::{self, Write};

use alloc::string::String;

use crate::arch::port;

/// Line status register, and its bit for an empty transmitter FIFO (16550).
const LINE_STATUS: u16 = board::COM1 + 5;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
/// Bytes that fit in the empty FIFO.
const FIFO_SIZE: usize = 16;

/// The serial port, as a sink of text.
struct Com1;

impl Write for Com1 {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for chunk in text.as_bytes().chunks(FIFO_SIZE) {
            while port::read_u8(LINE_STATUS) & TRANSMITTER_EMPTY == 0 {
                core::hint::spin_loop();
            }
            port::write_bytes(board::COM1, chunk);
        }
        Ok(())
    }
}

/// Prints `text` and the end of the line.
pub(crate) fn line(text: &str) {
    // Writing to the port cannot fail.
    let _ = Com1.write_str(text);
    let _ = Com1.write_str("\n");
}

/// Prints a message as one line, without using the heap, for panics and exceptions.
pub(crate) fn emergency(message: fmt::Arguments<'_>) {
    let _ = write!(OneLine, "firmware: {message}");
    let _ = Com1.write_str("\n");
}

/// COM1, with spaces for ends of lines.
struct OneLine;

impl Write for OneLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (index, part) in text.split('\n').enumerate() {
            Com1.write_str(if index == 0 { "" } else { " " })?;
            Com1.write_str(part)?;
        }
        Ok(())
    }
}

/// Sends log records of at most `level` to COM1.
pub(crate) fn init_log(level: u64) {
    let filter = match level {
        0 => log::LevelFilter::Off,
        1 => log::LevelFilter::Error,
        2 => log::LevelFilter::Warn,
        3 => log::LevelFilter::Info,
        4 => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    };
    // Only a second logger would be an error.
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(filter);
    }
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut text = String::new();
        // A `String` takes everything.
        let _ = write!(text, "{} {}: {}", record.level(), record.target(), record.args());
        for (index, part) in text.lines().enumerate() {
            // Continued lines are indented, so that none can look like a report.
            let _ = Com1.write_str(if index == 0 { "" } else { "    " });
            line(part);
        }
    }

    fn flush(&self) {}
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    emergency(format_args!("{info}"));
    crate::arch::exit(board::EXIT_PANIC)
}
