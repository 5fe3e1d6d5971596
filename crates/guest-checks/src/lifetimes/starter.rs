//! A client as programs are: it starts, imports what somebody shares, works with it and with objects of
//! its own, and exits.

use std::env;
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio};

use super::STARTER;
use crate::error::{Error, Result};
use crate::gpu::{Batch, Device, Node, Object};
use crate::trace;

/// Where it has what is shared, its batch, and its own objects.
const SHARED_AT: u64 = 0x10_0000;
const BATCH_AT: u64 = 0x20_0000;
const OWN_AT: u64 = 0x4000_0000;
/// Own objects lie so far apart: each in a page table of its own.
const APART: u64 = 0x20_0000;
/// In the place of a name: standard input is a dma-buf.
const DMA_BUF: &str = "dma-buf";

/// What a client is to import.
#[derive(Clone, Copy)]
pub(crate) enum Shared<'a> {
    /// The object of this global name.
    Name(u32),
    /// The object of this dma-buf.
    DmaBuf(&'a File),
}

/// Runs one client to its end: a process of its own, whose batch marks its address space and writes
/// `mark` at the beginning of what is shared.
pub(crate) fn start_client(shared: Shared<'_>, mark: u32) -> Result<()> {
    let program = env::current_exe()
        .map_err(|error| Error::Call { call: "readlink of /proc/self/exe", error })?;
    let (word, input) = match shared {
        Shared::Name(name) => (name.to_string(), Stdio::null()),
        Shared::DmaBuf(file) => {
            let file = file.try_clone().map_err(|error| Error::Call { call: "dup", error })?;
            (DMA_BUF.to_owned(), file.into())
        }
    };
    let output = Command::new(program)
        .args([STARTER, &word, &mark.to_string()])
        .stdin(input)
        .output()
        .map_err(|error| Error::Call { call: "execve of a client", error })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Err(Error::Wrong(format!("client {mark:#x}: {}: {said}", output.status)))
}

/// The client's program: what to import, the mark.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let result = match words {
        [shared, mark] => match mark.parse() {
            Ok(mark) => work(shared, mark),
            Err(_) => Err(Error::Wrong("the mark is no number".into())),
        },
        _ => Err(Error::Wrong("wrong words for a client".into())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn work(shared: &str, mark: u32) -> Result<()> {
    let device = Device::open(Node::Card)?;
    let shared = import(&device, shared)?;
    let engines = device.engines()?;
    trace::announce_to_agent(mark)?;
    let context = device.context(engines[mark as usize % engines.len()])?;
    // Clients differ in how many objects of their own they have, and how large these are.
    let own: Vec<Object> = (0..mark as usize % 4)
        .map(|number| device.object(4096 << (number + mark as usize % 3)))
        .collect::<Result<_>>()?;
    let code = device.object(4096)?;
    let places = (0..).map(|number: u64| OWN_AT + number * APART);
    let mut batch = Batch::default().mark(mark).store(SHARED_AT, mark);
    let mut placed = vec![shared.at(SHARED_AT).written()];
    for (object, place) in own.iter().zip(places) {
        batch = batch.store(place, mark);
        placed.push(object.at(place).written());
    }
    batch.end().write_to(&code.open()?);
    context.submit(&placed, code.at(BATCH_AT))?;
    shared.wait()?;
    // Some close what they have, most do as programs do: they exit.
    if !mark.is_multiple_of(3) {
        mem::forget((shared, own, code, context, device));
    }
    Ok(())
}

fn import(device: &Device, shared: &str) -> Result<Object> {
    if shared != DMA_BUF {
        let name = shared.parse().map_err(|_| Error::Wrong("the name is no number".into()))?;
        return device.open_by_name(name);
    }
    let file = io::stdin().as_fd().try_clone_to_owned();
    device.import(&File::from(file.map_err(|error| Error::Call { call: "dup", error })?))
}
