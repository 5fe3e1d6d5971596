//! Outputs as users write them, and the EDID files that they name.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use gpu_model::display::Output;

/// More bytes than any EDID has, by which a file that is none is noticed.
const ENOUGH: u64 = 64 << 10;

/// An output; the error is one line.
pub(crate) fn parse(text: &str) -> Result<Output, String> {
    Output::parse(text, read).map_err(|error| error.to_string())
}

/// The bytes of a file as far as they can be an EDID. What would never end or never begin is no file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(ENOUGH).read_to_end(&mut bytes)?;
    Ok(bytes)
}
