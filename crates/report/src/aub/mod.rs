//! What was submitted, as an AUB file: the format of Intel's simulators, which Mesa's `aubinator` reads.
//!
//! A file is made beside a device that runs, a replay above all: [`Runs`] observes what engines run, and
//! [`Aub`] writes each run once it is over. So what it needs of memory is known, also where a recording
//! holds only what the device read. A run is written as the submission that it was: the pages that it used,
//! the context image with HEAD and TAIL as the engine loaded them, and the ELSP.

mod packets;
mod runs;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};

use gen8_spec::context_image::{self, STATE_PAGE};
use gen8_spec::execlists::{Addressing, ContextDescriptor};
use gen8_spec::mmio::ring;
use gen8_spec::{PAGE_SIZE, pte};
use gpu_model::Gpu;
use ppgtt::{PageTableRoot, PhysicalMemory};

use self::packets::{Packets, Space};
pub use self::runs::{Run, Runs};

/// Tables that are put above three levels of page tables lie here: above all memory that a GPU of this
/// generation reaches (39 bits).
const ABOVE_MEMORY: u64 = 1 << 39;

/// A page.
type Page = [u8; PAGE_SIZE as usize];

/// An AUB file under construction.
pub struct Aub<W: Write> {
    packets: Packets<W>,
    /// Hashes of the pages in the file, by physical address.
    pages: HashMap<u64, u64>,
    /// GGTT entries in the file, by index.
    ggtt: HashMap<u64, u64>,
    /// Numbers of three-level roots: each has two pages [`ABOVE_MEMORY`].
    roots: BTreeMap<[u64; 4], u64>,
    written: u64,
    left_out: u64,
}

