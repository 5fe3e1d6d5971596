//! A small vfio-user client, and a server in a thread of the test.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use device_server::{Server, ServerError, StopHandle};
use gen8_spec::{pci, pte};
use gpu_model::{Gpu, GpuConfig, GuestRam};
use vmm_sys_util::eventfd::EventFd;
use vmm_sys_util::sock_ctrl_msg::ScmSocket;

pub(crate) const VERSION: u16 = 1;
pub(crate) const DMA_MAP: u16 = 2;
pub(crate) const DMA_UNMAP: u16 = 3;
pub(crate) const GET_INFO: u16 = 4;
pub(crate) const REGION_INFO: u16 = 5;
pub(crate) const IRQ_INFO: u16 = 7;
pub(crate) const SET_IRQS: u16 = 8;
pub(crate) const READ: u16 = 9;
pub(crate) const WRITE: u16 = 10;
pub(crate) const RESET: u16 = 13;
pub(crate) const WRITE_MANY: u16 = 15;

pub(crate) const CONFIG: u32 = 7;
pub(crate) const BAR0: u32 = 0;
pub(crate) const BAR2: u32 = 2;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A name that no other test uses.
pub(crate) fn fresh_path() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("gen8emu-test-{}-{number}", std::process::id()))
}

/// A running server; ended, with a check that it ends well, by [`TestServer::end`].
pub(crate) struct TestServer {
    pub(crate) path: PathBuf,
    stop: StopHandle,
    thread: JoinHandle<Result<(), ServerError>>,
}

impl TestServer {
    pub(crate) fn start() -> TestServer {
        Self::start_polling(false)
    }

    pub(crate) fn start_polling(polls: bool) -> TestServer {
        Self::start_with(GpuConfig::by_device_id(0x1616).unwrap(), polls)
    }

    pub(crate) fn start_with(config: GpuConfig, polls: bool) -> TestServer {
        Self::start_gpu(Gpu::new(config, GuestRam::empty()), polls)
    }

    pub(crate) fn start_gpu(gpu: Gpu, polls: bool) -> TestServer {
        let path = fresh_path();
        let mut server = Server::bind(&path, gpu).unwrap();
        server.set_polling(polls);
        let stop = server.stop_handle();
        TestServer { path, stop, thread: std::thread::spawn(move || server.run()) }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream, id: 0 }
    }

    /// A client that has negotiated the version.
    pub(crate) fn client(&self) -> Client {
        let mut client = self.connect();
        client.hello();
        client
    }

    /// What the server ends with by itself.
    pub(crate) fn ended(self) -> Result<(), ServerError> {
        self.thread.join().expect("no panic")
    }

    pub(crate) fn end(self) {
        self.stop.stop();
        self.thread.join().expect("no panic").expect("a clean end");
        assert!(!Path::new(&self.path).exists());
    }
}

/// What the server answers: a body, or an errno.
pub(crate) type Answer = Result<Vec<u8>, u32>;

pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    id: u16,
}

/// A message's bytes.
pub(crate) fn message(id: u16, command: u16, flags: u32, body: &[u8]) -> Vec<u8> {
    let size = 16 + body.len() as u32;
    [
        &id.to_ne_bytes()[..],
        &command.to_ne_bytes(),
        &size.to_ne_bytes(),
        &flags.to_ne_bytes(),
        &[0; 4],
        body,
    ]
    .concat()
}

pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

impl Client {
    pub(crate) fn hello(&mut self) {
        let body = [&[0; 4][..], b"{\"capabilities\":{\"max_msg_fds\":8}}\0"].concat();
        let answer = self.ask(VERSION, &body).unwrap();
        assert_eq!(answer[..4], [0; 4]);
    }

    pub(crate) fn send(&mut self, command: u16, flags: u32, body: &[u8], fds: &[RawFd]) {
        self.id = self.id.wrapping_add(1);
        let bytes = message(self.id, command, flags, body);
        assert_eq!(self.stream.send_with_fds(&[&bytes[..]], fds).unwrap(), bytes.len());
    }

    pub(crate) fn receive(&mut self) -> Answer {
        let mut header = [0; 16];
        self.stream.read_exact(&mut header).unwrap();
        let field = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
        assert_eq!(u16::from_ne_bytes([header[0], header[1]]), self.id, "the reply's id");
        let mut body = vec![0; field(4) as usize - 16];
        self.stream.read_exact(&mut body).unwrap();
        match field(8) {
            1 => Ok(body),
            0x21 => {
                assert!(body.is_empty() && field(12) != 0);
                Err(field(12))
            }
            flags => panic!("flags {flags:#x}"),
        }
    }

