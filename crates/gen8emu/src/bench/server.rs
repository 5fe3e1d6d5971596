//! `mmio_read_rtt` and `mmio_posted_write`: register accesses through a socket, as QEMU sends them.
//!
//! Held against the server of the crate `vfio_user`, which gets the same device behind it. Client
//! and servers share one CPU: across CPUs the time to wake one hides the servers' part.

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use anyhow::{Context, Error, Result, bail, ensure};
use device_server::{Server, StopHandle};
use gen8_spec::{interrupts, pci};
use gpu_model::{Gpu, GpuConfig, GuestRam};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use vfio_bindings::bindings::vfio::{VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX};

use super::measure::Pair;
use super::{Bench, Target, Unit, measure};

mod other;

pub(super) const MMIO_READ_RTT: Bench = Bench {
    name: "mmio_read_rtt",
    about: "a register read through the server, there and back",
    limit: "the same through the crate vfio_user's server",
    unit: Unit::Microseconds,
    target: Target::Ratio(0.7),
    run: || {
        compare(|client, rounds| {
            (0..rounds).try_for_each(|_| client.read32(REGISTER.into()).map(drop))
        })
    },
};

pub(super) const MMIO_POSTED_WRITE: Bench = Bench {
    name: "mmio_posted_write",
    about: "register writes that nobody waits for, and one read at the end",
    limit: "the same through the crate vfio_user's server",
    unit: Unit::MillionPerSecond,
    target: Target::Ratio(1.0),
    run: || {
        compare(|client, rounds| {
            (0..rounds).try_for_each(|value| client.post32(REGISTER.into(), value))?;
            client.read32(REGISTER.into()).map(drop)
        })
    },
};

/// A register that keeps what is written and does nothing.
const REGISTER: u32 = interrupts::gt_bank(0) + interrupts::IER;

/// Measures `work`, which does so many operations, with both servers.
fn compare(work: impl Fn(&mut Client, u32) -> Result<()>) -> Result<Pair> {
    let _pinned = Pinned::new()?;
    let ours = Ours::start()?;
    let theirs = other::Theirs::start()?;
    let (mut to_ours, mut to_theirs) = (Client::connect(&ours.path)?, theirs.client()?);
    for client in [&mut to_ours, &mut to_theirs] {
        client.enable()?;
        client.post32(REGISTER.into(), 0x55)?;
        ensure!(client.read32(REGISTER.into())? == 0x55, "a register did not keep its value");
    }
    let run = |client: &mut Client, failure: &mut Option<Error>, rounds| {
        if failure.is_none() {
            *failure = work(client, rounds).err();
        }
        u64::from(rounds)
    };
    let (mut our_failure, mut their_failure) = (None, None);
    let pair = measure::pair(
        |rounds| run(&mut to_ours, &mut our_failure, rounds),
        |rounds| run(&mut to_theirs, &mut their_failure, rounds),
    );
    drop((to_ours, to_theirs));
    ours.end()?;
    theirs.end()?;
    match our_failure.or(their_failure) {
        Some(error) => Err(error),
        None => Ok(pair),
    }
}

fn gpu() -> Result<Gpu> {
    let config = GpuConfig::by_device_id(0x1616).context("the part is missing")?;
    Ok(Gpu::new(config, GuestRam::empty()))
}

/// A path for a socket that nobody else uses.
fn fresh_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("gen8emu-bench-{name}-{}", std::process::id()))
}

/// This thread, and those that it starts, on one CPU; as long as this value lives.
pub(super) struct Pinned(CpuSet);

impl Pinned {
    pub(super) fn new() -> Result<Pinned> {
        let before = sched_getaffinity(None).context("asking for the CPUs")?;
        let first = (0..CpuSet::MAX_CPU).find(|&cpu| before.is_set(cpu)).context("no CPU")?;
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).context("pinning to a CPU")?;
        Ok(Pinned(before))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Err(error) = sched_setaffinity(None, &self.0) {
            log::warn!("cannot go back to the CPUs of before: {error}");
        }
    }
}

/// Our server, in a thread of its own.
struct Ours {
    path: PathBuf,
    stop: StopHandle,
    thread: JoinHandle<Result<(), device_server::ServerError>>,
}

impl Ours {
    fn start() -> Result<Ours> {
        let path = fresh_path("ours");
        let server = Server::bind(&path, gpu()?)?;
        let stop = server.stop_handle();
        Ok(Ours { path, stop, thread: std::thread::spawn(move || server.run()) })
    }

    fn end(self) -> Result<()> {
        self.stop.stop();
        match self.thread.join() {
            Ok(result) => Ok(result?),
            Err(_) => bail!("the server panicked"),
        }
    }
}

/// Messages' commands, and the flag of those that want no reply (QEMU
/// `docs/interop/vfio-user.rst`).
const VERSION: u16 = 1;
const DMA_MAP: u16 = 2;
const REGION_READ: u16 = 9;
const REGION_WRITE: u16 = 10;
const NO_REPLY: u32 = 1 << 4;
/// Bytes of the body of DMA_MAP, and its flags: the device may read and write.
const DMA_MAP_SIZE: u32 = 32;
const DMA_READ_WRITE: u64 = 3;
/// Bytes of a header.
const HEADER: usize = 16;
/// Bytes of a region access before its data.
const ACCESS: usize = 16;