impl<W: Write> Aub<W> {
    /// The file's beginning. `device_id` tells the reader which commands there are.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(to: W, device_id: u16) -> io::Result<Aub<W>> {
        let mut packets = Packets::new(to);
        packets.version(&format!("PCI-ID=0x{device_id:X} gen8emu"))?;
        let (pages, ggtt, roots) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        Ok(Aub { packets, pages, ggtt, roots, written: 0, left_out: 0 })
    }

    /// Writes a run of `gpu`, which is as the run left it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn run(&mut self, gpu: &Gpu, run: &Run) -> io::Result<()> {
        let mut state = [0; PAGE_SIZE as usize];
        let execlists = gpu.engines().get(run.engine.index());
        let execlists = execlists.is_some_and(gpu_model::Engine::is_in_execlists_mode);
        // In legacy mode a ring has no context from which a reader could find it.
        if !execlists || !gpu.memory().read_bytes(run.state_page, &mut state) {
            self.left_out += 1;
            return Ok(());
        }
        self.written += 1;
        let name = run.engine.name();
        self.packets
            .comment(&format!("run {} on {name}, context {}", self.written, run.context))?;
        for &(virtual_page, physical) in &run.ggtt {
            self.ggtt_entry(virtual_page, physical | pte::PRESENT)?;
            self.page(gpu, physical)?;
        }
        for &(address, physical) in &run.ppgtt {
            self.tables(gpu, run.root, address)?;
            self.page(gpu, physical)?;
        }
        self.image(gpu, run)?;
        let dword = |state: &Page, register: usize| {
            let at = 4 * (register + 1);
            state
                .get(at..at + 4)
                .map_or(0, |bytes| bytes.iter().rev().fold(0, |n, &b| n << 8 | u32::from(b)))
        };
        let start = dword(&state, context_image::RING_START);
        let length =
            (dword(&state, context_image::RING_CTL) & ring::CTL_SIZE_MASK) + PAGE_SIZE as u32;
        self.ring(gpu, start, length)?;
        let pml4 = self.pml4(run.root)?;
        let [head, tail] = [run.head & ring::HEAD_ADDR, run.tail & ring::TAIL_ADDR];
        // A reader takes what lies between HEAD and TAIL: a run around the end of its ring is two.
        let pieces = if tail < head { vec![(head, length), (0, tail)] } else { vec![(head, tail)] };
        for (head, tail) in pieces {
            let registers = [
                (context_image::RING_HEAD, head),
                (context_image::RING_TAIL, tail),
                (context_image::pdp_udw(0), (pml4 >> 32) as u32),
                (context_image::pdp_ldw(0), pml4 as u32),
            ];
            for (register, value) in registers {
                let at = 4 * (register + 1);
                state[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            self.bytes(run.state_page, &state)?;
            let descriptor =
                ContextDescriptor::new(run.image as u32, run.context, Addressing::Legacy64);
            self.packets.submit(run.engine.mmio_base() + ring::ELSP, descriptor)?;
        }
        Ok(())
    }

    /// Runs in the file, and those that it cannot hold: they have no context image.
    pub fn runs(&self) -> (u64, u64) {
        (self.written, self.left_out)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.packets.finish()
    }

    /// Status page and state page of the context, which lie one behind the other in the GGTT.
    fn image(&mut self, gpu: &Gpu, run: &Run) -> io::Result<()> {
        if let Ok(page) = gpu.ggtt().translate(run.image) {
            self.ggtt_entry(run.image, page | pte::PRESENT)?;
            self.page(gpu, page)?;
        }
        self.ggtt_entry(run.image + STATE_PAGE * PAGE_SIZE, run.state_page | pte::PRESENT)
    }

    fn ring(&mut self, gpu: &Gpu, start: u32, length: u32) -> io::Result<()> {
        for offset in (0..length).step_by(PAGE_SIZE as usize) {
            let address = u64::from(start) + u64::from(offset);
            if let Ok(page) = gpu.ggtt().translate(address) {
                self.ggtt_entry(address, page | pte::PRESENT)?;
                self.page(gpu, page)?;
            }
        }
        Ok(())
    }

    /// The page tables on the way to `address`.
    fn tables(&mut self, gpu: &Gpu, root: Option<PageTableRoot>, address: u64) -> io::Result<()> {
        let (mut table, shifts): (u64, &[u32]) = match root {
            Some(PageTableRoot::FourLevel(pml4)) => (pml4, &[39, 30, 21, 12]),
            Some(PageTableRoot::ThreeLevel(pdps)) => {
                (pdps[(address >> 30) as usize & 3], &[21, 12])
            }
            None => return Ok(()),
        };
        for shift in shifts {
            self.page(gpu, table)?;
            let entry = gpu.memory().read_u64(table + 8 * (address >> shift & 0x1ff));
            let Some(entry) = entry.filter(|entry| entry & pte::PRESENT != 0) else { break };
            table = entry & pte::ADDRESS_MASK;
        }
        Ok(())
    }

    /// Where a reader begins, who knows four levels only: three get two more above them.
    fn pml4(&mut self, root: Option<PageTableRoot>) -> io::Result<u64> {
        let pdps = match root {
            Some(PageTableRoot::FourLevel(pml4)) => return Ok(pml4),
            Some(PageTableRoot::ThreeLevel(pdps)) => pdps,
            None => return Ok(0),
        };
        let count = self.roots.len() as u64;
        let number = *self.roots.entry(pdps).or_insert(count);
        let pml4 = ABOVE_MEMORY + 2 * PAGE_SIZE * number;
        let mut tables = [[0; PAGE_SIZE as usize]; 2];
        let entry = |address: u64| (address | pte::PRESENT | pte::WRITABLE).to_le_bytes();
        tables[0][..8].copy_from_slice(&entry(pml4 + PAGE_SIZE));
        for (n, &pdp) in pdps.iter().enumerate().filter(|&(_, &pdp)| pdp != 0) {
            tables[1][8 * n..8 * n + 8].copy_from_slice(&entry(pdp));
        }
        self.bytes(pml4, &tables[0])?;
        self.bytes(pml4 + PAGE_SIZE, &tables[1])?;
        Ok(pml4)
    }

    fn ggtt_entry(&mut self, address: u64, entry: u64) -> io::Result<()> {
        let index = address / PAGE_SIZE;
        if self.ggtt.insert(index, entry) == Some(entry) {
            return Ok(());
        }
        self.packets.memory(Space::GgttEntry, 8 * index, &entry.to_le_bytes())
    }

    /// A page of memory as it is, if it is not in the file like that already.
    fn page(&mut self, gpu: &Gpu, physical: u64) -> io::Result<()> {
        let physical = physical & !(PAGE_SIZE - 1);
        let mut page = [0; PAGE_SIZE as usize];
        match gpu.memory().read_bytes(physical, &mut page) {
            true => self.bytes(physical, &page),
            false => Ok(()),
        }
    }

    fn bytes(&mut self, physical: u64, page: &Page) -> io::Result<()> {
        let mut hasher = DefaultHasher::new();
        page.hash(&mut hasher);
        let hash = hasher.finish();
        if self.pages.insert(physical, hash) == Some(hash) {
            return Ok(());
        }
        self.packets.memory(Space::Physical, physical, page)
    }
}
