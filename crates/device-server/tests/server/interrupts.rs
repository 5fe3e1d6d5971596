//! Interrupts through the server: a submission ends in the client's event fd.

use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::client::{BAR0, CONFIG, Client, RESET, TestServer, signalled, soon, write_u32};
use crate::submission::{ENGINE, RING, ready, submit, user_interrupt};
use gen8_spec::commands::mi;
use gen8_spec::mmio::{self, ring};
use gen8_spec::{interrupts, pci};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

const CONNECT: u32 = 0x24;
const DISCONNECT: u32 = 0x21;
const MASK: u32 = 0x9;
const UNMASK: u32 = 0x11;
const UNMASK_BY: u32 = 0x14;
const MASK_BY: u32 = 0xc;
const INTX: u32 = 0;
const MSI: u32 = 1;

/// How long nothing must come.
const QUIET: Duration = Duration::from_millis(30);

fn event() -> EventFd {
    EventFd::new(EFD_NONBLOCK).unwrap()
}

fn enable_msi(client: &mut Client) {
    let msi = u64::from(pci::CFG_MSI);
    let address = 0xfee0_1000u32.to_le_bytes();
    client.write(CONFIG, msi + u64::from(pci::MSI_ADDRESS), &address).unwrap();
    let enable = pci::MSI_CONTROL_ENABLE.to_le_bytes();
    client.write(CONFIG, msi + u64::from(pci::MSI_CONTROL), &enable).unwrap();
}

/// Removes the cause, as a handler does.
fn acknowledge(client: &mut Client) {
    let identity = interrupts::gt_bank(ENGINE.interrupt_bank()) + interrupts::IIR;
    client.post(BAR0, interrupts::MASTER.into(), 0);
    // Two events can be queued.
    client.post(BAR0, identity.into(), u32::MAX);
    client.post(BAR0, identity.into(), u32::MAX);
    client.post(BAR0, interrupts::MASTER.into(), interrupts::MASTER_ENABLE);
}

#[test]
fn submission_signals_msi_and_another_one_does_it_again() {
    let server = TestServer::start();
    let (mut client, file) = ready(&server);
    let event = event();
    enable_msi(&mut client);
    client.set_irqs(CONNECT, MSI, 1, &[event.as_raw_fd()]).unwrap();
    assert!(!signalled(&event, QUIET));
    for _ in 0..3 {
        submit(&mut client, &file, &user_interrupt());
        assert!(soon(&event));
        acknowledge(&mut client);
    }
    client.set_irqs(DISCONNECT, MSI, 0, &[]).unwrap();
    submit(&mut client, &file, &user_interrupt());
    assert!(!signalled(&event, QUIET));
    server.end();
}

#[test]
fn msi_that_is_sent_before_it_is_connected_is_not_lost() {
    let server = TestServer::start();
    let (mut client, file) = ready(&server);
    let event = event();
    enable_msi(&mut client);
    submit(&mut client, &file, &user_interrupt());
    std::thread::sleep(QUIET);
    client.set_irqs(CONNECT, MSI, 1, &[event.as_raw_fd()]).unwrap();
    assert!(soon(&event));
    server.end();
}

#[test]
fn intx_is_masked_by_its_signal_and_comes_again_while_the_cause_lasts() {
    let server = TestServer::start();
    let (mut client, file) = ready(&server);
    let event = event();
    client.set_irqs(CONNECT, INTX, 1, &[event.as_raw_fd()]).unwrap();
    submit(&mut client, &file, &user_interrupt());
    assert!(soon(&event));
    assert!(!signalled(&event, QUIET));
    client.set_irqs(UNMASK, INTX, 1, &[]).unwrap();
    assert!(soon(&event), "the cause is still there");
    client.set_irqs(MASK, INTX, 1, &[]).unwrap();
    acknowledge(&mut client);
    client.set_irqs(UNMASK, INTX, 1, &[]).unwrap();
    assert!(!signalled(&event, QUIET), "the cause is gone");
    server.end();
}

#[test]
fn intx_is_unmasked_by_the_clients_event_fd() {
    for polling in [false, true] {
        let server = TestServer::start_polling(polling);
        let (mut client, file) = ready(&server);
        let (event, unmask) = (event(), event());
        client.set_irqs(CONNECT, INTX, 1, &[event.as_raw_fd()]).unwrap();
        client.set_irqs(UNMASK_BY, INTX, 1, &[unmask.as_raw_fd()]).unwrap();
        submit(&mut client, &file, &user_interrupt());
        assert!(soon(&event));
        assert!(!signalled(&event, QUIET));
        for _ in 0..2 {
            unmask.write(1).unwrap();
            assert!(soon(&event), "the cause is still there");
        }
        // Requests are answered as ever.
        acknowledge(&mut client);
        assert_ne!(client.read32(BAR0, interrupts::MASTER.into()), 0);
        unmask.write(1).unwrap();
        assert!(!signalled(&event, QUIET), "the cause is gone");
        // Without the fd only requests unmask.
        submit(&mut client, &file, &user_interrupt());
        assert!(soon(&event));
        client.set_irqs(UNMASK_BY, INTX, 1, &[]).unwrap();
        unmask.write(1).unwrap();
        assert!(!signalled(&event, QUIET), "the fd was taken back");
        client.set_irqs(UNMASK, INTX, 1, &[]).unwrap();
        assert!(soon(&event));
        server.end();
    }
}

