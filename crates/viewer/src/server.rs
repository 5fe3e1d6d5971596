//! The listening socket, and a seat for each viewer.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use gpu_thread::Device;
use thiserror::Error;

use crate::address::Address;
use crate::eye::Eye;
use crate::session::serve;

/// Viewers at a time; more are turned away.
pub const MOST_VIEWERS: usize = 4;
/// How long a viewer may take for what it asked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before the next viewer is accepted when one could not be.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Where viewers connect, and what they see.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub address: Address,
    /// The pipe, 0 to 2; else the first that is on, at every moment anew.
    pub pipe: Option<usize>,
    /// How long a viewer may take to say what it must in the beginning, and to take an update that it
    /// asked for: then its seat is another's. Ten seconds unless changed.
    pub patience: Duration,
}

impl Settings {
    /// The usual settings.
    pub fn new(address: Address) -> Settings {
        Settings { address, pipe: None, patience: PATIENCE }
    }
}

/// Viewers cannot be listened for.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The address cannot be had.
    #[error("cannot listen for viewers on {address}")]
    Bind {
        /// Where it should be.
        address: Address,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The operating system gives no thread.
    #[error("cannot start the viewers' thread")]
    Thread(#[source] io::Error),
}

/// Shows `device` to viewers, in the background and until the process ends. Says where it listens: if
/// port 0 was asked for, the port is a free one.
pub fn listen(device: Arc<Device>, settings: &Settings) -> Result<SocketAddr, ListenError> {
    let bind_error = |source| ListenError::Bind { address: settings.address, source };
    let listener = TcpListener::bind(settings.address.socket()).map_err(bind_error)?;
    let address = listener.local_addr().map_err(bind_error)?;
    let eye = Arc::new(Eye::new(device, settings.pipe));
    let patience = settings.patience;
    thread::Builder::new()
        .name("viewers".into())
        .spawn(move || accept(&listener, &eye, patience))
        .map_err(ListenError::Thread)?;
    Ok(address)
}

fn accept(listener: &TcpListener, eye: &Arc<Eye>, patience: Duration) {
    let seats = Seats::default();
    loop {
        let seated = listener.accept().and_then(|(stream, peer)| match seats.take() {
            Some(seat) => start(stream, peer, Arc::clone(eye), patience, seat),
            None => {
                log::info!("viewer {peer} is turned away: there are {MOST_VIEWERS}");
                Ok(())
            }
        });
        if let Err(error) = seated {
            log::warn!("cannot serve a viewer: {error}");
            // Most likely there are too many open files, and there still are.
            thread::sleep(AFTER_FAILURE);
        }
    }
}

/// Serves a viewer in a thread that is named after its port.
fn start(
    stream: TcpStream,
    peer: SocketAddr,
    eye: Arc<Eye>,
    patience: Duration,
    seat: Seat,
) -> io::Result<()> {
    let session = move || {
        let _seat = seat;
        log::info!("viewer {peer} has come");
        if let Err(error) = serve(stream, eye, patience) {
            log::info!("viewer {peer} has gone: {error}");
        }
    };
    thread::Builder::new().name(format!("viewer {}", peer.port())).spawn(session).map(drop)
}

/// Counts the seats that are taken.
#[derive(Default)]
struct Seats(Arc<AtomicUsize>);

/// A seat; free again when this value goes.
struct Seat(Arc<AtomicUsize>);

impl Seats {
    fn take(&self) -> Option<Seat> {
        let taken = self.0.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(Arc::clone(&self.0));
        (taken < MOST_VIEWERS).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
