//! The GPU in its own thread, shared with the CPU's.
//!
//! One lock holds the device. The device's thread runs the engines in slices; the CPU's thread
//! takes the lock for each register access, and goes first when both want it. Interrupts are
//! delivered after the lock is given back, by whichever thread caused them, in order.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gpu_model::{EngineActivity, Gpu, InterruptMessage};

use super::error::KvmError;

/// Commands per slice: some ten microseconds, which is how long a register access may wait.
const SLICE: u32 = 256;
/// First and longest pause before an engine that waits for memory looks again.
const FIRST_POLL: Duration = Duration::from_micros(20);
const LONGEST_POLL: Duration = Duration::from_millis(1);

/// Where the device's interrupts go.
pub(super) trait InterruptSink: Send + Sync {
    /// Delivers one message. The device is not locked.
    fn deliver(&self, message: InterruptMessage);
}

/// The device and what its thread needs to know, under one lock.
struct Shared {
    gpu: Gpu,
    /// The CPU did something since the last slice: do not go to sleep.
    touched: bool,
    /// The thread sleeps and must be woken.
    asleep: bool,
    stop: bool,
}

/// The device as both threads see it.
pub(super) struct Device {
    shared: Mutex<Shared>,
    wake: Condvar,
    /// CPU threads that wait for the lock: the device's thread then stays away from it.
    waiting: AtomicU32,
    /// Held while messages are taken and delivered, so that they keep their order.
    delivery: Mutex<()>,
    sink: Box<dyn InterruptSink>,
    start: Instant,
}

impl Device {
    /// Shares `gpu`, whose time starts now.
    pub(super) fn new(gpu: Gpu, sink: Box<dyn InterruptSink>) -> Self {
        Device {
            shared: Mutex::new(Shared { gpu, touched: false, asleep: false, stop: false }),
            wake: Condvar::new(),
            waiting: AtomicU32::new(0),
            delivery: Mutex::new(()),
            sink,
            start: Instant::now(),
        }
    }

    /// An access of the CPU that changes nothing that an engine could wait for.
    pub(super) fn look<R>(&self, work: impl FnOnce(&mut Gpu) -> R) -> R {
        let mut shared = self.lock_first();
        shared.gpu.advance_to(self.now_ns());
        work(&mut shared.gpu)
    }

    /// An access of the CPU that may give the engines work or cause an interrupt.
    pub(super) fn touch<R>(&self, work: impl FnOnce(&mut Gpu) -> R) -> R {
        let mut shared = self.lock_first();
        shared.gpu.advance_to(self.now_ns());
        let result = work(&mut shared.gpu);
        shared.touched = true;
        let asleep = std::mem::take(&mut shared.asleep);
        drop(shared);
        if asleep {
            self.wake.notify_one();
        }
        self.deliver();
        result
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A panic of the other thread is reported by `DeviceThread::stop`; until then go on.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, before the device's thread.
    fn lock_first(&self) -> MutexGuard<'_, Shared> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let shared = self.lock();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        shared
    }

    /// Delivers the messages that wait. The device is locked only to take one.
    fn deliver(&self) {
        let _in_order = self.delivery.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(message) = self.take_interrupt() {
            self.sink.deliver(message);
        }
    }

    fn take_interrupt(&self) -> Option<InterruptMessage> {
        self.lock().gpu.take_interrupt()
    }

    /// The device's thread.
    fn run(&self) {
        let mut poll = FIRST_POLL;
        loop {
            let activity = self.slice();
            self.deliver();
            while self.waiting.load(Ordering::Relaxed) > 0 {
                std::thread::yield_now();
            }
            let mut shared = self.lock();
            if shared.stop {
                return;
            }
            if std::mem::take(&mut shared.touched) || activity == EngineActivity::Busy {
                poll = FIRST_POLL;
                continue;
            }
            shared.asleep = true;
            if activity == EngineActivity::Waiting {
                let (mut shared, _) =
                    self.wake.wait_timeout(shared, poll).unwrap_or_else(PoisonError::into_inner);
                shared.asleep = false;
                poll = (poll * 2).min(LONGEST_POLL);
            } else {
                let mut shared = self.wake.wait(shared).unwrap_or_else(PoisonError::into_inner);
                shared.asleep = false;
                poll = FIRST_POLL;
            }
        }
    }

    fn slice(&self) -> EngineActivity {
        let mut shared = self.lock();
        shared.gpu.advance_to(self.now_ns());
        shared.gpu.step(SLICE).state
    }
}

/// The running thread of a [`Device`].
pub(super) struct DeviceThread {
    device: Arc<Device>,
    thread: Option<JoinHandle<()>>,
}

impl DeviceThread {
    /// Starts the thread.
    pub(super) fn start(device: Arc<Device>) -> Result<Self, KvmError> {
        let own = Arc::clone(&device);
        let thread = std::thread::Builder::new()
            .name("gpu".into())
            .spawn(move || own.run())
            .map_err(KvmError::host("start the device's thread"))?;
        Ok(DeviceThread { device, thread: Some(thread) })
    }

    /// Ends the thread; an error if it had panicked.
    pub(super) fn stop(mut self) -> Result<(), KvmError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), KvmError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.device.lock().stop = true;
        self.device.wake.notify_one();
        thread.join().map_err(|_| KvmError::Thread("device"))
    }
}

impl Drop for DeviceThread {
    fn drop(&mut self) {
        // Only after another error, which is the one to tell.
        let _ = self.end();
    }
}
