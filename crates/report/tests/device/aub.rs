//! The AUB file by the rules of its format, as its readers read it, and by `aubinator` where there is one
//! (`GEN8EMU_AUBINATOR`: no package of Debian has it).

use std::collections::BTreeMap;

use gen8_spec::{PAGE_SIZE, context_image, mmio::ring};
use gpu_model::Gpu;
use report::{Aub, Runs};

use crate::stuck;

/// What a reader gets out of a file.
#[derive(Default)]
struct Read {
    application: String,
    memory: BTreeMap<u64, u8>,
    ggtt: BTreeMap<u64, u64>,
    /// Register writes in order.
    registers: Vec<(u32, u32)>,
    comments: Vec<String>,
}

fn dwords(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn read(file: &[u8]) -> Read {
    assert!(file.len().is_multiple_of(4));
    let all = dwords(file);
    let mut read = Read::default();
    let mut at = 0;
    while at < all.len() {
        let length = (all[at] & 0xffff) as usize + 1;
        let packet = &all[at..at + length];
        let data = |from: usize| -> Vec<u8> {
            packet[from..].iter().flat_map(|d| d.to_le_bytes()).collect()
        };
        assert_eq!(packet[0] >> 23, 7 << 6 | 0x2e, "packet at dword {at}");
        match packet[0] >> 16 & 0x7f {
            0x0e => read.application = String::from_utf8(data(5)).unwrap(),
            0x08 => read.comments.push(String::from_utf8(data(2)).unwrap()),
            0x03 => read.registers.push((packet[1], packet[5])),
            0x06 => {
                let address = u64::from(packet[2]) << 32 | u64::from(packet[1]);
                let data = data(5);
                assert_eq!(data.len(), packet[4] as usize);
                match packet[3] >> 28 {
                    2 => read.memory.extend((address..).zip(data)),
                    4 => drop(
                        read.ggtt.insert(address / 8, u64::from_le_bytes(data.try_into().unwrap())),
                    ),
                    space => panic!("no such space: {space}"),
                }
            }
            kind => panic!("no such packet: {kind:#x}"),
        }
        at += length;
    }
    read
}

impl Read {
    fn dword(&self, physical: u64) -> u32 {
        (0..4).rev().fold(0, |n, byte| n << 8 | u32::from(self.memory[&(physical + byte)]))
    }

    fn behind_ggtt(&self, address: u64) -> u64 {
        self.ggtt[&(address / PAGE_SIZE)] & !(PAGE_SIZE - 1) | address & (PAGE_SIZE - 1)
    }
}

/// The file of all that happens in `work`.
fn file(work: impl FnOnce(&mut Gpu)) -> Vec<u8> {
    let mut gpu = stuck::idle();
    let runs = Runs::default();
    gpu.set_observer(Some(Box::new(runs.clone())));
    work(&mut gpu);
    let mut aub = Aub::new(Vec::new(), 0x1616).unwrap();
    for run in runs.take_all() {
        aub.run(&gpu, &run).unwrap();
    }
    aub.finish().unwrap()
}

fn stuck_file() -> Vec<u8> {
    file(|gpu| {
        stuck::submit(gpu);
        gpu.step(100);
    })
}

#[test]
fn a_reader_finds_ring_and_batch_from_the_submission_on() {
    let read = read(&stuck_file());
    assert!(read.application.starts_with("PCI-ID=0x1616 "), "{}", read.application);
    assert_eq!(read.comments.len(), 1);
    let elsp: Vec<u32> = read.registers.iter().map(|&(_, value)| value).collect();
    assert!(read.registers.iter().all(|&(offset, _)| offset == 0x2000 + ring::ELSP));
    assert_eq!(elsp, [0, 0, 0x20, stuck::IMAGE | 0x139]);
    // As aubinator goes: the state page behind the descriptor's address, then ring and PML4.
    let state = read.behind_ggtt(u64::from(elsp[3] & 0xffff_f000) + PAGE_SIZE);
    let register = |n: usize| read.dword(state + 4 * (n as u64 + 1));
    assert_eq!([register(context_image::RING_HEAD), register(context_image::RING_TAIL)], [0, 16]);
    let first = read.behind_ggtt(register(context_image::RING_START).into());
    assert_eq!([0, 4].map(|n| read.dword(first + n)), [0x1880_0101, stuck::BATCH_VA as u32]);
    let mut table = u64::from(register(context_image::pdp_ldw(0)));
    for shift in [39, 30, 21, 12] {
        table = u64::from(read.dword(table + 8 * (stuck::BATCH_VA >> shift & 0x1ff)) & !0xfff);
    }
    assert_eq!(read.dword(table + 12), 0x1880_0101, "the batch");
}

#[test]
fn memory_that_did_not_change_is_written_once() {
    let once = stuck_file().len();
    let mut gpu = stuck::idle();
    let runs = Runs::default();
    gpu.set_observer(Some(Box::new(runs.clone())));
    stuck::submit(&mut gpu);
    gpu.step(100);
    let runs = runs.take_all();
    let mut aub = Aub::new(Vec::new(), 0x1616).unwrap();
    for _ in 0..2 {
        aub.run(&gpu, &runs[0]).unwrap();
    }
    assert_eq!(aub.runs(), (2, 0));
    let twice = aub.finish().unwrap().len();
    assert!(twice - once < 200, "{once} and {twice} bytes");
}

#[test]
fn a_run_around_the_end_of_its_ring_is_two_submissions() {
    let mut gpu = stuck::idle();
    let runs = Runs::default();
    gpu.set_observer(Some(Box::new(runs.clone())));
    stuck::submit(&mut gpu);
    gpu.step(100);
    let mut runs = runs.take_all();
    (runs[0].head, runs[0].tail) = (0xff0, 16);
    let mut aub = Aub::new(Vec::new(), 0x1616).unwrap();
    aub.run(&gpu, &runs[0]).unwrap();
    let read = read(&aub.finish().unwrap());
    assert_eq!(read.registers.len(), 8);
}

#[test]
fn a_run_of_a_legacy_ring_is_counted_and_left_out() {
    let mut gpu = stuck::stuck();
    let runs = Runs::default();
    gpu.set_observer(Some(Box::new(runs.clone())));
    let run = report::Run {
        engine: gen8_spec::engine::EngineId::Rcs,
        context: 1,
        image: 0,
        state_page: u64::MAX,
        head: 0,
        tail: 0,
        root: None,
        ggtt: Default::default(),
        ppgtt: Default::default(),
    };
    let mut aub = Aub::new(Vec::new(), 0x1616).unwrap();
    aub.run(&gpu, &run).unwrap();
    assert_eq!(aub.runs(), (0, 1));
}

mod with_aubinator {
    use std::process::Command;
    use std::{env, fs};

    #[test]
    fn the_field_s_reader_decodes_the_batch() {
        let Some(aubinator) = env::var_os("GEN8EMU_AUBINATOR") else {
            println!("skipped: GEN8EMU_AUBINATOR names no aubinator");
            return;
        };
        let path = env::temp_dir().join(format!("gen8emu-{}.aub", std::process::id()));
        fs::write(&path, super::stuck_file()).unwrap();
        let mut command = Command::new(aubinator);
        command.args(["--color=never", "--no-pager"]).arg(&path);
        let output = command.output().expect("aubinator starts");
        fs::remove_file(&path).ok();
        let said = String::from_utf8_lossy(&output.stdout);
        // In the ring, and again in the batch, which starts itself.
        let starts = said.matches("MI_BATCH_BUFFER_START").count();
        assert!(starts >= 2 && said.contains("0x00200000"), "{said}");
    }
}