    pub(crate) fn ask_with(&mut self, command: u16, body: &[u8], fds: &[RawFd]) -> Answer {
        self.send(command, 0, body, fds);
        self.receive()
    }

    pub(crate) fn ask(&mut self, command: u16, body: &[u8]) -> Answer {
        self.ask_with(command, body, &[])
    }

    pub(crate) fn read(&mut self, region: u32, offset: u64, count: u32) -> Answer {
        let body = [&offset.to_ne_bytes()[..], &words(&[region, count])].concat();
        let answer = self.ask(READ, &body)?;
        assert_eq!(answer[..16], body);
        Ok(answer[16..].to_vec())
    }

    pub(crate) fn read32(&mut self, region: u32, offset: u64) -> u32 {
        u32::from_le_bytes(self.read(region, offset, 4).unwrap().try_into().unwrap())
    }

    pub(crate) fn write_body(region: u32, offset: u64, data: &[u8]) -> Vec<u8> {
        let fields = words(&[region, data.len() as u32]);
        [&offset.to_ne_bytes()[..], &fields, data].concat()
    }

    pub(crate) fn write(&mut self, region: u32, offset: u64, data: &[u8]) -> Answer {
        self.ask(WRITE, &Self::write_body(region, offset, data))
    }

    /// A write that wants no reply, as QEMU writes BARs.
    pub(crate) fn post(&mut self, region: u32, offset: u64, value: u32) {
        let body = Self::write_body(region, offset, &value.to_le_bytes());
        self.send(WRITE, 0x10, &body, &[]);
    }

    /// REGION_WRITE_MULTI's body: `count`, and writes of which `data` fills eight bytes.
    pub(crate) fn many_body(count: u64, writes: &[(u32, u64, u32, u64)]) -> Vec<u8> {
        let mut body = count.to_ne_bytes().to_vec();
        for &(region, offset, count, data) in writes {
            body.extend(offset.to_ne_bytes());
            body.extend(words(&[region, count]));
            body.extend(data.to_le_bytes());
        }
        body
    }

    pub(crate) fn map_body(flags: u32, offset: u64, address: u64, size: u64) -> Vec<u8> {
        let numbers = [offset, address, size].map(u64::to_ne_bytes).concat();
        [words(&[32, flags]), numbers].concat()
    }

    pub(crate) fn map(&mut self, flags: u32, address: u64, size: u64, file: &File) -> Answer {
        let body = Self::map_body(flags, 0, address, size);
        self.ask_with(DMA_MAP, &body, &[file.as_raw_fd()])
    }

    pub(crate) fn unmap(&mut self, address: u64, size: u64) -> Answer {
        self.unmap_with(0, address, size)
    }

    pub(crate) fn unmap_with(&mut self, flags: u32, address: u64, size: u64) -> Answer {
        let numbers = [address, size].map(u64::to_ne_bytes).concat();
        self.ask(DMA_UNMAP, &[words(&[24, flags]), numbers].concat())
    }

    pub(crate) fn set_irqs(&mut self, flags: u32, index: u32, count: u32, fds: &[RawFd]) -> Answer {
        self.ask_with(SET_IRQS, &words(&[20, flags, index, 0, count]), fds)
    }
}

/// A file that is memory, of `size` bytes.
pub(crate) fn memory(size: u64) -> File {
    let path = fresh_path();
    let file = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.set_len(size).unwrap();
    file
}

pub(crate) fn read_u32(file: &File, offset: u64) -> u32 {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, offset).unwrap();
    u32::from_le_bytes(bytes)
}

pub(crate) fn write_u32(file: &File, offset: u64, value: u32) {
    file.write_all_at(&value.to_le_bytes(), offset).unwrap();
}

/// Lets the device decode and reach memory.
pub(crate) fn enable(client: &mut Client) {
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    client.write(CONFIG, pci::CFG_COMMAND.into(), &command.to_le_bytes()).unwrap();
}

/// Lets GGTT page 0, which is the aperture's first, lead to `address`.
pub(crate) fn aim_aperture(client: &mut Client, address: u64) {
    let entry = pte::encode_ggtt_pte(address).to_le_bytes();
    client.write(BAR0, pci::BAR0_GGTT_OFFSET, &entry).unwrap();
}

/// Waits for `event`; false if it does not come within `patience`.
pub(crate) fn signalled(event: &EventFd, patience: Duration) -> bool {
    let start = Instant::now();
    loop {
        if event.read().is_ok() {
            return true;
        }
        if start.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn soon(event: &EventFd) -> bool {
    signalled(event, PATIENCE)
}

/// Writes garbage, as far as the server takes it.
pub(crate) fn pour(stream: &mut UnixStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}
