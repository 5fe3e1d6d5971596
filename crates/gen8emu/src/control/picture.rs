//! The picture on a screen, as a file.

use std::fs::File;
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use gen8_spec::registers::outputs::PIPE_COUNT;
use gpu_model::display::Picture;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::Held;

/// What is asked for.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Where the PNG goes; a path from the root.
    pub(crate) file: PathBuf,
    /// The pipe; else the first that is on.
    pub(crate) pipe: Option<usize>,
}

/// What came out.
#[derive(Deserialize, Serialize)]
pub(crate) struct Taken {
    pub(crate) pipe: usize,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Writes what a pipe sends. The device is locked only while its registers are read.
pub(super) fn take(wanted: &Wanted, device: &Held) -> Result<Taken> {
    let path = wanted.file.display();
    ensure!(wanted.file.is_absolute(), "{path} is no path from the root");
    let pipes = match wanted.pipe {
        Some(pipe) => pipe..pipe.saturating_add(1),
        None => 0..PIPE_COUNT,
    };
    let screen = device.look(|gpu| pipes.clone().find_map(|pipe| Some((pipe, gpu.screen(pipe)?))));
    let (pipe, screen) = screen.with_context(|| match wanted.pipe {
        Some(pipe) => format!("pipe {pipe} sends nothing"),
        None => "no pipe sends anything".to_owned(),
    })?;
    let picture = screen.picture();
    write(&picture, &wanted.file).with_context(|| format!("cannot write {path}"))?;
    Ok(Taken { pipe, width: picture.width, height: picture.height })
}

fn write(picture: &Picture, path: &Path) -> Result<()> {
    let file = BufWriter::new(create(path)?);
    let mut encoder = png::Encoder::new(file, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.rgb())?;
    Ok(writer.finish()?)
}

/// An empty file. A FIFO or a device could keep the server, and all its clients, waiting.
fn create(path: &Path) -> Result<File> {
    let never_wait = i32::try_from(OFlags::NONBLOCK.bits())?;
    let mut options = File::options();
    let file =
        options.write(true).create(true).truncate(false).custom_flags(never_wait).open(path)?;
    ensure!(file.metadata()?.is_file(), "it is no file");
    file.set_len(0)?;
    Ok(file)
}
