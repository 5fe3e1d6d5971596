//! The protocol as QEMU uses it: what a client sees of the device.

use crate::client::{
    BAR0, BAR2, CONFIG, Client, DMA_MAP, GET_INFO, IRQ_INFO, REGION_INFO, RESET, TestServer, WRITE,
    WRITE_MANY, aim_aperture, enable, memory, read_u32, words, write_u32,
};
use gen8_spec::{interrupts, pci};

const READ_ONLY: u32 = 1;
const READ_WRITE: u32 = 3;
const GIB: u64 = 1 << 30;
/// A register that stores what is written.
const IER: u32 = interrupts::gt_bank(0) + interrupts::IER;

#[test]
fn device_regions_and_interrupts_are_described_as_vfio_describes_a_pci_function() {
    let server = TestServer::start();
    let mut client = server.client();
    // PCI and resettable; 9 regions, 5 interrupts.
    assert_eq!(client.ask(GET_INFO, &words(&[16, 0, 0, 0])), Ok(words(&[16, 3, 9, 5])));
    for (index, size) in [(0, pci::BAR0_SIZE), (4, pci::BAR4_SIZE), (7, 256), (1, 0), (6, 0)] {
        let answer = client.ask(REGION_INFO, &words(&[32, 0, index, 0, 0, 0, 0, 0])).unwrap();
        let flags = if size == 0 { 0 } else { 3 };
        assert_eq!(answer, words(&[32, flags, index, 0, size as u32, 0, 0, 0]), "{index}");
    }
    for (index, flags, count) in [(0, 7, 1), (1, 9, 1), (2, 0, 0), (3, 0, 0), (4, 0, 0)] {
        let answer = client.ask(IRQ_INFO, &words(&[16, 0, index, 0]));
        assert_eq!(answer, Ok(words(&[16, flags, index, count])), "{index}");
    }
    server.end();
}

#[test]
fn aperture_can_be_mapped_at_no_place_so_that_qemu_waits_for_writes_to_it() {
    let server = TestServer::start();
    let mut client = server.client();
    let ask = |client: &mut Client, room| {
        client.ask(REGION_INFO, &words(&[room, 0, 2, 0, 0, 0, 0, 0])).unwrap()
    };
    // Read, write, mapping, capabilities; the capability at 32.
    let info = words(&[48, 0xf, 2, 32, pci::BAR2_SIZE as u32, 0, 0, 0]);
    assert_eq!(ask(&mut client, 32), info);
    // Sparse mapping (1), version 1, no next one, no areas.
    assert_eq!(ask(&mut client, 48), [info, words(&[1 << 16 | 1, 0, 0, 0])].concat());
    server.end();
}

#[test]
fn configuration_space_is_read_as_a_whole_and_in_parts() {
    let server = TestServer::start();
    let mut client = server.client();
    let all = client.read(CONFIG, 0, 256).unwrap();
    assert_eq!(all[..4], [0x86, 0x80, 0x16, 0x16]);
    for (offset, count) in [(0, 1), (1, 2), (2, 4), (3, 5), (0x91, 7), (255, 1)] {
        let part = client.read(CONFIG, offset, count).unwrap();
        assert_eq!(part, all[offset as usize..][..count as usize], "{offset:#x}+{count}");
    }
    server.end();
}

#[test]
fn posted_writes_are_carried_out_in_order_and_never_answered() {
    let server = TestServer::start();
    let mut client = server.client();
    enable(&mut client);
    for value in 1..=1000 {
        client.post(BAR0, IER.into(), value);
    }
    // Were a write answered, this would receive its reply.
    assert_eq!(client.read32(BAR0, IER.into()), 1000);
    // A refused one is not answered either.
    let body = Client::write_body(BAR0, pci::BAR0_SIZE, &[0; 4]);
    client.send(WRITE, 0x10, &body, &[]);
    assert_eq!(client.read32(BAR0, IER.into()), 1000);
    server.end();
}