#[test]
fn an_fd_that_is_no_event_fd_neither_unmasks_nor_holds_the_server_up() {
    let server = TestServer::start();
    let (mut client, file) = ready(&server);
    let event = event();
    client.set_irqs(CONNECT, INTX, 1, &[event.as_raw_fd()]).unwrap();
    submit(&mut client, &file, &user_interrupt());
    assert!(soon(&event));
    // Its end is readable for ever.
    let (end, other_end) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(other_end);
    client.set_irqs(UNMASK_BY, INTX, 1, &[end.as_raw_fd()]).unwrap();
    for _ in 0..2 {
        assert_eq!(client.read32(CONFIG, 0), 0x1616_8086);
    }
    assert!(!signalled(&event, QUIET));
    server.end();
}

#[test]
fn intx_that_is_asserted_before_it_is_connected_signals_at_once() {
    let server = TestServer::start();
    let (mut client, file) = ready(&server);
    submit(&mut client, &file, &user_interrupt());
    std::thread::sleep(QUIET);
    let event = event();
    client.set_irqs(CONNECT, INTX, 1, &[event.as_raw_fd()]).unwrap();
    assert!(soon(&event));
    server.end();
}

#[test]
fn reset_takes_intx_back() {
    let server = TestServer::start();
    let (mut client, file) = ready(&server);
    let event = event();
    client.set_irqs(CONNECT, INTX, 1, &[event.as_raw_fd()]).unwrap();
    submit(&mut client, &file, &user_interrupt());
    assert!(soon(&event));
    client.ask(RESET, &[]).unwrap();
    client.set_irqs(UNMASK, INTX, 1, &[]).unwrap();
    assert!(!signalled(&event, QUIET));
    server.end();
}

#[test]
fn interrupts_are_fired_on_request_and_wrong_requests_are_refused() {
    let server = TestServer::start();
    let mut client = server.client();
    let event = event();
    client.set_irqs(CONNECT, MSI, 1, &[event.as_raw_fd()]).unwrap();
    client.set_irqs(DISCONNECT, MSI, 1, &[]).unwrap();
    assert!(soon(&event));
    let two = [event.as_raw_fd(); 2];
    let invalid = Err(libc::EINVAL as u32);
    for (flags, index, count, fds) in [
        (CONNECT, MSI, 1, &two[..]),
        (CONNECT, MSI, 2, &two[..]),
        (CONNECT, 2, 1, &two[..1]),
        (CONNECT, 5, 1, &two[..1]),
        (DISCONNECT, MSI, 0, &two[..1]),
        (MASK, MSI, 1, &[]),
        (0, MSI, 1, &[]),
        (0x3f, MSI, 1, &[]),
        (0x121, MSI, 1, &[]),
        (0x22, MSI, 1, &[]),
        (CONNECT, MSI, u32::MAX, &[]),
        (UNMASK_BY, MSI, 1, &two[..1]),
        (UNMASK_BY, INTX, 1, &two[..]),
        (UNMASK_BY, INTX, 0, &two[..1]),
    ] {
        assert_eq!(client.set_irqs(flags, index, count, fds), invalid, "{flags:#x} {index}");
    }
    let answer = client.set_irqs(MASK_BY, INTX, 1, &two[..1]);
    assert_eq!(answer, Err(libc::EOPNOTSUPP as u32));
    client.set_irqs(DISCONNECT, MSI, 1, &[]).unwrap();
    assert!(soon(&event), "the connection is as it was");
    server.end();
}

#[test]
fn endless_batch_delays_no_answer() {
    let server = TestServer::start();
    let (mut client, file) = ready(&server);
    // A ring that jumps to itself: MI_BATCH_BUFFER_START in the GGTT, second level never returns.
    let target = RING + 0x100;
    let jump = [mi::header(mi::BATCH_BUFFER_START, 1), target, 0];
    for (n, &dword) in jump.iter().enumerate() {
        write_u32(&file, u64::from(target) + 4 * n as u64, dword);
    }
    submit(&mut client, &file, &[jump[0], target, 0, mi::header(mi::NOOP, 0)]);
    let start = std::time::Instant::now();
    for _ in 0..200 {
        client.read32(BAR0, mmio::FUSE2.into());
    }
    let each = start.elapsed() / 200;
    assert!(each < Duration::from_millis(20), "a read takes {each:?}");
    let active = client.read32(BAR0, (ENGINE.mmio_base() + ring::ACTHD).into());
    assert!((target..target + 0x10).contains(&active), "{active:#x}: the batch must still run");
    server.end();
}
