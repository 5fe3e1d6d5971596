//! `gen8emu screenshot`: asks a server for the picture on its screen.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cli::ScreenshotArgs;
use crate::serve::picture::{Taken, Wanted};

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets the server write the file, and says what is in it.
pub(crate) fn command(arguments: &ScreenshotArgs) -> Result<()> {
    let file = std::path::absolute(&arguments.file).context("there is no working directory")?;
    let wanted = Wanted { file, pipe: arguments.pipe };
    let socket = arguments.control.display();
    let stream = UnixStream::connect(&arguments.control)
        .with_context(|| format!("cannot connect to {socket}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&stream).lines();
    let mut next = || -> Result<Value> {
        let line = lines.next().context("the server closed the connection")??;
        serde_json::from_str(&line).context("the server's answer is no JSON")
    };
    if next()?.get("gen8emu").is_none() {
        bail!("{socket} is no control socket of gen8emu");
    }
    let request = json!({ "execute": "screenshot", "arguments": wanted });
    (&stream).write_all(format!("{request}\n").as_bytes())?;
    let mut answer = next()?;
    if let Some(error) = answer.pointer("/error/desc").and_then(Value::as_str) {
        bail!("{error}");
    }
    let returned = answer.get_mut("return").context("the server's answer has no result")?.take();
    let taken: Taken = serde_json::from_value(returned)?;
    let file = arguments.file.display();
    println!("{file}: {}x{} from pipe {}", taken.width, taken.height, taken.pipe);
    Ok(())
}
