//! `gen8emu serve`: the GPU as a device of QEMU.

use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use device_server::{ApertureWrites, Server, TerminationSignals};
use gen8_spec::pci;
use gpu_model::{Gpu, GpuConfig, GuestRam};
use observe::Observers;
use recording::TableNotes;

use crate::agent::{Agent, BothViews};
use crate::cli::{Display, RecordedMemory, ServeArgs, Writes};
use crate::control::{self, Held, Subject, Watch};
use crate::record::Recording;

/// Serves until a signal asks to end.
pub(crate) fn command(arguments: &ServeArgs) -> Result<()> {
    device_server::give_back_large_blocks();
    let signals = TerminationSignals::block().context("cannot block signals")?;
    let mut gpu = Gpu::new(config(arguments)?, GuestRam::empty());
    let watch = match arguments.observe {
        true => Watch::closely(&arguments.sku.to_string()),
        false => Watch::new(),
    };
    let watch = match arguments.agent {
        Some(_) => watch.hearing_a_kernel(),
        None => watch,
    };
    let mut observers = Observers::new();
    if arguments.control.is_some() || arguments.agent.is_some() {
        observers.push(watch.observers());
    }
    // Before its observer is set, so that what that reads gets into the recording.
    let recording = arguments.record.as_deref().map(|file| Recording::start(file, &mut gpu));
    let recording = recording.transpose()?;
    if recording.is_some() && arguments.record_memory == RecordedMemory::Tables {
        observers.push(TableNotes::new());
    }
    gpu.set_observer(Some(Box::new(observers)));
    let mut server = Server::bind(&arguments.socket, gpu)?;
    server.set_polling(arguments.poll);
    server.set_aperture_writes(aperture_writes(arguments));
    let device = || Held::Running(Arc::clone(server.device()));
    let agent = arguments.agent.as_ref().zip(watch.unbound.clone()).map(|(path, uses)| {
        let views = BothViews::new(uses, watch.spaces.clone(), watch.story());
        let agent = Agent::of(views, device());
        (path, agent.noting(recording.as_ref().map(Recording::notes)))
    });
    // The sockets are removed when we end.
    let _agent = agent.as_ref().map(|(path, agent)| agent.listen(path)).transpose()?;
    let agent = agent.map(|(_, agent)| agent);
    let subject = || Subject::new(device(), watch).with_agent(agent);
    let _control =
        arguments.control.as_deref().map(|path| control::listen(path, subject())).transpose()?;
    if let Some(address) = arguments.vnc {
        show(address, arguments, &server)?;
    }
    let stop = server.stop_handle();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || match signals.wait() {
            Ok(_) => stop.stop(),
            Err(error) => log::error!("signals cannot be waited for: {error}"),
        })
        .context("cannot start a thread")?;
    let (id, device) = (arguments.sku.device_id, Arc::clone(server.device()));
    println!("GPU 8086:{id:04x} waits for QEMU at {}", arguments.socket.display());
    let result = server.run();
    // Whatever ended the server: the recording shows it.
    let recorded = recording.map(|recording| {
        device.touch(|gpu| gpu.set_journal(None));
        recording.finish()
    });
    result?;
    recorded.transpose().map(|_| ())
}

/// Shows the screen to viewers at `address`.
fn show(address: viewer::Address, arguments: &ServeArgs, server: &Server) -> Result<()> {
    let settings = viewer::Settings { pipe: arguments.vnc_pipe, ..viewer::Settings::new(address) };
    let shown = viewer::listen(Arc::clone(server.device()), &settings)?;
    eprintln!("VNC viewers see the screen at {shown}");
    if address.is_open() {
        eprintln!("warning: whoever reaches {shown} sees the screen: there is no password (--vnc)");
    }
    Ok(())
}

/// What the user says, or what suits the device.
fn aperture_writes(arguments: &ServeArgs) -> ApertureWrites {
    let posted = match arguments.aperture_writes {
        Some(writes) => writes == Writes::Posted,
        None => !arguments.output.is_empty(),
    };
    if posted { ApertureWrites::Posted } else { ApertureWrites::Awaited }
}

fn config(arguments: &ServeArgs) -> Result<GpuConfig> {
    let mut config = GpuConfig::new(arguments.sku);
    config.gmch_ctrl = pci::with_stolen_bytes(config.gmch_ctrl, arguments.stolen)
        .context("there is no such stolen memory")?;
    config.display_fused_off = arguments.display == Display::FusedOff;
    config.outputs.clone_from(&arguments.output);
    for defect in &arguments.inject {
        defect.apply(&mut config.mutations);
        eprintln!("warning: this device is broken: {defect} (--inject)");
    }
    Ok(config)
}
