//! A device behind a vfio-user socket.

use std::path::Path;
use std::thread;

use device_server::Server;
use gpu_model::{Gpu, GuestRam};

use crate::{RigError, config};

/// Serves a device at `socket` for as long as `meanwhile` takes, which is called when clients can come.
///
/// # Errors
///
/// There can be no socket, or the server fails.
pub fn serve(socket: &Path, meanwhile: impl FnOnce()) -> Result<(), RigError> {
    let server = Server::bind(socket, Gpu::new(config()?, GuestRam::empty()))?;
    let stop = server.stop_handle();
    let thread = thread::spawn(move || server.run());
    meanwhile();
    stop.stop();
    match thread.join() {
        Ok(result) => Ok(result?),
        Err(_) => Err(RigError::Panic),
    }
}
