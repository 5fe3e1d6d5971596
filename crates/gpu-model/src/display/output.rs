//! What is connected to the device: ports, and the monitors that come and go there.

use core::fmt;
use core::str::FromStr;
use std::io;
use std::path::Path;
use std::sync::Arc;

use gen8_spec::registers::outputs::{PCH_PORTB_HOTPLUG, PORT_COUNT, SFUSE_STRAP_DDIB_DETECTED};
use thiserror::Error;

use super::edid::{self, BLOCK};
use super::mode::Mode;

/// A port of the device that can have a monitor over HDMI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// The first: DDI B.
    B,
    /// The second: DDI C.
    C,
    /// The third: DDI D.
    D,
}

impl Port {
    /// All, in the order in which outputs take them.
    pub const ALL: [Port; PORT_COUNT] = [Port::B, Port::C, Port::D];

    /// Place among [`Port::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// As users write it.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Port {
    type Err = OutputError;

    fn from_str(text: &str) -> Result<Port, OutputError> {
        let known = |port: &Port| port.to_string().eq_ignore_ascii_case(text);
        Port::ALL.into_iter().find(known).ok_or_else(|| OutputError::Port(text.to_owned()))
    }
}

/// A monitor over HDMI, which is what its EDID says.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Monitor {
    edid: Arc<[u8]>,
}

/// Most bytes that an EDID can have: its base block counts the other blocks by a byte.
const MOST_BYTES: usize = 256 * BLOCK;

impl Monitor {
    /// A monitor that prefers a picture of this size at 60 frames a second, by VESA's Coordinated Video
    /// Timings with reduced blanking.
    ///
    /// # Errors
    ///
    /// Sizes that no monitor of this device has.
    pub fn of_size(width: u32, height: u32) -> Result<Monitor, OutputError> {
        let mode = Mode::of_size(width, height).ok_or(OutputError::Size(width, height))?;
        Ok(Monitor { edid: Arc::from(&edid::of_mode(&mode)[..]) })
    }

    /// A monitor with this EDID, whatever it says: a driver must bear broken ones.
    ///
    /// # Errors
    ///
    /// What is not made of blocks of 128 bytes, one to 256 of them.
    pub fn of_edid(edid: &[u8]) -> Result<Monitor, OutputError> {
        match edid.len() {
            len if len == 0 || len > MOST_BYTES || !len.is_multiple_of(BLOCK) => {
                Err(OutputError::Edid(len))
            }
            _ => Ok(Monitor { edid: Arc::from(edid) }),
        }
    }

    /// What its EDID memory holds.
    pub fn edid(&self) -> &[u8] {
        &self.edid
    }
}

/// EDIDs are long.
impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Monitor({} bytes of EDID)", self.edid.len())
    }
}

/// A port, and the monitor that is connected there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Output {
    /// `None` for a port that waits for its monitor.
    pub monitor: Option<Monitor>,
}

impl Output {
    /// An output as users write it: `hdmi=1024x768`, `hdmi=edid:FILE` or `hdmi=none`. Files are read by
    /// `read`.
    ///
    /// # Errors
    ///
    /// What is written otherwise, sizes that no monitor has, files that hold no EDID.
    pub fn parse(
        text: &str,
        read: impl FnOnce(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Output, OutputError> {
        let form = || OutputError::Form(text.to_owned());
        let monitor = text.strip_prefix("hdmi=").ok_or_else(form)?;
        if monitor == "none" {
            return Ok(Output { monitor: None });
        }
        if let Some(file) = monitor.strip_prefix("edid:") {
            let wrong = |why: String| OutputError::File(file.to_owned(), why);
            let edid = read(Path::new(file)).map_err(|error| wrong(error.to_string()))?;
            let monitor = Monitor::of_edid(&edid).map_err(|error| wrong(error.to_string()))?;
            return Ok(Output { monitor: Some(monitor) });
        }
        let (width, height) = monitor.split_once('x').ok_or_else(form)?;
        let number = |digits: &str| match digits.bytes().all(|digit| digit.is_ascii_digit()) {
            true => digits.parse::<u32>().map_err(|_| form()),
            false => Err(form()), // A sign, which a number could have.
        };
        let monitor = Monitor::of_size(number(width)?, number(height)?)?;
        Ok(Output { monitor: Some(monitor) })
    }
}

/// Outputs that need no file.
impl FromStr for Output {
    type Err = OutputError;

    fn from_str(text: &str) -> Result<Output, OutputError> {
        Output::parse(text, |_| Err(io::Error::other("no files are read here")))
    }
}

/// Why there is no such output.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutputError {
    /// Not written as an output is.
    #[error(
        "no output is written '{0}': expected hdmi=WIDTHxHEIGHT, as in hdmi=1024x768, hdmi=edid:FILE or hdmi=none"
    )]
    Form(String),
    /// No monitor has such a picture.
    #[error(
        "no monitor has {0}x{1} pixels: expected a width of 640 to 2048 that is a multiple of 8, and a height of 480 to 1536"
    )]
    Size(u32, u32),
    /// So many bytes are no EDID.
    #[error("{0} bytes are no EDID: expected 1 to 256 blocks of 128 bytes")]
    Edid(usize),
    /// A file, and why it gives no EDID.
    #[error("no EDID in {0}: {1}")]
    File(String, String),
    /// Not written as a port is.
    #[error("no port is called '{0}': expected B, C or D")]
    Port(String),
}

