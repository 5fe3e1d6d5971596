//! Asking the GPU's server over its control socket (docs/control.md).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the guest used BAR0: registers and GGTT entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Accesses {
    pub(super) reads: u64,
    pub(super) writes: u64,
}

impl Accesses {
    /// Those since the server started.
    pub(super) fn ask(socket: &Path) -> Result<Accesses> {
        execute(socket, "accesses")
    }

    /// Those since `earlier`.
    pub(super) fn since(self, earlier: Accesses) -> Accesses {
        Accesses {
            reads: self.reads.saturating_sub(earlier.reads),
            writes: self.writes.saturating_sub(earlier.writes),
        }
    }
}

/// The server's answer to `command`.
pub(super) fn execute<T: DeserializeOwned>(socket: &Path, command: &str) -> Result<T> {
    ask(socket, &json!({ "execute": command }))
}

/// The server's answer to `command` with arguments.
pub(super) fn execute_with<T: DeserializeOwned>(
    socket: &Path,
    command: &str,
    arguments: Value,
) -> Result<T> {
    ask(socket, &json!({ "execute": command, "arguments": arguments }))
}

fn ask<T: DeserializeOwned>(socket: &Path, request: &Value) -> Result<T> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("connecting to {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&stream).lines();
    let mut next = || -> Result<Value> {
        let line = lines.next().context("the server closed the connection")??;
        Ok(serde_json::from_str(&line)?)
    };
    if next()?.get("gen8emu").is_none() {
        bail!("{} is no control socket of gen8emu", socket.display());
    }
    (&stream).write_all(format!("{request}\n").as_bytes())?;
    let mut reply = next()?;
    match reply.get_mut("return").map(Value::take) {
        Some(answer) => Ok(serde_json::from_value(answer)?),
        None => {
            let why = reply.pointer("/error/desc").and_then(Value::as_str).unwrap_or("no reason");
            bail!("the server refused to tell: {why}")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::super::scratch::Scratch;
    use super::*;

    /// A server that greets and then answers with `answer`.
    fn ask(test: &str, greeting: &'static str, answer: &'static str) -> Result<Accesses> {
        let scratch = Scratch::for_test(test);
        let socket = scratch.join("control");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            writeln!(&stream, "{greeting}").unwrap();
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).unwrap();
            writeln!(&stream, "{answer}").ok(); // A client that was not greeted is gone.
            request
        });
        let accesses = Accesses::ask(&socket);
        let request = server.join().unwrap();
        assert!(accesses.is_err() || request == "{\"execute\":\"accesses\"}\n", "{request}");
        accesses
    }

    #[test]
    fn an_answer_is_taken_and_a_refusal_is_an_error() {
        let greeting = r#"{"gen8emu":{"control":1}}"#;
        let answer = r#"{"return":{"reads":3,"writes":4}}"#;
        assert_eq!(ask("answer", greeting, answer).unwrap(), Accesses { reads: 3, writes: 4 });
        assert!(ask("refusal", greeting, r#"{"error":{"class":"x","desc":"y"}}"#).is_err());
        assert!(ask("stranger", r#"{"QMP":{}}"#, answer).is_err());
    }
}
