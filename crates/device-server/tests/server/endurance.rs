//! Clients that die at work, many times, and a device that does, once.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;

use crate::client::{CONFIG, TestServer, WRITE, memory, message};
use crate::submission::{RING, ready, submit, user_interrupt};
use gen8_spec::commands::mi;
use gpu_model::{Event, Gpu, GpuConfig, GuestRam, Observer};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

const CONNECT: u32 = 0x24;
const MSI: u32 = 1;
const INTX: u32 = 0;
const CLIENTS: u32 = 1000;

/// Every file that this process has open or mapped.
fn files_in_use() -> String {
    let fds = fs::read_dir("/proc/self/fd").unwrap();
    let open = fds.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    let open: Vec<_> = open.map(|file| file.display().to_string()).collect();
    open.join("\n") + &fs::read_to_string("/proc/self/maps").unwrap()
}

/// The name under which `/proc` shows the file.
fn name(file: &File) -> String {
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap().display().to_string()
}

#[test]
fn clients_that_die_at_work_leave_neither_fds_nor_mappings_nor_state() {
    let server = TestServer::start();
    let mut names = Vec::new();
    for n in 0..CLIENTS {
        let (mut client, file) = ready(&server);
        let event = EventFd::new(EFD_NONBLOCK).unwrap();
        client.set_irqs(CONNECT, [INTX, MSI][n as usize % 2], 1, &[event.as_raw_fd()]).unwrap();
        let more = memory(0x2000);
        client.map(1 + 2 * (n % 2), 1 << 32, 0x2000, &more).unwrap();
        match n % 3 {
            // An endless batch.
            0 => {
                let jump = mi::header(mi::BATCH_BUFFER_START, 1);
                submit(&mut client, &file, &[jump, RING, 0, mi::header(mi::NOOP, 0)]);
            }
            1 => submit(&mut client, &file, &user_interrupt()),
            // A reply that nobody will take.
            _ => client.send(9, 0, &[[0; 8], [7, 0, 0, 0, 0, 1, 0, 0]].concat(), &[]),
        }
        // The last message is cut anywhere, and its fd comes or not.
        let last = message(7, WRITE, 0x10, &[0; 20]);
        let cut = n as usize % last.len();
        client.stream.write_all(&last[..cut]).unwrap();
        names.extend([name(&file), name(&more)]);
    }
    // The server serves one after the other, so the last one is gone as well.
    let mut client = server.client();
    assert_eq!(client.read32(CONFIG, 4), 0x0010_0000, "the device was reset");
    let last = memory(0x1000);
    client.map(3, 0, 0x1000, &last).unwrap();
    assert!(files_in_use().contains(&name(&last)), "the test would see a file");
    let in_use = files_in_use();
    for name in names {
        assert!(!in_use.contains(&name), "{name}");
    }
    server.end();
}

/// Panics at the first event in the device's thread.
struct Panicking;

impl Observer for Panicking {
    fn event(&mut self, _now_ns: u64, _event: &Event) {
        assert_ne!(std::thread::current().name(), Some("gpu"), "as the test wants");
    }
}

#[test]
fn a_panic_of_the_devices_thread_ends_the_server_with_an_error_that_says_so() {
    let mut gpu = Gpu::new(GpuConfig::by_device_id(0x1616).unwrap(), GuestRam::empty());
    gpu.set_observer(Some(Box::new(Panicking)));
    let server = TestServer::start_gpu(gpu, false);
    let (mut client, file) = ready(&server);
    submit(&mut client, &file, &user_interrupt());
    // The client is still connected and silent.
    let error = server.ended().expect_err("the device is dead");
    assert_eq!(error.to_string(), "the device's thread panicked");
    drop(client);
}
