//! Bringing the driver up and down.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::config::{Config, PpgttMode};
use crate::engine::Engine;
use crate::error::Error;
use crate::gem::{Gem, MemoryLists, Names, Numbers};
use crate::gt::{Gt, GtConfig, ProbeError};
use crate::hardware::Hardware;
use crate::lock::StructMutex;
use crate::platform::Platform;
use crate::slab::Slab;
use crate::worker::Timers;

/// The driver over a machine's GPU.
pub type Driver<P> = Gem<Gt<P>>;

impl<P: Platform> Gem<Gt<P>> {
    /// Probes the device and brings it up.
    pub fn new(platform: P, config: Config) -> Result<Self, ProbeError> {
        let gt_config =
            GtConfig { submission: config.submission, levels: config.levels, hints: config.hints };
        Ok(Gem::over(Gt::probe(platform, gt_config)?, config))
    }

    /// Closes every client, waits, frees everything and returns the machine.
    pub fn shutdown(mut self) -> P {
        self.teardown();
        self.hw.shutdown()
    }

    /// The machine.
    pub fn platform_mut(&mut self) -> &mut P {
        self.hw.platform_mut()
    }
}

impl<H: Hardware> Gem<H> {
    /// A driver over hardware that is up.
    pub(crate) fn over(hw: H, config: Config) -> Self {
        let mut vms = Slab::new("address space");
        let ggtt = vms.insert(Self::ggtt_record());
        let engines = hw.engines().iter().map(|&id| Engine::new(id)).collect();
        let mut gem = Gem {
            hw,
            config,
            clients: BTreeMap::new(),
            objects: Slab::new("object"),
            vmas: Slab::new("VMA"),
            vms,
            contexts: Slab::new("context"),
            requests: Slab::new("request"),
            engines,
            images: BTreeMap::new(),
            ggtt_nodes: BTreeMap::new(),
            ggtt,
            aliasing: None,
            shared_scratch: None,
            mm: MemoryLists::default(),
            names: Names::default(),
            numbers: Numbers::default(),
            lock: StructMutex::default(),
            findings: Vec::new(),
            actions: VecDeque::new(),
            faults: Vec::new(),
            timers: Timers::default(),
            reset_pending: Vec::new(),
            wedged: false,
        };
        if config.ppgtt == PpgttMode::Aliasing {
            gem.create_aliasing();
        }
        gem
    }

    /// The driver holds the aliasing PPGTT for as long as it runs. It is VM 0 as the GGTT is, whose
    /// bindings it repeats without VMAs of its own. Without pages for it, the driver goes on
    /// without PPGTT.
    fn create_aliasing(&mut self) {
        match self.vm_create_as(0, None) {
            Ok(vm) => self.aliasing = Some(vm),
            Err(_) => self.config.ppgtt = PpgttMode::None,
        }
    }

    /// Frees everything that clients and the kernel hold. What a policy leaked goes here too, with
    /// the objects that it hangs on.
    pub(crate) fn teardown(&mut self) {
        self.quiesce();
        if !self.is_idle() {
            self.force_idle();
        }
        let freed = self.free_all();
        let _ = self.note(freed);
        self.settle();
        if let Some(aliasing) = self.aliasing.take() {
            let _ = self.locked("teardown", |gem| gem.vm_put(aliasing));
        }
        self.free_shared_scratch();
    }

    /// Nobody is left who could feed the GPU: resets what still hangs.
    fn force_idle(&mut self) {
        for index in 0..self.engines.len() {
            let engine = self.engines[index].id;
            // One reset skips one request; a context's later ones go with it.
            for _ in 0..self.engines[index].requests.len() {
                if self.engines[index].requests.is_empty() || self.wedged {
                    break;
                }
                let _ = self.locked("reset", |gem| gem.reset(engine));
                let _ = self.wait_idle();
            }
        }
        let _ = self.wait_idle();
    }

    fn free_all(&mut self) -> Result<(), Error> {
        let clients: Vec<_> = self.clients.keys().copied().collect();
        clients.into_iter().try_for_each(|client| self.close(client))?;
        let bufs: Vec<_> = self.names.dma_bufs.keys().copied().collect();
        bufs.into_iter().try_for_each(|buf| self.dma_buf_close(buf))?;
        let fbs: Vec<_> = self.names.frame_buffers.keys().copied().collect();
        fbs.into_iter().try_for_each(|fb| self.fb_destroy(fb))
    }
}
