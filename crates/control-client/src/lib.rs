//! A client of the control socket of `gen8emu serve` (docs/control.md).
//!
//! JSON lines: a greeting from the server, then one reply to each request. For programs on the host that ask
//! or steer a running device: `gen8emu inspect`, `top`, `plug` and the like, and `cargo xtask linux`.
#![forbid(unsafe_code)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Value, json};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a reply that are read: more than any answer has. As values they take many times as much.
const LONGEST_REPLY: u64 = 128 << 20;
/// Bytes of a greeting that are read: who sends more is no server of ours.
const LONGEST_GREETING: u64 = 4 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there, or not for us.
    #[error("cannot connect to {path}: {error}", path = path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Who listens there does not greet as a server of gen8emu does.
    #[error("{path} is no control socket of gen8emu", path = .0.display())]
    Stranger(PathBuf),
    /// The connection broke.
    #[error("asking the server: {0}")]
    Lost(io::Error),
    /// The server took too long.
    #[error("the server has said nothing for {} seconds", PATIENCE.as_secs())]
    Silent,
    /// It said more than any server of ours would.
    #[error("the server's answer has no end in {0} bytes")]
    TooLong(u64),
    /// The server ended, or has no place for us.
    #[error("the server closed the connection")]
    Closed,
    /// What came is no reply.
    #[error("the server's answer is not understood: {0}")]
    Nonsense(#[from] serde_json::Error),
    /// The server's words.
    #[error("{0}")]
    Refused(String),
}

/// A connection to a server.
#[derive(Debug)]
pub struct Client(BufReader<UnixStream>);

impl Client {
    /// Connects to the server at `socket`.
    pub fn connect(socket: &Path) -> Result<Client, ClientError> {
        let path = || socket.to_owned();
        let stream = UnixStream::connect(socket)
            .map_err(|error| ClientError::Connect { path: path(), error })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut client = Client(BufReader::new(stream));
        match client.line(LONGEST_GREETING) {
            Ok(greeting) if greeting.get("gen8emu").is_some() => Ok(client),
            Ok(_) | Err(ClientError::Nonsense(_) | ClientError::TooLong(_)) => {
                Err(ClientError::Stranger(path()))
            }
            Err(error) => Err(error),
        }
    }

    /// What the server answers to a command. `arguments` of `()` are none.
    pub fn ask<T: DeserializeOwned>(
        &mut self,
        command: &str,
        arguments: &impl Serialize,
    ) -> Result<T, ClientError> {
        let request = json!({ "execute": command, "arguments": arguments });
        self.0.get_mut().write_all(format!("{request}\n").as_bytes())?;
        let mut reply = self.line(LONGEST_REPLY)?;
        match reply.get_mut("return") {
            Some(answer) => Ok(serde_json::from_value(answer.take())?),
            None => Err(serde_json::Error::missing_field("return").into()),
        }
    }

    /// The next line, unless it says that there is an error, or has more than `most` bytes.
    fn line(&mut self, most: u64) -> Result<Value, ClientError> {
        let mut line = Vec::new();
        let read = self.0.by_ref().take(most).read_until(b'\n', &mut line)?;
        match line.ends_with(b"\n") {
            true => {}
            false if read as u64 == most => return Err(ClientError::TooLong(most)),
            false => return Err(ClientError::Closed),
        }
        let line: Value = serde_json::from_slice(&line)?;
        match line.pointer("/error/desc").and_then(Value::as_str) {
            Some(error) => Err(ClientError::Refused(error.to_owned())),
            None => Ok(line),
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Silent,
            _ => ClientError::Lost(error),
        }
    }
}

/// What the server at `socket` answers to one command. `arguments` of `()` are none.
pub fn ask<T: DeserializeOwned>(
    socket: &Path,
    command: &str,
    arguments: &impl Serialize,
) -> Result<T, ClientError> {
    Client::connect(socket)?.ask(command, arguments)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// Asks a server that greets and then answers so; what it was asked comes back besides.
    fn asked(
        test: &str,
        greeting: &'static str,
        answer: &'static str,
    ) -> (Result<Value, ClientError>, String) {
        let socket =
            std::env::temp_dir().join(format!("gen8emu-client-{test}-{}", std::process::id()));
        fs::remove_file(&socket).ok();
        let listener = UnixListener::bind(&socket).unwrap();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            (&stream).write_all(greeting.as_bytes()).unwrap();
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).unwrap();
            // A client that does not like the greeting is gone.
            (&stream).write_all(answer.as_bytes()).ok();
            request
        });
        let answer = ask(&socket, "accesses", &());
        fs::remove_file(&socket).ok();
        (answer, server.join().unwrap())
    }

    const GREETING: &str = "{\"gen8emu\":{\"control\":1}}\n";

    #[test]
    fn an_answer_is_taken_and_a_refusal_is_told_in_the_servers_words() {
        let (answer, request) = asked("answer", GREETING, "{\"return\":{\"reads\":3}}\n");
        assert_eq!(answer.unwrap(), json!({ "reads": 3 }));
        assert_eq!(request, "{\"arguments\":null,\"execute\":\"accesses\"}\n");
        let refusal = "{\"error\":{\"class\":\"x\",\"desc\":\"not now\"}}\n";
        assert_eq!(asked("refusal", GREETING, refusal).0.unwrap_err().to_string(), "not now");
    }

    #[test]
    fn who_is_no_server_of_ours_is_asked_nothing() {
        for (test, greeting) in [("qmp", "{\"QMP\":{}}\n"), ("text", "220 mail ready\n")] {
            let (answer, request) = asked(test, greeting, "");
            let error = answer.unwrap_err();
            assert!(matches!(error, ClientError::Stranger(_)), "{error}");
            assert!(error.to_string().ends_with("is no control socket of gen8emu"), "{error}");
            assert_eq!(request, "");
        }
    }

    #[test]
    fn a_line_without_end_is_no_answer_and_a_silent_server_is_told() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&theirs).write_all(&[b' '; 100]).unwrap();
        ours.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let mut client = Client(BufReader::new(ours));
        let error = client.line(100).unwrap_err();
        assert!(matches!(error, ClientError::TooLong(100)), "{error}");
        let error = client.line(100).unwrap_err();
        assert_eq!(error.to_string(), "the server has said nothing for 30 seconds");
    }

    #[test]
    fn a_server_that_ends_or_talks_nonsense_is_an_error() {
        for (test, reply) in [("ends", ""), ("cut", "{\"return\":{}}")] {
            let error = asked(test, GREETING, reply).0.unwrap_err();
            assert!(matches!(error, ClientError::Closed), "{error}");
        }
        for (test, reply) in [("nonsense", "nonsense\n"), ("empty", "{}\n")] {
            let error = asked(test, GREETING, reply).0.unwrap_err();
            assert!(matches!(error, ClientError::Nonsense(_)), "{error}");
        }
        let error = ask::<Value>(Path::new("/nowhere/at/all"), "accesses", &()).unwrap_err();
        assert!(error.to_string().starts_with("cannot connect to /nowhere/at/all: "), "{error}");
    }
}
