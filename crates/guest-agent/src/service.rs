//! A socket for the guest's programs: `settle NAME` asks the host whether both views agree by now.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};

/// Where programs of the guest find us.
const SOCKET: &str = "/run/gen8-agent";
/// How long `ask` waits; the host gives up earlier.
const PATIENCE: Duration = Duration::from_secs(60);
/// Programs that may wait at a time.
const MOST_WAITING: usize = 16;
/// Bytes of a request, and of a name.
const LONGEST_REQUEST: usize = 128;
const LONGEST_NAME: usize = 40;

/// The socket, and who waits at it.
pub(crate) struct Service {
    listener: UnixListener,
    clients: Vec<Client>,
}

/// A program of the guest's.
struct Client {
    stream: UnixStream,
    begun: Vec<u8>,
    /// What it waits for, once it has asked.
    name: Option<String>,
}

impl Service {
    /// Listens.
    pub(crate) fn listen() -> Result<Service> {
        listen_at(Path::new(SOCKET))
    }

    /// The names that programs have asked for since.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() < MOST_WAITING && stream.set_nonblocking(true).is_ok() {
                self.clients.push(Client { stream, begun: Vec::new(), name: None });
            }
        }
        let mut asked = Vec::new();
        self.clients.retain_mut(|client| {
            let alive = client.read();
            asked.extend(client.name.iter().filter(|_| alive == Alive::Asked).cloned());
            alive != Alive::Gone
        });
        asked
    }

    /// Gives a line of the host's, `settled NAME …`, to those who wait for it.
    pub(crate) fn answer(&mut self, line: &str) {
        let Some(name) = settled_name(line) else { return };
        self.clients.retain_mut(|client| {
            let waits = client.name.as_deref() == Some(name);
            if waits {
                // One who is gone needs no answer.
                writeln!(client.stream, "{line}").ok();
            }
            !waits
        });
    }
}

/// What became of a client.
#[derive(Clone, Copy, PartialEq)]
enum Alive {
    /// It has asked just now.
    Asked,
    /// It waits, or has not said all yet.
    Waits,
    /// It went, or said what is no request.
    Gone,
}

impl Client {
    fn read(&mut self) -> Alive {
        let mut chunk = [0; LONGEST_REQUEST];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Alive::Gone,
            Ok(count) => self.begun.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(_) => return Alive::Waits, // nothing to read: it would block
        }
        if self.name.is_some() || self.begun.len() > LONGEST_REQUEST {
            return Alive::Gone;
        }
        let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') else {
            return Alive::Waits;
        };
        let line = String::from_utf8_lossy(&self.begun[..end]).into_owned();
        self.name = line.strip_prefix("settle ").filter(|name| is_name(name)).map(str::to_owned);
        if self.name.is_some() { Alive::Asked } else { Alive::Gone }
    }
}

/// Asks as a program of the guest does.
pub(crate) fn ask(name: &str) -> Result<String> {
    if !is_name(name) {
        return Err(Error::BadName(name.to_owned()));
    }
    let mut stream = UnixStream::connect(SOCKET).map_err(Error::file(SOCKET))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(Error::file(SOCKET))?;
    writeln!(stream, "settle {name}").map_err(Error::file(SOCKET))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(Error::file(SOCKET))?;
    Ok(line.trim_end().to_owned())
}

fn listen_at(path: &Path) -> Result<Service> {
    fs::remove_file(path).ok(); // of an agent before us
    let listener = UnixListener::bind(path).map_err(Error::file(path))?;
    listener.set_nonblocking(true).map_err(Error::file(path))?;
    Ok(Service { listener, clients: Vec::new() })
}

/// Letters, digits and a little more: what goes into the trace ends no line there.
fn is_name(word: &str) -> bool {
    let of_a_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    (1..=LONGEST_NAME).contains(&word.len()) && word.chars().all(of_a_name)
}

fn settled_name(line: &str) -> Option<&str> {
    line.strip_prefix("settled ")?.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service and a client that has said `words`.
    fn with_client(test: &str, words: &str) -> (Service, UnixStream) {
        let path = std::env::temp_dir().join(format!("gen8-agent-{test}-{}", std::process::id()));
        let service = listen_at(&path).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(words.as_bytes()).unwrap();
        fs::remove_file(path).unwrap();
        (service, client)
    }

    fn heard(client: UnixStream) -> String {
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line).unwrap();
        line
    }

    #[test]
    fn a_client_gets_the_answer_to_its_own_name() {
        let (mut service, client) = with_client("answer", "settle end-1\n");
        assert_eq!(service.requests(), ["end-1"]);
        assert!(service.requests().is_empty(), "it has asked once");
        service.answer("settled other equal");
        service.answer("settled end-1 2 differences");
        assert_eq!(heard(client), "settled end-1 2 differences\n");
        assert!(service.clients.is_empty());
    }

    #[test]
    fn what_is_no_request_is_turned_away() {
        for words in ["settle a b\n", "hello\n", "settle \n", "settle \u{e4}\n"] {
            let (mut service, client) = with_client("wrong", words);
            assert!(service.requests().is_empty(), "{words}");
            assert_eq!(heard(client), "", "{words}");
        }
        let (mut service, _client) = with_client("long", &"x".repeat(LONGEST_REQUEST + 1));
        for _ in 0..3 {
            assert!(service.requests().is_empty());
        }
        assert!(service.clients.is_empty(), "a request without an end");
    }

    #[test]
    fn a_client_that_went_is_forgotten() {
        let (mut service, client) = with_client("gone", "settle x\n");
        assert_eq!(service.requests(), ["x"]);
        drop(client);
        assert!(service.requests().is_empty() && service.clients.is_empty());
    }
}
