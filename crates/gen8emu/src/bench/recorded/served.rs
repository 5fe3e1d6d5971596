//! Batches through a server's socket, as QEMU carries them for a guest.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail, ensure};
use device_server::{Server, ServerError, StopHandle};
use gen8_spec::commands::mi;
use gen8_spec::execlists::csb;
use gen8_spec::mmio::ring;
use gen8_spec::{hwsp, pci};
use gpu_model::{Gpu, GuestRam, Journal};
use gpu_thread::Device;
use rigs::{ENGINE, Rig, STATUS_PAGE};

use super::super::server::Client;
use super::Scratch;

/// Looks at the CSB after which a batch never ends.
const PATIENCE: u32 = 100_000;

/// Who submits batches: a server's client, with guest memory in a file, so that both sides reach it.
pub(in crate::bench) struct Guest {
    client: Client,
    memory: File,
    /// What the ring and the context hold was made with this; its device does nothing.
    rig: Rig,
    _file: Scratch,
}

impl Guest {
    /// Brings the device at `socket` up until it is ready for batches.
    pub(in crate::bench) fn connect(socket: &Path) -> Result<Guest> {
        let rig = Rig::new()?;
        rig.put_data(0, &[mi::header(mi::BATCH_BUFFER_END, 0), mi::NOOP]);
        let file = Scratch::new();
        let options = File::options().read(true).write(true).create_new(true).open(&file.0);
        let memory = options.with_context(|| format!("creating {}", file.0.display()))?;
        let content = rig.memory_content();
        memory.write_all_at(&content, 0).context("writing the guest's memory")?;

        let mut client = Client::connect(socket)?;
        client.map(0, content.len() as u64, &memory)?;
        client.write_config(pci::CFG_COMMAND, pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER)?;
        for (offset, value) in Rig::setup() {
            client.post32(offset, value)?;
        }
        Ok(Guest { client, memory, rig, _file: file })
    }

    /// Submits a batch and waits for its CSB entry.
    pub(in crate::bench) fn run(&mut self) -> Result<()> {
        let before = self.last_entry()?;
        let (place, tail) = self.rig.next_tail();
        self.memory.write_all_at(&tail.to_le_bytes(), place).context("writing RING_TAIL")?;
        let port = u64::from(ENGINE.mmio_base() + ring::ELSP);
        for half in Rig::elsp_writes() {
            self.client.post32(port, half)?;
        }
        for _ in 0..PATIENCE {
            // As a driver that was interrupted: it asks the device before it looks at memory.
            self.client.read32(u64::from(ENGINE.mmio_base() + ring::EXECLIST_STATUS_LO))?;
            let (index, status) = self.last_entry()?;
            if index != before.0 && status & csb::ACTIVE_IDLE != 0 {
                return Ok(());
            }
        }
        bail!("the batch does not end")
    }

    /// The newest CSB entry: its index and its status.
    fn last_entry(&self) -> Result<(u32, u32)> {
        let read = |offset: u64| {
            let mut dword = [0; 4];
            let place = STATUS_PAGE + offset;
            self.memory.read_exact_at(&mut dword, place).context("reading the status page")?;
            anyhow::Ok(u32::from_le_bytes(dword))
        };
        let index = read(hwsp::CSB_WRITE_INDEX)?;
        Ok((index, read(hwsp::CSB + 8 * u64::from(index))?))
    }
}

/// A server in this process, and its guest.
pub(super) struct Served {
    guest: Guest,
    device: Arc<Device>,
    stop: StopHandle,
    thread: JoinHandle<Result<(), ServerError>>,
    _socket: Scratch,
}

impl Served {
    /// A device that is ready for batches.
    pub(super) fn start(journal: Option<Box<dyn Journal>>) -> Result<Served> {
        let socket = Scratch::new();
        let mut gpu = Gpu::new(rigs::config()?, GuestRam::empty());
        gpu.set_journal(journal);
        let server = Server::bind(&socket.0, gpu)?;
        let (stop, device) = (server.stop_handle(), Arc::clone(server.device()));
        let thread = std::thread::spawn(move || server.run());
        let guest = Guest::connect(&socket.0)?;
        Ok(Served { guest, device, stop, thread, _socket: socket })
    }

    /// As [`Guest::run`].
    pub(super) fn run(&mut self) -> Result<()> {
        self.guest.run()
    }

    /// Ends the server, and the recording with it.
    pub(super) fn end(self) -> Result<()> {
        self.device.touch(|gpu| gpu.set_journal(None));
        drop(self.guest);
        self.stop.stop();
        let Ok(result) = self.thread.join() else { bail!("the server panicked") };
        ensure!(result.is_ok(), "the server failed: {result:?}");
        Ok(())
    }
}
