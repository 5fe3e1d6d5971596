//! The GPU in a thread of its own, shared with the threads that access it.
//!
//! One lock holds the device. The device's thread runs the engines in slices; the threads that
//! carry the CPUs' accesses take the lock for each of them, and go first when both want it.
//! Interrupts are delivered after the lock is given back, by whichever thread caused them, in order.
//! Device time is the monotonic clock's, from [`Device::new`] on.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gpu_model::{EngineActivity, Gpu, InterruptMessage};
use thiserror::Error;

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
        drop(shared);
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

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use gen8_spec::commands::mi::{self, semaphore};
    use gen8_spec::engine::EngineId;
    use gen8_spec::mmio::{self, ring};
    use gen8_spec::registers::outputs;
    use gen8_spec::{PAGE_SIZE, interrupts, masked_enable, pci, pte};
    use gpu_model::{Bar, GpuConfig, GuestRam};
    use ppgtt::PhysicalMemory;

    const ENGINE: EngineId = EngineId::Rcs;
    /// GGTT page `n` maps physical page `n`, so the addresses below are both.
    const RING: u32 = 0x1_0000;
    const SEMAPHORE: u32 = 0x2_0000;
    const MAPPED: u64 = 64;
    /// Far more than a busy machine needs; a test that fails waits so long.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Tells the test of each message, and whether the device was free to be locked.
    struct TestSink {
        device: Arc<OnceLock<Arc<Device>>>,
        told: Sender<bool>,
    }

    impl InterruptSink for TestSink {
        fn deliver(&self, _message: InterruptMessage) {
            let device = self.device.get().expect("set before the engines get work");
            let _ = self.told.send(device.shared.try_lock().is_ok());
        }
    }

    struct PanickingSink;

    impl InterruptSink for PanickingSink {
        fn deliver(&self, _message: InterruptMessage) {
            panic!("as the test wants");
        }
    }

    /// A GPU with a monitor and an empty ring, its user interrupt let out as MSI.
    fn gpu() -> Gpu {
        let memory = GuestRam::anonymous(1 << 20).unwrap();
        let mut config = GpuConfig::by_device_id(0x1616).unwrap();
        config.outputs = vec!["hdmi=1024x768".parse().unwrap()];
        let mut gpu = Gpu::new(config, memory);
        let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
        gpu.config_write(pci::CFG_COMMAND, 2, command.into());
        gpu.config_write(pci::CFG_MSI + pci::MSI_CONTROL, 2, pci::MSI_CONTROL_ENABLE.into());
        for page in 0..MAPPED {
            let entry = pte::encode_ggtt_pte(page * PAGE_SIZE);
            gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * page, 8, entry);
        }
        let base = ENGINE.mmio_base();
        let bank = interrupts::gt_bank(ENGINE.interrupt_bank());
        for (register, value) in [
            (mmio::FORCEWAKE_MT, masked_enable(1)),
            (base + ring::IMR, !interrupts::USER_INTERRUPT),
            (bank + interrupts::IMR, 0),
            (bank + interrupts::IER, u32::MAX),
            (interrupts::MASTER, interrupts::MASTER_ENABLE),
            (base + ring::START, RING),
            (base + ring::CTL, ring::CTL_VALID),
        ] {
            gpu.bar_write(Bar::Bar0, register.into(), 4, value.into());
        }
        gpu
    }

    /// A device with its thread and what its sink tells.
    fn start() -> (Arc<Device>, DeviceThread, Receiver<bool>) {
        let (told, messages) = channel();
        let own = Arc::new(OnceLock::new());
        let sink = TestSink { device: Arc::clone(&own), told };
        let device = Arc::new(Device::new(gpu(), Box::new(sink)));
        assert!(own.set(Arc::clone(&device)).is_ok());
        let thread = DeviceThread::start(Arc::clone(&device)).unwrap();
        (device, thread, messages)
    }

    /// Puts `commands` into the ring and lets the engine at them.
    fn submit(device: &Device, commands: &[u32]) {
        let memory = device.look(|gpu| gpu.memory().clone());
        for (dword, &command) in commands.iter().enumerate() {
            assert!(memory.write_u32(u64::from(RING) + 4 * dword as u64, command));
        }
        let tail = u64::from(ENGINE.mmio_base() + ring::TAIL);
        device.touch(|gpu| gpu.bar_write(Bar::Bar0, tail, 4, 4 * commands.len() as u64));
    }

    const INTERRUPT: u32 = mi::header(mi::USER_INTERRUPT, 0);
    const NOOP: u32 = mi::header(mi::NOOP, 0);

    #[test]
    fn a_register_write_wakes_the_engine_and_its_interrupt_comes_with_the_device_free() {
        let (device, thread, messages) = start();
        // Long enough for the thread to fall asleep with nothing to do.
        std::thread::sleep(Duration::from_millis(20));
        submit(&device, &[INTERRUPT, NOOP]);
        assert_eq!(messages.recv_timeout(PATIENCE), Ok(true));
        thread.stop().unwrap();
    }

    #[test]
    fn an_access_wakes_the_thread_only_if_there_is_work_for_an_engine() {
        let (device, thread, messages) = start();
        let deadline = Instant::now() + PATIENCE;
        while !device.lock().asleep && Instant::now() < deadline {
            std::thread::yield_now();
        }
        device.touch(|gpu| gpu.bar_write(Bar::Bar0, interrupts::MASTER.into(), 4, 0));
        assert!(device.lock().asleep, "nothing was submitted");
        device.touch(|gpu| {
            let on = interrupts::MASTER_ENABLE.into();
            gpu.bar_write(Bar::Bar0, interrupts::MASTER.into(), 4, on);
        });
        submit(&device, &[INTERRUPT, NOOP]);
        assert_eq!(messages.recv_timeout(PATIENCE), Ok(true));
        thread.stop().unwrap();
    }

    #[test]
    fn a_waiting_engine_sees_memory_that_changes_behind_its_back() {
        let (device, thread, messages) = start();
        let compare = semaphore::SAD_EQ_SDD << semaphore::COMPARE_SHIFT;
        let wait = mi::header(mi::SEMAPHORE_WAIT, mi::USE_GGTT | semaphore::POLL | compare | 2);
        submit(&device, &[wait, 1, SEMAPHORE, 0, INTERRUPT, NOOP]);
        assert!(messages.recv_timeout(Duration::from_millis(50)).is_err(), "it did not wait");
        let memory = device.look(|gpu| gpu.memory().clone());
        assert!(memory.write_u32(SEMAPHORE.into(), 1));
        assert_eq!(messages.recv_timeout(PATIENCE), Ok(true));
        thread.stop().unwrap();
    }

    #[test]
    fn blankings_interrupt_while_nobody_accesses_the_device() {
        let (device, thread, messages) = start();
        let deadline = Instant::now() + PATIENCE;
        while !device.lock().asleep && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let bank = interrupts::pipe_bank(0);
        let wrpll1 = outputs::PORT_CLK_SEL_WRPLL1 << outputs::PORT_CLK_SEL_SHIFT;
        let port_b = outputs::TRANS_DDI_FUNC_ENABLE | 1 << outputs::TRANS_DDI_PORT_SHIFT;
        for (register, value) in [
            (outputs::WRPLL_CTL1, 0xb020_0e13),
            (outputs::PORT_CLK_SEL + 4, wrpll1),
            (outputs::HTOTAL, 1343 << 16 | 1023),
            (outputs::VTOTAL, 805 << 16 | 767),
            (outputs::VBLANK, 805 << 16 | 767),
            (outputs::TRANS_DDI_FUNC_CTL, port_b),
            (outputs::PIPECONF, outputs::PIPECONF_ENABLE),
            (bank + interrupts::IER, outputs::PIPE_VBLANK),
            (bank + interrupts::IMR, !outputs::PIPE_VBLANK),
        ] {
            device.touch(|gpu| gpu.bar_write(Bar::Bar0, register.into(), 4, value.into()));
        }
        for _ in 0..2 {
            assert_eq!(messages.recv_timeout(PATIENCE), Ok(true));
            for (register, value) in [
                (interrupts::MASTER, 0),
                (bank + interrupts::IIR, outputs::PIPE_VBLANK),
                (interrupts::MASTER, interrupts::MASTER_ENABLE),
            ] {
                device.touch(|gpu| gpu.bar_write(Bar::Bar0, register.into(), 4, value.into()));
            }
        }
        thread.stop().unwrap();
    }

    #[test]
    fn an_endless_batch_shuts_out_neither_the_cpu_nor_the_end() {
        let (device, thread, _messages) = start();
        let jump = mi::header(mi::BATCH_BUFFER_START, 1);
        submit(&device, &[jump, RING, 0, NOOP]);
        let start = Instant::now();
        for _ in 0..1000 {
            device.look(|gpu| gpu.bar_read(Bar::Bar0, mmio::FUSE2.into(), 4));
        }
        assert!(start.elapsed() < PATIENCE, "1000 reads took {:?}", start.elapsed());
        assert_ne!(device.slice(), EngineActivity::Idle, "the batch ended");
        thread.stop().unwrap();
    }

    #[test]
    fn device_time_follows_the_clock_without_any_work() {
        let (device, thread, _messages) = start();
        let before = device.look(|gpu| gpu.now_ns());
        std::thread::sleep(Duration::from_millis(2));
        assert!(device.look(|gpu| gpu.now_ns()) >= before + 2_000_000);
        thread.stop().unwrap();
    }

    #[test]
    fn a_panic_of_the_devices_thread_is_told_at_once_and_by_its_end() {
        let device = Arc::new(Device::new(gpu(), Box::new(PanickingSink)));
        let (told, panicked) = channel();
        let on_panic = move || told.send(()).unwrap();
        let thread = DeviceThread::start_watched(Arc::clone(&device), on_panic).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        // The work is put in place without `touch`, which would deliver in this thread.
        let mut shared = device.lock();
        let memory = shared.gpu.memory().clone();
        assert!(memory.write_u32(RING.into(), INTERRUPT));
        let tail = u64::from(ENGINE.mmio_base() + ring::TAIL);
        shared.gpu.bar_write(Bar::Bar0, tail, 4, 8);
        drop(shared);
        device.wake.notify_one();
        assert_eq!(panicked.recv_timeout(PATIENCE), Ok(()));
        assert!(matches!(thread.stop(), Err(ThreadError::Panicked)));
    }
}
