//! A submission, as a driver makes it.

use std::fs::File;

use crate::client::{BAR0, Client, TestServer, WRITE_MANY, enable, memory, write_u32};
use gen8_spec::commands::mi;
use gen8_spec::engine::EngineId;
use gen8_spec::mmio::{self, ring};
use gen8_spec::{PAGE_SIZE, context_image, interrupts, masked_enable, pci, pte};

/// GGTT page `n` maps physical page `n`.
pub(crate) const HWSP: u32 = 0x1_0000;
pub(crate) const RING: u32 = 0x1_1000;
pub(crate) const IMAGE: u32 = 0x2_0000;
/// What i915 6.1 writes for a context with four levels, besides the LRCA.
pub(crate) const DESCRIPTOR: u32 = 0x139;
pub(crate) const ENGINE: EngineId = EngineId::Bcs;

/// A device with memory, ready for submissions to [`ENGINE`].
pub(crate) fn ready(server: &TestServer) -> (Client, File) {
    let mut client = server.client();
    let file = memory(1 << 20);
    client.map(3, 0, 1 << 20, &file).unwrap();
    set_up(&mut client);
    (client, file)
}

/// Prepares the device after its reset, as a driver does.
pub(crate) fn set_up(client: &mut Client) {
    enable(client);
    client.post(BAR0, mmio::FORCEWAKE_MT.into(), masked_enable(1));
    let entry =
        |page| (BAR0, pci::BAR0_GGTT_OFFSET + 8 * page, 8, pte::encode_ggtt_pte(page * PAGE_SIZE));
    let entries: Vec<_> = (0..64).map(entry).collect();
    client.ask(WRITE_MANY, &Client::many_body(64, &entries)).unwrap();
    let base = ENGINE.mmio_base();
    let bank = interrupts::gt_bank(ENGINE.interrupt_bank());
    for (register, value) in [
        (base + ring::GFX_MODE, masked_enable(ring::GFX_MODE_EXECLISTS)),
        (base + ring::HWS_PGA, HWSP),
        (base + ring::CSB_PTR, 0xffff_0505),
        (base + ring::IMR, 0),
        (bank + interrupts::IMR, 0),
        (bank + interrupts::IER, u32::MAX),
        (interrupts::MASTER, interrupts::MASTER_ENABLE),
    ] {
        client.post(BAR0, register.into(), value);
    }
}

/// Submits a context whose ring holds `commands`.
pub(crate) fn submit(client: &mut Client, file: &File, commands: &[u32]) {
    for (n, &command) in commands.iter().enumerate() {
        write_u32(file, u64::from(RING) + 4 * n as u64, command);
    }
    let state = u64::from(IMAGE) + context_image::STATE_PAGE * PAGE_SIZE;
    for (register, value) in [
        (context_image::CONTEXT_CONTROL, masked_enable(context_image::control::RESTORE_INHIBIT)),
        (context_image::RING_HEAD, 0),
        (context_image::RING_TAIL, 4 * commands.len() as u32),
        (context_image::RING_START, RING),
        (context_image::RING_CTL, ring::CTL_VALID),
    ] {
        write_u32(file, state + 4 * (register as u64 + 1), value);
    }
    for dword in [0, 0, 0x20, IMAGE | DESCRIPTOR] {
        client.post(BAR0, (ENGINE.mmio_base() + ring::ELSP).into(), dword);
    }
}

pub(crate) fn user_interrupt() -> [u32; 2] {
    [mi::header(mi::USER_INTERRUPT, 0), mi::header(mi::NOOP, 0)]
}
