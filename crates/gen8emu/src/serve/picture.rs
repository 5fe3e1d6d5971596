//! The picture on a screen, as a file.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use gen8_spec::registers::outputs::PIPE_COUNT;
use gpu_model::display::Picture;
use gpu_thread::Device;
use serde::{Deserialize, Serialize};

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
pub(super) fn take(wanted: &Wanted, device: &Device) -> Result<Taken> {
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
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.rgb())?;
    Ok(writer.finish()?)
}
