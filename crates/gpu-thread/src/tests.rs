//! What the threads of CPUs, the device's own and the sink see of each other.

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
