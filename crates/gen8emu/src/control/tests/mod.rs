//! Clients of all manners at the socket of a device without a driver.

mod clients;
mod questions;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use gen8_spec::pci::BAR0_GGTT_OFFSET;
use gen8_spec::pte::{encode_ggtt_pte, encode_table};
use gen8_spec::registers::{outputs, planes};
use serde_json::{Value, json};

use super::*;
use gpu_model::{Bar, Event, Gpu, GpuConfig, GuestRam, InterruptMessage, Observer};
use gpu_thread::{Device, InterruptSink};

struct NoInterrupts;

impl InterruptSink for NoInterrupts {
    fn deliver(&self, _: InterruptMessage) {}
}

/// A control socket of a device that has loaded one address space.
pub(super) struct Bench {
    pub(super) directory: PathBuf,
    pub(super) path: PathBuf,
    pub(super) device: Arc<Device>,
    pub(super) subject: Subject,
    _socket: ControlSocket,
}

/// A device with a monitor.
fn gpu() -> Gpu {
    let mut config = GpuConfig::by_device_id(0x1616).unwrap();
    config.outputs = vec!["hdmi=640x480".parse().unwrap()];
    Gpu::new(config, GuestRam::empty())
}

/// A directory of a test's own.
fn fresh_directory(test: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("gen8emu-{test}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

impl Bench {
    pub(super) fn new(test: &str) -> Bench {
        Bench::with_patience(test, PATIENCE)
    }

    fn with_patience(test: &str, patience: Duration) -> Bench {
        Bench::about(test, gpu(), Watch::closely("a device"), patience)
    }

    /// One that tells nothing of events.
    pub(super) fn without_observe(test: &str) -> Bench {
        Bench::about(test, gpu(), Watch::new(), PATIENCE)
    }

    fn about(test: &str, mut gpu: Gpu, watch: Watch, patience: Duration) -> Bench {
        let directory = fresh_directory(test);
        let path = directory.join("control");
        let mut observers = watch.observers();
        let (engine, pdps) = (gen8_spec::engine::EngineId::Rcs, [0x1000, 0, 0, 0]);
        observers.event(9, &Event::PdpLoaded { engine, levels: 4, pdps, context: 3 });
        gpu.set_observer(Some(Box::new(observers)));
        let device = Arc::new(Device::new(gpu, Box::new(NoInterrupts)));
        let subject = Subject::new(Held::Running(Arc::clone(&device)), watch);
        let _socket = listen_with(&path, subject.clone(), patience).unwrap();
        Bench { directory, path, device, subject, _socket }
    }

    pub(super) fn connect(&self) -> BufReader<UnixStream> {
        connect_to(&self.path)
    }
}

fn connect_to(path: &Path) -> BufReader<UnixStream> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut client = BufReader::new(stream);
    assert_eq!(line(&mut client), json!({ "gen8emu": { "control": 1 } }));
    client
}

impl Drop for Bench {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).ok();
    }
}

fn line(client: &mut BufReader<UnixStream>) -> Value {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

pub(super) fn ask(client: &mut BufReader<UnixStream>, request: &[u8]) -> Value {
    client.get_mut().write_all(&[request, b"\n"].concat()).unwrap();
    line(client)
}

/// A device that stands still at 1.5 ms, and what asks about it.
pub(super) struct StillBench {
    pub(super) directory: PathBuf,
    pub(super) path: PathBuf,
    pub(super) gpu: Arc<Mutex<Gpu>>,
    pub(super) watch: Watch,
    _socket: ControlSocket,
}

impl StillBench {
    pub(super) fn new(test: &str) -> StillBench {
        let directory = fresh_directory(test);
        let path = directory.join("control");
        let watch = Watch::closely("a device");
        let mut gpu = gpu();
        gpu.set_memory(GuestRam::anonymous(1 << 20).unwrap());
        gpu.config_write(4, 2, 6); // memory decoding, bus master
        gpu.advance_to(1_500_000);
        let gpu = Arc::new(Mutex::new(gpu));
        let subject = Subject::new(Held::Still(Arc::clone(&gpu)), watch.clone());
        let _socket = listen(&path, subject).unwrap();
        StillBench { directory, path, gpu, watch, _socket }
    }
}

impl Drop for StillBench {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).ok();
    }
}
