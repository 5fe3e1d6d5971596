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

/// A connection to a server.
pub(crate) struct Client(BufReader<UnixStream>);

impl Client {
    /// Connects to the server at `socket`.
    pub(crate) fn connect(socket: &Path) -> Result<Client> {
        let path = socket.display();
        let stream =
            UnixStream::connect(socket).with_context(|| format!("cannot connect to {path}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut client = Client(BufReader::new(stream));
        if client.line()?.get("gen8emu").is_none() {
            bail!("{path} is no control socket of gen8emu");
        }
        Ok(client)
    }

    /// What the server answers to a command. A refusal is an error in the server's words.
    pub(crate) fn ask<T: DeserializeOwned>(
        &mut self,
        command: &str,
        arguments: &impl Serialize,
    ) -> Result<T> {
        let request = json!({ "execute": command, "arguments": arguments });
        let sent = self.0.get_mut().write_all(format!("{request}\n").as_bytes());
        sent.context("the server is gone")?;
        let mut answer = self.line()?;
        let returned = answer.get_mut("return").context("the server's answer has no result")?;
        Ok(serde_json::from_value(returned.take())?)
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            bail!("the server closed the connection");
        }
        let line: Value = serde_json::from_str(&line).context("the server's answer is no JSON")?;
        match line.pointer("/error/desc").and_then(Value::as_str) {
            Some(error) => bail!("{error}"),
            None => Ok(line),
        }
    }
}

/// What the server at `socket` answers to one command.
pub(crate) fn ask<T: DeserializeOwned>(
    socket: &Path,
    command: &str,
    arguments: &impl Serialize,
) -> Result<T> {
    Client::connect(socket)?.ask(command, arguments)
}