#[test]
fn many_writes_in_one_message_are_carried_out_in_order_and_answered_if_wanted() {
    let server = TestServer::start();
    let mut client = server.client();
    let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
    let mut writes = vec![(CONFIG, pci::CFG_COMMAND.into(), 2, command.into())];
    writes.extend((1..=200).map(|value| (BAR0, IER.into(), 4, value)));
    // All eight bytes of a GGTT PTE; of a write of four bytes only these.
    writes.push((BAR0, pci::BAR0_GGTT_OFFSET, 8, 0x0f00_0000_1234_5001));
    writes.push((BAR0, IER.into(), 4, 0xffff_ffff_0000_0055));
    let body = Client::many_body(writes.len() as u64, &writes);
    assert_eq!(client.ask(WRITE_MANY, &body), Ok((writes.len() as u64).to_ne_bytes().to_vec()));
    assert_eq!(client.read32(BAR0, IER.into()), 0x55);
    assert_eq!(client.read32(BAR0, pci::BAR0_GGTT_OFFSET), 0x1234_5001);
    // As QEMU sends it: were it answered, the read would receive the reply.
    let posted = Client::many_body(1, &[(BAR0, IER.into(), 4, 0x66)]);
    client.send(WRITE_MANY, 0x10, &posted, &[]);
    assert_eq!(client.read32(BAR0, IER.into()), 0x66);
    server.end();
}

#[test]
fn if_one_of_many_writes_is_wrong_none_is_carried_out() {
    let server = TestServer::start();
    let mut client = server.client();
    enable(&mut client);
    let good = (BAR0, u64::from(IER), 4, 7);
    for (count, wrong) in [
        (2, (BAR0, u64::from(IER), 9, 0)),
        (2, (BAR0, pci::BAR0_SIZE, 4, 0)),
        (2, (9, 0, 4, 0)),
        (2, (BAR0, u64::MAX, 4, 0)),
        (3, good),
        (u64::MAX, good),
        (1 << 60, good),
    ] {
        let answer = client.ask(WRITE_MANY, &Client::many_body(count, &[good, wrong]));
        assert_eq!(answer, Err(libc::EINVAL as u32), "{count} {wrong:?}");
        assert_eq!(client.read32(BAR0, IER.into()), 0);
    }
    assert_eq!(client.ask(WRITE_MANY, &[0; 7]), Err(libc::EINVAL as u32));
    assert!(client.ask(WRITE_MANY, &[0; 8]).is_ok());
    server.end();
}

#[test]
fn memory_above_4_gib_is_reached_where_it_is_mapped_until_it_is_unmapped() {
    let server = TestServer::start();
    let mut client = server.client();
    enable(&mut client);
    let file = memory(0x10_0000);
    write_u32(&file, 0x3004, 0x1234);
    client.map(READ_WRITE, 5 * GIB, 0x10_0000, &file).unwrap();
    aim_aperture(&mut client, 5 * GIB + 0x3000);
    assert_eq!(client.read32(BAR2, 4), 0x1234);
    client.write(BAR2, 8, &0x5678u32.to_le_bytes()).unwrap();
    assert_eq!(read_u32(&file, 0x3008), 0x5678);
    let unmapped = client.unmap(5 * GIB, 0x10_0000).unwrap();
    assert_eq!(unmapped[16..], 0x10_0000u64.to_ne_bytes());
    assert_eq!(client.read32(BAR2, 4), 0);
    client.write(BAR2, 8, &[0; 4]).unwrap();
    assert_eq!(read_u32(&file, 0x3008), 0x5678);
    server.end();
}

#[test]
fn read_only_memory_is_read_and_never_written_though_its_file_could_be() {
    let server = TestServer::start();
    let mut client = server.client();
    enable(&mut client);
    let file = memory(0x1000);
    write_u32(&file, 4, 0x1234);
    client.map(READ_ONLY, 0xc_0000, 0x1000, &file).unwrap();
    aim_aperture(&mut client, 0xc_0000);
    assert_eq!(client.read32(BAR2, 4), 0x1234);
    client.write(BAR2, 4, &[0xff; 4]).unwrap();
    assert_eq!(read_u32(&file, 4), 0x1234);
    server.end();
}

#[test]
fn memory_without_a_file_is_kept_in_the_books_but_not_reached() {
    let server = TestServer::start();
    let mut client = server.client();
    enable(&mut client);
    let body = Client::map_body(READ_ONLY, 0, 0xfffc_0000, 0x4_0000);
    assert_eq!(client.ask(DMA_MAP, &body), Ok(vec![]));
    aim_aperture(&mut client, 0xfffc_0000);
    assert_eq!(client.read32(BAR2, 0), 0);
    assert_eq!(client.ask(DMA_MAP, &body), Err(libc::EEXIST as u32));
    assert!(client.unmap(0xfffc_0000, 0x4_0000).is_ok());
    server.end();
}

