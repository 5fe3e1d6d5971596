//! The listening socket: one client at a time, until it is told to stop.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gpu_model::Gpu;
use gpu_thread::{Device, DeviceThread, ThreadError};
use thiserror::Error;

use crate::interrupts::Interrupts;
use crate::regions::ApertureWrites;
use crate::session::{Conduct, Session};

/// The server cannot start or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The socket cannot be made.
    #[error("cannot listen on {path}: {source}")]
    Listen {
        /// Where it should be.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Another server listens there.
    #[error("cannot listen on {0}: another server does")]
    InUse(PathBuf),
    /// There is a file that is no socket.
    #[error("cannot listen on {0}: there is a file that is no socket")]
    NoSocket(PathBuf),
    /// No more clients can be accepted.
    #[error("cannot accept a client: {0}")]
    Accept(#[source] io::Error),
    /// The device's thread failed.
    #[error(transparent)]
    Device(#[from] ThreadError),
}

/// What ends a [`Server`], from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle(Arc<Control>);

#[derive(Debug)]
struct Control {
    stop: AtomicBool,
    listener: UnixListener,
    client: Mutex<Option<UnixStream>>,
}

impl Control {
    fn stops(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn client(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StopHandle {
    /// Ends the connection, if there is one, and the server's [`Server::run`].
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::SeqCst);
        // SAFETY: the listener's file descriptor is open as long as `self`.
        let result = unsafe { libc::shutdown(self.0.listener.as_raw_fd(), libc::SHUT_RDWR) };
        if result != 0 {
            log::warn!("cannot stop listening: {}", io::Error::last_os_error());
        }
        if let Some(client) = &*self.0.client() {
            // It may have gone by itself.
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// A GPU that waits for clients at a Unix socket.
pub struct Server {
    control: Arc<Control>,
    device: Arc<Device>,
    thread: DeviceThread,
    interrupts: Arc<Interrupts>,
    conduct: Conduct,
    // Last, so that the socket is removed when nobody listens any more.
    path: SocketFile,
}

impl Server {
    /// Listens on `path` and starts the device. Clients can connect from now on; [`Server::run`]
    /// serves them. A socket that a dead server left there is replaced.
    pub fn bind(path: &Path, gpu: Gpu) -> Result<Server, ServerError> {
        remove_dead_socket(path)?;
        let listener = UnixListener::bind(path).map_err(listen_error(path))?;
        let path = SocketFile(path.to_owned());
        let interrupts = Arc::new(Interrupts::default());
        let device = Arc::new(Device::new(gpu, Box::new(Arc::clone(&interrupts))));
        let (stop, client) = (AtomicBool::new(false), Mutex::new(None));
        let control = Arc::new(Control { stop, listener, client });
        let stop = StopHandle(Arc::clone(&control));
        let thread = DeviceThread::start_watched(Arc::clone(&device), move || stop.stop())?;
        Ok(Server { control, device, thread, interrupts, conduct: Conduct::default(), path })
    }

    /// Asks the client for more without pause instead of sleeping until it says more: an access
    /// then takes less time, and the server a whole CPU while a client is connected.
    pub fn set_polling(&mut self, polls: bool) {
        self.conduct.polls = polls;
    }

    /// Decides for the clients to come whether they wait for their writes to the aperture.
    pub fn set_aperture_writes(&mut self, writes: ApertureWrites) {
        self.conduct.aperture_writes = writes;
    }

    /// What stops this server.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(Arc::clone(&self.control))
    }

    /// The device, for others that look at it.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Serves one client after the other until it is stopped, or the device's thread has panicked.
    pub fn run(self) -> Result<(), ServerError> {
        while !self.control.stops() {
            match self.control.listener.accept() {
                Ok((stream, _)) => self.serve(&stream),
                Err(_) if self.control.stops() => break,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(ServerError::Accept(error)),
            }
        }
        log::info!("no longer listening on {}", self.path.0.display());
        Ok(self.thread.stop()?)
    }

    fn serve(&self, stream: &UnixStream) {
        match stream.try_clone() {
            Ok(handle) => *self.control.client() = Some(handle),
            Err(error) => {
                log::warn!("cannot serve a client: {error}");
                return;
            }
        }
        // A stop before this line did not see the client.
        if !self.control.stops() {
            log::info!("client connected");
            match Session::new(&self.device, &self.interrupts, self.conduct).run(stream) {
                Ok(()) => log::info!("client gone"),
                Err(error) => log::info!("client gone: {error}"),
            }
        }
        *self.control.client() = None;
    }
}

/// The socket in the file system; removed with the server.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            log::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}

fn listen_error(path: &Path) -> impl FnOnce(io::Error) -> ServerError {
    move |source| ServerError::Listen { path: path.to_owned(), source }
}

/// Removes the socket at `path` if nobody listens there.
fn remove_dead_socket(path: &Path) -> Result<(), ServerError> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(listen_error(path)(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ServerError::NoSocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(listen_error(path))
        }
        Ok(_) => Err(ServerError::InUse(path.to_owned())),
        Err(error) => Err(listen_error(path)(error)),
    }
}
