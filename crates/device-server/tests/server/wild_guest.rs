//! A guest that points the GPU at memory that is not there or cannot be written: GPU faults, and the
//! server and its other clients go on.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::client::{BAR0, CONFIG, Client, RESET, TestServer, memory, write_u32};
use crate::submission::{ENGINE, HWSP, IMAGE, RING, ready, set_up, submit, user_interrupt};
use gen8_spec::commands::mi;
use gen8_spec::mmio::{self, ring};
use gen8_spec::pte::{self, CacheLevel};
use gen8_spec::{PAGE_SIZE, context_image, interrupts, pci};

/// Nothing is mapped there.
const NOWHERE: u64 = 0x8000_0000;
/// The RAM once more, for reading only.
const READ_ONLY: u64 = 0x4000_0000;

/// A four-level page table in RAM, from the root down, and the page that virtual address 0 leads to.
const TABLES: [u64; 4] = [0x3_0000, 0x3_1000, 0x3_2000, 0x3_3000];
const PAGE: u64 = 0x3_4000;

fn put_u64(file: &File, address: u64, value: u64) {
    file.write_all_at(&value.to_le_bytes(), address).unwrap();
}

/// Lets virtual address 0 lead to `page` through the tables, of which number `wrong` is at `place`.
fn build_tables(file: &File, wrong: Option<(usize, u64)>, page: u64) -> u64 {
    let mut tables = TABLES;
    if let Some((level, place)) = wrong {
        tables[level] = place;
    }
    for (level, table) in TABLES.into_iter().enumerate() {
        let entry = match tables.get(level + 1) {
            Some(&next) => pte::encode_table(next),
            None => pte::encode_pte(page, CacheLevel::Llc, false),
        };
        put_u64(file, table, entry);
    }
    tables[0]
}

/// Lets the context's address space begin at `root`.
fn set_root(file: &File, root: u64) {
    let state = u64::from(IMAGE) + context_image::STATE_PAGE * PAGE_SIZE;
    let registers = [(context_image::pdp_udw(0), root >> 32), (context_image::pdp_ldw(0), root)];
    for (register, value) in registers {
        write_u32(file, state + 4 * (register as u64 + 1), value as u32);
    }
}

/// Lets GGTT page of `address` lead to `target`.
fn redirect(client: &mut Client, address: u32, target: u64) {
    let entry = pte::encode_ggtt_pte(target).to_le_bytes();
    let place = pci::BAR0_GGTT_OFFSET + 8 * (u64::from(address) / PAGE_SIZE);
    client.write(BAR0, place, &entry).unwrap();
}

fn batch_at_zero() -> [u32; 4] {
    [mi::header(mi::BATCH_BUFFER_START, mi::BATCH_PPGTT | 1), 0, 0, mi::header(mi::NOOP, 0)]
}

/// The first fault, once there is one.
fn fault(client: &mut Client) -> Option<u32> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let fault = client.read32(BAR0, mmio::RING_FAULT_REG.into());
        if fault & mmio::FAULT_VALID != 0 {
            return Some(fault);
        }
    }
    None
}

/// After a reset, a submission ends as it should.
fn recovers(client: &mut Client, file: &File) {
    client.ask(RESET, &[]).unwrap();
    set_up(client);
    submit(client, file, &user_interrupt());
    let identity = interrupts::gt_bank(ENGINE.interrupt_bank()) + interrupts::IIR;
    let deadline = Instant::now() + Duration::from_secs(10);
    while client.read32(BAR0, identity.into()) == 0 {
        assert!(Instant::now() < deadline, "the device does not work any more");
    }
    assert_eq!(client.read32(BAR0, mmio::RING_FAULT_REG.into()), 0);
}

#[test]
fn rings_contexts_and_status_pages_in_missing_or_read_only_memory_are_gpu_faults() {
    let server = TestServer::start();
    let (mut client, file) = ready(&server);
    client.map(1, READ_ONLY, 1 << 20, &file).unwrap();
    let state = IMAGE + (context_image::STATE_PAGE * PAGE_SIZE) as u32;
    for (what, address, target) in [
        ("ring nowhere", RING, NOWHERE),
        ("context nowhere", state, NOWHERE),
        ("context read-only", state, READ_ONLY + u64::from(state)),
        ("status page nowhere", HWSP, NOWHERE),
        ("status page read-only", HWSP, READ_ONLY + u64::from(HWSP)),
    ] {
        redirect(&mut client, address, target);
        submit(&mut client, &file, &user_interrupt());
        let fault = fault(&mut client).unwrap_or_else(|| panic!("{what}: no fault"));
        assert_ne!(fault & mmio::FAULT_GGTT, 0, "{what}: {fault:#x}");
        recovers(&mut client, &file);
    }
    server.end();
}

#[test]
fn page_tables_and_pages_in_missing_or_read_only_memory_are_gpu_faults() {
    let server = TestServer::start();
    let (mut client, file) = ready(&server);
    client.map(1, READ_ONLY, 1 << 20, &file).unwrap();
    let mut cases = vec![("page nowhere".to_owned(), None, NOWHERE)];
    cases.extend((0..4).map(|level| (format!("table {level}"), Some((level, NOWHERE)), PAGE)));
    cases.push(("page read-only".to_owned(), None, READ_ONLY + PAGE));
    for (what, wrong, page) in cases {
        set_root(&file, build_tables(&file, wrong, page));
        if page == READ_ONLY + PAGE {
            submit(&mut client, &file, &[mi::header(mi::STORE_DATA_IMM, 2), 0, 0, 1]);
        } else {
            submit(&mut client, &file, &batch_at_zero());
        }
        let fault = fault(&mut client).unwrap_or_else(|| panic!("{what}: no fault"));
        assert_eq!(fault & mmio::FAULT_GGTT, 0, "{what}: {fault:#x}");
        recovers(&mut client, &file);
    }
    server.end();
}

#[test]
fn memory_that_goes_away_under_a_running_batch_is_a_gpu_fault() {
    let server = TestServer::start();
    let (mut client, file) = ready(&server);
    // The batch, at a page of its own, jumps to itself.
    let batch = memory(PAGE_SIZE);
    for (n, &dword) in batch_at_zero().iter().enumerate() {
        write_u32(&batch, 4 * n as u64, dword);
    }
    client.map(3, NOWHERE, PAGE_SIZE, &batch).unwrap();
    set_root(&file, build_tables(&file, None, NOWHERE));
    submit(&mut client, &file, &batch_at_zero());
    let active = u64::from(ENGINE.mmio_base() + ring::ACTHD);
    let deadline = Instant::now() + Duration::from_secs(10);
    // A ring's commands have an ACTHD of their own.
    while client.read32(BAR0, active) >= 0x10 {
        assert!(Instant::now() < deadline, "the batch does not start");
    }
    assert_eq!(client.read32(BAR0, mmio::RING_FAULT_REG.into()), 0);
    client.unmap(NOWHERE, PAGE_SIZE).unwrap();
    assert!(fault(&mut client).is_some());
    assert_eq!(client.read32(CONFIG, 0), 0x1616_8086);
    recovers(&mut client, &file);
    server.end();
}
