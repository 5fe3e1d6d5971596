//! The GPU in a thread of its own, shared with the threads that access it.
//!
//! One lock holds the device. The device's thread runs the engines in slices; the threads that
//! carry the CPUs' accesses take the lock for each of them, and go first when both want it.
//! Interrupts are delivered after the lock is given back, by whichever thread caused them, in order.
//! Device time is the monotonic clock's, from [`Device::new`] on.
#![forbid(unsafe_code)]

mod thread;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gpu_model::{EngineActivity, Gpu, InterruptMessage};

pub use thread::{DeviceThread, ThreadError};

/// Commands per slice: some ten microseconds, which is how long a register access may wait.
const SLICE: u32 = 256;
/// First and longest pause before an engine that waits for memory looks again.
const FIRST_POLL: Duration = Duration::from_micros(20);
const LONGEST_POLL: Duration = Duration::from_millis(1);

/// Where the device's interrupts go.
pub trait InterruptSink: Send + Sync {
    /// Delivers one message. The device is not locked.
    fn deliver(&self, message: InterruptMessage);
}

impl<S: InterruptSink + ?Sized> InterruptSink for Arc<S> {
    fn deliver(&self, message: InterruptMessage) {
        (**self).deliver(message);
    }
}

/// The device and what its thread needs to know, under one lock.
struct Shared {
    gpu: Gpu,
    /// The CPU did something since the last slice: do not go to sleep.
    touched: bool,
    /// The thread sleeps and must be woken.
    asleep: bool,
    /// The event for which it wakes by itself, in device time.
    event_ns: Option<u64>,
    stop: bool,
}

impl Shared {
    /// Whether the thread sleeps for longer than it may.
    fn oversleeps(&self) -> bool {
        let event = self.gpu.next_event_ns();
        self.asleep && event.is_some_and(|event| self.event_ns.is_none_or(|known| event < known))
    }
}

/// The device as both threads see it.
pub struct Device {
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
    pub fn new(gpu: Gpu, sink: Box<dyn InterruptSink>) -> Self {
        Device {
            shared: Mutex::new(Shared {
                gpu,
                touched: false,
                asleep: false,
                event_ns: None,
                stop: false,
            }),
            wake: Condvar::new(),
            waiting: AtomicU32::new(0),
            delivery: Mutex::new(()),
            sink,
            start: Instant::now(),
        }
    }

    /// An access of the CPU that changes nothing that an engine could wait for.
    pub fn look<R>(&self, work: impl FnOnce(&mut Gpu) -> R) -> R {
        let mut shared = self.lock_first();
        shared.gpu.advance_to(self.now_ns());
        let result = work(&mut shared.gpu);
        // The time that passed may have caused one.
        let interrupt = shared.gpu.has_interrupt();
        // A blanking may have waited for this look alone.
        let wake = shared.oversleeps() && std::mem::take(&mut shared.asleep);
        drop(shared);
        if wake {
            self.wake.notify_one();
        }
        if interrupt {
            self.deliver();
        }
        result
    }

    /// An access of the CPU that may give the engines work or cause an interrupt.
    pub fn touch<R>(&self, work: impl FnOnce(&mut Gpu) -> R) -> R {
        let mut shared = self.lock_first();
        shared.gpu.advance_to(self.now_ns());
        let result = work(&mut shared.gpu);
        // Most accesses give the engines nothing to do, and to wake a thread takes longer than they.
        let has_work = shared.gpu.activity() != EngineActivity::Idle;
        shared.touched |= has_work;
        let wake = (has_work || shared.oversleeps()) && std::mem::take(&mut shared.asleep);
        drop(shared);
        if wake {
            self.wake.notify_one();
        }
        self.deliver();
        result
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A panic of the other thread is told by [`DeviceThread`]; until its owner acts, go on.
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
            let waiting = activity == EngineActivity::Waiting;
            self.sleep(shared, waiting.then_some(poll));
            poll = if waiting { (poll * 2).min(LONGEST_POLL) } else { FIRST_POLL };
        }
    }

    /// Waits until there is work, for `longest`, or until an event is due.
    fn sleep(&self, mut shared: MutexGuard<'_, Shared>, longest: Option<Duration>) {
        shared.event_ns = shared.gpu.next_event_ns();
        let event = shared.event_ns.map(|at| at.saturating_sub(self.now_ns()));
        let pause = event.map(Duration::from_nanos).into_iter().chain(longest).min();
        shared.asleep = true;
        let mut shared = match pause {
            Some(pause) => {
                let woken = self.wake.wait_timeout(shared, pause);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.wake.wait(shared).unwrap_or_else(PoisonError::into_inner),
        };
        shared.asleep = false;
    }

    fn slice(&self) -> EngineActivity {
        let mut shared = self.lock();
        shared.gpu.advance_to(self.now_ns());
        shared.gpu.step(SLICE).state
    }
}

#[cfg(test)]
mod tests;
