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
//! copy what they ask for: a client that is slow, hostile or gone delays nobody else ([`seats`], [`turns`]).

mod commands;
pub(crate) mod entries;
pub(crate) mod inspect;
mod memory;
pub(crate) mod monitors;
pub(crate) mod picture;
mod pieces;
mod seats;
pub(crate) mod socket;
mod subject;
mod surface;
mod turns;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use self::commands::{Reply, answer, refuse};
use self::pieces::Pieces;
use self::seats::{MOST_CLIENTS, Place, Seats};
use self::socket::{ControlSocket, bind};
pub(crate) use self::subject::{Held, Subject, Watch};
use self::turns::Turns;

/// Version of the protocol, in the greeting.
const VERSION: u32 = 1;
/// Bytes of a request, line end included.
const LONGEST_REQUEST: u64 = 64 << 10;
/// How long a client may take nothing of a reply before its place is given to another, and how long it may do
/// nothing at all before it is, if somebody wants it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before the next client is accepted when one could not be.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

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
pub(crate) fn listen(path: &Path, subject: Subject) -> Result<ControlSocket> {
    listen_with(path, subject, PATIENCE)
}

fn listen_with(path: &Path, subject: Subject, patience: Duration) -> Result<ControlSocket> {
    let listener = bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    let socket = ControlSocket(path.to_owned());
    let room = Arc::new(Room { subject, turns: Turns::default(), patience });
    thread::Builder::new()
        .name("control".into())
        .spawn(move || accept(&listener, &room))
        .context("cannot start a thread")?;
    Ok(socket)
}

/// What all clients share.
struct Room {
    subject: Subject,
    turns: Turns,
    patience: Duration,
}

fn accept(listener: &UnixListener, room: &Arc<Room>) {
    let seats = Seats::new(room.patience);
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
        let place = match seats.seat(stream) {
            Ok(place) => place,
            Err(stream) => {
                turn_away(&stream);
                continue;
            }
        };
        let room = Arc::clone(room);
        let spawned = thread::Builder::new().name("control client".into()).spawn(move || {
            if let Err(error) = serve(&place, &room) {
                log::info!("control client gone: {error}");
            }
        });
        if let Err(error) = spawned {
            log::warn!("cannot serve a control client: {error}");
        }
    }
}

/// Tells a client why it is not served. Its line fits into any socket that is new.
fn turn_away(stream: &UnixStream) {
    let reply = Reply::busy(MOST_CLIENTS);
    let told = stream.set_nonblocking(true).and_then(|()| send(stream, &reply));
    log::debug!("a control client is turned away: there are {MOST_CLIENTS} ({told:?})");
}

/// Answers one client until it goes, or takes nothing for the time of the room's patience.
fn serve(place: &Place, room: &Room) -> io::Result<()> {
    let output = &*place.stream;
    output.set_write_timeout(Some(room.patience))?;
    send(output, &Greeting { gen8emu: Protocol { control: VERSION } })?;
    let mut input = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        input.by_ref().take(LONGEST_REQUEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.len() as u64 == LONGEST_REQUEST && line.last() != Some(&b'\n') {
            // Where the next request begins is not known.
            let reply = refuse(format!("longer than {LONGEST_REQUEST} bytes"));
            return send(output, &reply);
        }
        place.is_active();
        let turn = room.turns.take();
        let reply = answer(&line, &room.subject);
        send_in_pieces(Pieces::new(output, &room.turns, turn), &reply)?;
        place.is_active();
    }
}

/// Writes a short line, all at once.
fn send(mut output: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    output.write_all(&line)
}

/// Writes a line that may be long.
fn send_in_pieces(mut pieces: Pieces<'_, &UnixStream>, message: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut pieces, message)?;
    pieces.write_all(b"\n")?;
    pieces.flush()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wild;
