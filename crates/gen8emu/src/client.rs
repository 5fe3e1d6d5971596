//! A client of a server's control socket (docs/control.md).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server at `socket` answers to a command. A refusal is an error in the server's words.
pub(crate) fn ask<T: DeserializeOwned>(
    socket: &Path,
    command: &str,
    arguments: &impl Serialize,
) -> Result<T> {
    let path = socket.display();
    let stream =
        UnixStream::connect(socket).with_context(|| format!("cannot connect to {path}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&stream).lines();
    let mut next = || -> Result<Value> {
        let line = lines.next().context("the server closed the connection")??;
        serde_json::from_str(&line).context("the server's answer is no JSON")
    };
    if next()?.get("gen8emu").is_none() {
        bail!("{path} is no control socket of gen8emu");
    }
    let request = json!({ "execute": command, "arguments": arguments });
    (&stream).write_all(format!("{request}\n").as_bytes())?;
    let mut answer = next()?;
    if let Some(error) = answer.pointer("/error/desc").and_then(Value::as_str) {
        bail!("{error}");
    }
    let returned = answer.get_mut("return").context("the server's answer has no result")?.take();
    Ok(serde_json::from_value(returned)?)
}
