//! The control socket: what the device has seen, for programs on the host.
//!
//! JSON lines in the manner of QMP: a greeting, then one reply a request.
//!
//! ```text
//! server: {"gen8emu":{"control":1}}
//! client: {"execute":"address-spaces"}
//! server: {"return":{"roots":3,"forgotten":0,"spaces":[…]}}
//! client: {"execute":"accesses"}
//! server: {"return":{"reads":385,"writes":508}}
//! client: {"execute":"screenshot","arguments":{"file":"/tmp/screen.png"}}
//! server: {"return":{"pipe":0,"width":1024,"height":768}}
//! server: {"error":{"class":"CommandNotFound","desc":"…"}}
//! ```
//!
//! Clients have threads of their own and never hold the device's lock for longer than it takes to
//! copy a handle: a client that is slow, hostile or gone delays nobody else.

mod commands;
mod entries;
pub(crate) mod inspect;
mod socket;
mod surface;

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use gpu_thread::Device;
use observe::AddressSpaces;
use serde::Serialize;

use self::commands::{answer, refuse};
use self::socket::{ControlSocket, bind};
use self::surface::Remembered;

/// Version of the protocol, in the greeting.
const VERSION: u32 = 1;
/// Bytes of a request, line end included.
const LONGEST_REQUEST: u64 = 64 << 10;
/// Clients at a time.
const MOST_CLIENTS: usize = 8;
/// How long a client may take nothing of a reply before its place is given to another.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before the next client is accepted when one could not be.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What the commands answer from.
#[derive(Clone)]
pub(super) struct Facts {
    device: Arc<Device>,
    spaces: AddressSpaces,
    /// Surfaces that clients named.
    remembered: Arc<Remembered>,
}

impl Facts {
    /// What is known of `device`, and of the address spaces that it loaded.
    pub(super) fn new(device: Arc<Device>, spaces: AddressSpaces) -> Facts {
        Facts { device, spaces, remembered: Arc::default() }
    }
}

/// The first line.
#[derive(Serialize)]
struct Greeting {
    gen8emu: Protocol,
}

#[derive(Serialize)]
struct Protocol {
    control: u32,
}

/// Listens at `path`, which only our user can connect to, and answers clients in the background
/// until the process ends.
pub(super) fn listen(path: &Path, facts: Facts) -> Result<ControlSocket> {
    let listener = bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    let socket = ControlSocket(path.to_owned());
    thread::Builder::new()
        .name("control".into())
        .spawn(move || accept(&listener, &facts))
        .context("cannot start a thread")?;
    Ok(socket)
}

fn accept(listener: &UnixListener, facts: &Facts) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                log::warn!("cannot accept a control client: {error}");
                // Most likely there are too many open files, and there still are.
                thread::sleep(AFTER_FAILURE);
                continue;
            }
        };
        if clients.fetch_add(1, Ordering::Relaxed) >= MOST_CLIENTS {
            clients.fetch_sub(1, Ordering::Relaxed);
            log::warn!("a control client is turned away: there are {MOST_CLIENTS}");
            continue;
        }
        let (facts, mine) = (facts.clone(), Arc::clone(&clients));
        let spawned = thread::Builder::new().name("control client".into()).spawn(move || {
            if let Err(error) = serve(&stream, &facts, PATIENCE) {
                log::info!("control client gone: {error}");
            }
            mine.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = spawned {
            clients.fetch_sub(1, Ordering::Relaxed);
            log::warn!("cannot serve a control client: {error}");
        }
    }
}

/// Answers one client until it goes, or takes nothing for the time of `patience`.
fn serve(stream: &UnixStream, facts: &Facts, patience: Duration) -> io::Result<()> {
    let mut output = stream;
    stream.set_write_timeout(Some(patience))?;
    send(&mut output, &Greeting { gen8emu: Protocol { control: VERSION } })?;
    let mut input = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        input.by_ref().take(LONGEST_REQUEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.len() as u64 == LONGEST_REQUEST && line.last() != Some(&b'\n') {
            // Where the next request begins is not known.
            let reply = refuse(format!("longer than {LONGEST_REQUEST} bytes"));
            return send(&mut output, &reply);
        }
        send(&mut output, &answer(&line, facts))?;
    }
}

/// Writes a line by and by: as a whole it could be many times what it is made of.
fn send(output: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = BufWriter::new(output);
    serde_json::to_writer(&mut line, message)?;
    line.write_all(b"\n")?;
    line.flush()
}

#[cfg(test)]
mod tests;
