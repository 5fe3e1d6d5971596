//! What a screen costs whoever looks at it: 1024x768 in 32 bits, X-tiled.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use gen8_spec::pte::encode_ggtt_pte;
use gen8_spec::registers::{outputs as regs, planes};
use gen8_spec::{PAGE_SIZE, pci};
use gpu_model::display::{Output, Scanner, Screen};
use gpu_model::{Bar, Gpu, GpuConfig, GuestRam};

use super::measure::Pair;
use super::{Bench, Target, Unit, measure};

pub(super) const SCANOUT_XTILE: Bench = Bench {
    name: "scanout_xtile",
    about: "a picture of 3 MiB from an X-tiled surface, all of it new",
    limit: "memcpy of as much",
    unit: Unit::GigabytesPerSecond,
    target: Target::Ratio(1.0 / 0.5),
    run: redraw,
};

pub(super) const SCANOUT_IDLE: Bench = Bench {
    name: "scanout_idle",
    about: "a look at a picture of 3 MiB in which nothing changed",
    limit: "the time between two frames at 60 Hz",
    unit: Unit::Microseconds,
    target: Target::Ratio(0.05),
    run: idle,
};

const WIDTH: u32 = 1024;
const HEIGHT: u32 = 768;
const STRIDE: u32 = 4 * WIDTH;
/// Bytes of a picture.
const SIZE: usize = (STRIDE * HEIGHT) as usize;
/// Pages of a surface.
const PAGES: u64 = SIZE as u64 / PAGE_SIZE;
/// Nanoseconds between two frames.
const FRAME_NS: f64 = 1e9 / 60.0;

/// A device whose pipe shows the first of two surfaces that differ in every row.
struct Shown {
    gpu: Gpu,
}

impl Shown {
    fn new() -> Result<Shown> {
        let memory = GuestRam::anonymous(2 * SIZE as u64)?;
        let mut config = GpuConfig::by_device_id(0x1616).context("no such part")?;
        config.outputs = vec![format!("hdmi={WIDTH}x{HEIGHT}").parse::<Output>()?];
        let mut gpu = Gpu::new(config, memory.clone());
        let command = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
        gpu.config_write(pci::CFG_COMMAND, 2, command.into());
        for surface in 0..2 {
            let content = [surface as u8 + 1; PAGE_SIZE as usize];
            // The pages lie in memory in reverse, as no driver's would.
            for page in surface * PAGES..(surface + 1) * PAGES {
                let address = (2 * PAGES - 1 - page) * PAGE_SIZE;
                let pte = encode_ggtt_pte(address);
                gpu.bar_write(Bar::Bar0, pci::BAR0_GGTT_OFFSET + 8 * page, 8, pte);
                memory.write_bytes(address, &content);
            }
        }
        let mut shown = Shown { gpu };
        let format = planes::FORMAT_BGRX888 << planes::PLANE_FORMAT_SHIFT;
        shown.write(regs::PIPESRC, (WIDTH - 1) << regs::PIPESRC_WIDTH_SHIFT | (HEIGHT - 1));
        shown.write(planes::DSPCNTR, planes::PLANE_ENABLE | planes::PLANE_X_TILED | format);
        shown.write(planes::DSPSTRIDE, STRIDE);
        Ok(shown)
    }

    fn write(&mut self, register: u32, value: u32) {
        self.gpu.bar_write(Bar::Bar0, register.into(), 4, value.into());
    }

    /// What the pipe sends when it shows this surface.
    fn screen(&mut self, surface: u64) -> Result<Screen> {
        // While the pipe is off, an address takes effect at once.
        self.write(regs::PIPECONF, 0);
        self.write(planes::DSPSURF, (surface * PAGES * PAGE_SIZE) as u32);
        self.write(regs::PIPECONF, regs::PIPECONF_ENABLE);
        self.gpu.screen(0).context("the pipe sends nothing")
    }
}

fn redraw() -> Result<Pair> {
    let mut shown = Shown::new()?;
    let screens = [shown.screen(0)?, shown.screen(1)?];
    let mut scanner = Scanner::new();
    for (n, screen) in screens.iter().enumerate() {
        scanner.update(screen);
        let color = n as u8 + 1;
        let expected = [color, color, color, 0];
        let wrong = scanner.picture().pixels.iter().position(|&pixel| pixel != expected);
        ensure!(wrong.is_none(), "pixel {wrong:?} is not what the surface holds");
    }
    let sources = [vec![1_u8; SIZE], vec![2_u8; SIZE]];
    let mut target = vec![0_u8; SIZE];
    Ok(measure::pair(
        |rounds| {
            for screen in screens.iter().cycle().take(rounds as usize) {
                black_box(scanner.update(black_box(screen)));
            }
            u64::from(rounds) * SIZE as u64
        },
        |rounds| {
            for source in sources.iter().cycle().take(rounds as usize) {
                black_box(&mut target).copy_from_slice(black_box(source));
            }
            u64::from(rounds) * SIZE as u64
        },
    ))
}

fn idle() -> Result<Pair> {
    let mut shown = Shown::new()?;
    let mut scanner = Scanner::new();
    scanner.update(&shown.screen(0)?);
    let gpu = &shown.gpu;
    let mut look = || gpu.screen(0).map(|screen| scanner.update(&screen).is_empty());
    ensure!(look() == Some(true), "a picture changed by itself");
    let subject = |rounds: u32| {
        for _ in 0..rounds {
            black_box(look());
        }
        rounds.into()
    };
    let Pair { subject, .. } = measure::pair(subject, u64::from);
    Ok(Pair { subject, limit: FRAME_NS, median: None })
}