/// Why a monitor cannot be connected or taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PlugError {
    /// The device was made without it.
    #[error("there is no port {0}: a device has as many as it was started with (serve --output)")]
    NoPort(Port),
    /// There is a monitor already.
    #[error("port {0} has a monitor already: unplug it first")]
    Taken(Port),
    /// There is none.
    #[error("port {0} has no monitor")]
    Empty(Port),
}

/// SFUSE_STRAP's bits of the ports that there are.
pub(crate) fn straps(outputs: &[Output]) -> u32 {
    let ports = 0..outputs.len().min(PORT_COUNT);
    ports.fold(0, |straps, port| straps | SFUSE_STRAP_DDIB_DETECTED >> port)
}

/// The bit of a port in the PCH's bank of interrupts.
pub(super) const fn hot_plug_bit(port: Port) -> u32 {
    PCH_PORTB_HOTPLUG << port.index()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(_: &Path) -> io::Result<Vec<u8>> {
        Ok(vec![7; 128])
    }

    #[test]
    fn an_output_has_a_monitor_of_a_size_or_of_a_file_or_none() {
        let monitor = |text: &str| Output::parse(text, read).unwrap().monitor;
        assert_eq!(monitor("hdmi=1024x768"), Some(Monitor::of_size(1024, 768).unwrap()));
        assert_eq!(monitor("hdmi=edid:some/file").unwrap().edid(), [7; 128]);
        assert_eq!(monitor("hdmi=none"), None);
    }

    #[test]
    fn what_is_no_output_is_refused() {
        for text in [
            "",
            "vga=1024x768",
            "hdmi=1024",
            "hdmi=1024x",
            "hdmi=-8x9",
            "hdmi=9e9x1",
            "hdmi=+1024x768",
        ] {
            assert!(matches!(text.parse::<Output>(), Err(OutputError::Form(_))), "{text}");
        }
        for text in ["hdmi=1023x768", "hdmi=0x0", "hdmi=4096x768", "hdmi=1024x4000000000"] {
            assert!(matches!(text.parse::<Output>(), Err(OutputError::Size(..))), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_no_edid_is_named() {
        for (file, why) in [
            (Err(io::Error::other("gone")), "gone"),
            (Ok(Vec::new()), "0 bytes"),
            (Ok(vec![0; 129]), "129 bytes"),
            (Ok(vec![0; 257 * 128]), "32896 bytes"),
        ] {
            let error = Output::parse("hdmi=edid:the file", |_| file).unwrap_err().to_string();
            assert!(error.contains("the file") && error.contains(why), "{error}");
        }
        assert_eq!(Monitor::of_edid(&[0; 256 * 128]).unwrap().edid().len(), 32768);
    }

    #[test]
    fn ports_are_letters() {
        for port in Port::ALL {
            assert_eq!(port.to_string().parse(), Ok(port));
        }
        assert_eq!("b".parse(), Ok(Port::B));
        assert!("A".parse::<Port>().is_err() && "".parse::<Port>().is_err());
    }

    #[test]
    fn each_output_has_a_port_of_its_own() {
        let output: Output = "hdmi=none".parse().unwrap();
        let straps = [0, 2, 9].map(|count| straps(&vec![output.clone(); count]));
        assert_eq!(straps, [0, 6, 7]);
    }
}