#[test]
fn mappings_are_unmapped_whole_and_never_overlap() {
    let server = TestServer::start();
    let mut client = server.client();
    let file = memory(0x4000);
    let invalid = Err(libc::EINVAL as u32);
    for address in [0x1_0000, 0x1_4000] {
        client.map(READ_WRITE, address, 0x4000, &file).unwrap();
    }
    for (address, size) in [(0x1_3000, 0x1000), (0xf000, 0x2000), (0x1_7000, 0x1000)] {
        let answer = client.map(READ_WRITE, address, size, &file);
        assert_eq!(answer, Err(libc::EEXIST as u32), "{address:#x}");
    }
    for (address, size) in [(0x1_0000, 0x1000), (0x1_1000, 0x7000), (0x1_0000, 0x5000)] {
        assert_eq!(client.unmap(address, size), invalid, "{address:#x}");
    }
    assert_eq!(client.unmap(0x2_0000, 0x1000), Err(libc::ENOENT as u32));
    // Not whole pages, nothing, over the end, not so long a file, no rights.
    for (flags, address, size) in [
        (READ_WRITE, 0x2_0800, 0x1000),
        (READ_WRITE, 0x2_0000, 0x800),
        (READ_WRITE, 0x2_0000, 0),
        (READ_WRITE, !0xfff, 0x2000),
        (READ_WRITE, 0x2_0000, 0x5000),
        (0, 0x2_0000, 0x1000),
        (8, 0x2_0000, 0x1000),
    ] {
        assert_eq!(client.map(flags, address, size, &file), invalid, "{flags} {address:#x}");
    }
    let both = client.unmap(0x1_0000, 0x8000).unwrap();
    assert_eq!(both[16..], 0x8000u64.to_ne_bytes());
    assert_eq!(client.unmap(0x1_0000, 0x8000), Err(libc::ENOENT as u32));
    server.end();
}

#[test]
fn everything_is_unmapped_at_once_by_linux_flag_for_it_and_by_no_other() {
    // Dirty pages, everything, virtual addresses (Linux `vfio.h`).
    let [dirty, all, vaddr] = [1, 2, 4];
    let server = TestServer::start();
    let mut client = server.client();
    let file = memory(0x4000);
    client.map(READ_WRITE, 0, 0x4000, &file).unwrap();
    client.map(READ_WRITE, 8 * GIB, 0x2000, &file).unwrap();
    for flags in [dirty, vaddr, all | dirty, all | vaddr, 8] {
        let answer = client.unmap_with(flags, 0, 0);
        assert_eq!(answer, Err(libc::EOPNOTSUPP as u32), "{flags}");
    }
    assert_eq!(client.unmap_with(all, 0, 0x4000), Err(libc::EINVAL as u32));
    let unmapped = client.unmap_with(all, 0, 0).unwrap();
    assert_eq!(unmapped[16..], 0x6000u64.to_ne_bytes());
    for address in [0, 8 * GIB] {
        client.map(READ_WRITE, address, 0x1000, &file).unwrap();
    }
    server.end();
}

#[test]
fn reset_forgets_registers_and_keeps_the_memory_map() {
    let server = TestServer::start();
    let mut client = server.client();
    let file = memory(0x1000);
    write_u32(&file, 0, 0x77);
    client.map(READ_WRITE, 0, 0x1000, &file).unwrap();
    enable(&mut client);
    client.post(BAR0, IER.into(), 5);
    assert_eq!(client.ask(RESET, &[]), Ok(vec![]));
    // Decoding is off.
    assert_eq!(client.read32(CONFIG, pci::CFG_COMMAND.into()) as u16, 0);
    enable(&mut client);
    assert_ne!(client.read32(BAR0, IER.into()), 5);
    aim_aperture(&mut client, 0);
    assert_eq!(client.read32(BAR2, 0), 0x77);
    server.end();
}

#[test]
fn next_client_finds_a_fresh_device_and_nothing_of_the_one_before() {
    let server = TestServer::start();
    for _ in 0..3 {
        let mut client = server.client();
        assert_eq!(client.read32(CONFIG, pci::CFG_COMMAND.into()) as u16, 0);
        enable(&mut client);
        assert_eq!(client.read32(BAR2, 0), 0);
        let file = memory(0x1000);
        write_u32(&file, 0, 0x99);
        client.map(READ_WRITE, 0x8000, 0x1000, &file).unwrap();
        aim_aperture(&mut client, 0x8000);
        assert_eq!(client.read32(BAR2, 0), 0x99);
    }
    server.end();
}
