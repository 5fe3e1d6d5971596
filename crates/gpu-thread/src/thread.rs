//! The thread that runs a device's engines: its start, its end, and the word of its panic.

use std::sync::Arc;
use std::thread::JoinHandle;

use thiserror::Error;

use super::Device;

/// The device's thread did not start or did not end as it should.
#[derive(Debug, Error)]
pub enum ThreadError {
    /// The operating system gives no thread.
    #[error("cannot start the device's thread: {0}")]
    Start(#[source] std::io::Error),
    /// It panicked.
    #[error("the device's thread panicked")]
    Panicked,
}

/// The running thread of a [`Device`].
pub struct DeviceThread {
    device: Arc<Device>,
    thread: Option<JoinHandle<()>>,
}

impl DeviceThread {
    /// Starts the thread.
    pub fn start(device: Arc<Device>) -> Result<Self, ThreadError> {
        Self::start_watched(device, || {})
    }

    /// Starts the thread, which calls `on_panic` as it panics: without it the device still answers
    /// accesses, but no engine runs any more, so its owner should [`stop`](Self::stop) it, which tells why.
    pub fn start_watched(
        device: Arc<Device>,
        on_panic: impl FnOnce() + Send + 'static,
    ) -> Result<Self, ThreadError> {
        let own = Arc::clone(&device);
        let watch = OnPanic(Some(on_panic));
        let thread = std::thread::Builder::new()
            .name("gpu".into())
            .spawn(move || {
                let _watch = watch;
                own.run();
            })
            .map_err(ThreadError::Start)?;
        Ok(DeviceThread { device, thread: Some(thread) })
    }

    /// Ends the thread; an error if it had panicked.
    pub fn stop(mut self) -> Result<(), ThreadError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ThreadError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.device.lock().stop = true;
        self.device.wake.notify_one();
        thread.join().map_err(|_| ThreadError::Panicked)
    }
}

/// Calls its function if it is dropped by a panic.
struct OnPanic<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take().filter(|_| std::thread::panicking()) {
            call();
        }
    }
}

impl Drop for DeviceThread {
    fn drop(&mut self) {
        // Only after another error, which is the one to tell.
        let _ = self.end();
    }
}