/// A client that sends and receives as QEMU does: a message with one system call, a reply's header
/// with one and its body with another.
pub(super) struct Client(UnixStream);

impl Client {
    pub(super) fn connect(path: &Path) -> Result<Client> {
        let stream = UnixStream::connect(path).context("connecting to a server")?;
        let mut client = Client(stream);
        client.send(VERSION, 0, &[&[0; 4][..], b"{\"capabilities\":{}}\0"].concat())?;
        client.receive(&mut [0; 512])?;
        Ok(client)
    }

    /// Lets the device decode its BARs.
    fn enable(&mut self) -> Result<()> {
        self.write_config(pci::CFG_COMMAND, pci::COMMAND_MEMORY)
    }

    /// Writes two bytes of configuration space.
    pub(super) fn write_config(&mut self, offset: u16, value: u16) -> Result<()> {
        let access = Self::access(offset.into(), VFIO_PCI_CONFIG_REGION_INDEX, 2);
        self.send(REGION_WRITE, 0, &[&access[..], &value.to_le_bytes()].concat())?;
        self.receive(&mut [0; ACCESS])?;
        Ok(())
    }

    /// Gives the device a file as guest memory.
    pub(super) fn map(&mut self, address: u64, size: u64, file: &File) -> Result<()> {
        let fields = [u64::from(DMA_MAP_SIZE) | DMA_READ_WRITE << 32, 0, address, size];
        let mut message = [0; HEADER + DMA_MAP_SIZE as usize];
        let size = message.len() as u32;
        for (place, word) in message.chunks_exact_mut(4).zip([u32::from(DMA_MAP) << 16, size]) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        for (place, field) in message[HEADER..].chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_ne_bytes());
        }
        let (files, mut room) = ([file.as_fd()], [MaybeUninit::uninit(); 64]);
        let mut ancillary = SendAncillaryBuffer::new(&mut room);
        ensure!(ancillary.push(SendAncillaryMessage::ScmRights(&files)), "no room for a file");
        let pieces = [IoSlice::new(&message)];
        sendmsg(&self.0, &pieces, &mut ancillary, SendFlags::empty()).context("sending a file")?;
        self.receive(&mut [])?;
        Ok(())
    }

    pub(super) fn read32(&mut self, offset: u64) -> Result<u32> {
        self.send(REGION_READ, 0, &Self::access(offset, VFIO_PCI_BAR0_REGION_INDEX, 4))?;
        let mut body = [0; ACCESS + 4];
        ensure!(self.receive(&mut body)? == body.len(), "a reply has the wrong size");
        let [.., a, b, c, d] = body;
        Ok(u32::from_le_bytes([a, b, c, d]))
    }

    pub(super) fn post32(&mut self, offset: u64, value: u32) -> Result<()> {
        let mut body = [0; ACCESS + 4];
        let (access, data) = body.split_at_mut(ACCESS);
        access.copy_from_slice(&Self::access(offset, VFIO_PCI_BAR0_REGION_INDEX, 4));
        data.copy_from_slice(&value.to_le_bytes());
        self.send(REGION_WRITE, NO_REPLY, &body)
    }

    fn access(offset: u64, region: u32, count: u32) -> [u8; ACCESS] {
        let words = [offset as u32, (offset >> 32) as u32, region, count];
        let mut bytes = [0; ACCESS];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    fn send(&mut self, command: u16, flags: u32, body: &[u8]) -> Result<()> {
        let mut message = [0; 64];
        let size = HEADER + body.len();
        let message = message.get_mut(..size).context("a message is too long")?;
        let words = [u32::from(command) << 16, size as u32, flags, 0];
        for (place, word) in message.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        message[HEADER..].copy_from_slice(body);
        self.0.write_all(message).context("sending to a server")
    }

    /// Receives a reply, its body into `room`; gives the body's size.
    fn receive(&mut self, room: &mut [u8]) -> Result<usize> {
        let mut header = [0; HEADER];
        self.0.read_exact(&mut header).context("receiving from a server")?;
        let [_, _, _, _, s0, s1, s2, s3, flags, ..] = header;
        let size = u32::from_ne_bytes([s0, s1, s2, s3]) as usize;
        ensure!(flags == 1, "a server answers with an error");
        let body = size.checked_sub(HEADER).and_then(|size| room.get_mut(..size));
        let body = body.context("a reply has the wrong size")?;
        self.0.read_exact(body).context("receiving from a server")?;
        Ok(body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_servers_answer_the_same() {
        let ours = Ours::start().unwrap();
        let theirs = other::Theirs::start().unwrap();
        for mut client in [Client::connect(&ours.path).unwrap(), theirs.client().unwrap()] {
            client.enable().unwrap();
            for value in [0x55, 0xaa] {
                client.post32(REGISTER.into(), value).unwrap();
                assert_eq!(client.read32(REGISTER.into()).unwrap(), value);
            }
        }
        ours.end().unwrap();
        theirs.end().unwrap();
    }
}
