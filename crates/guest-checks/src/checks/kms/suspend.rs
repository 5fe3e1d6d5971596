//! A screen that goes dark and comes back: by DPMS, with the GPU asleep meanwhile, and with the whole
//! machine asleep. The picture and its beat are the same afterwards.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::beats;
use super::card::Card;
use super::crc::Checksum;
use super::pulse;
use super::screen::Screen;
use super::uapi;
use crate::error::{Error, Result};
use crate::files::{self, Setting};
use crate::gpu::Node;
use crate::report::Reporter;

/// How long flips are watched afterwards.
const WATCHED: Duration = Duration::from_millis(500);
/// How long a lit screen is seen to keep the GPU awake.
const AWAKE: Duration = Duration::from_millis(500);
/// i915 lets go of the idle GPU after a second or two; emulators are slow.
const PATIENCE: Duration = Duration::from_secs(30);
/// Seconds until the machine is woken; an alarm that comes before it sleeps wakes nobody.
const SLEEP: &str = "+5";
/// What wakes it.
const ALARM: &str = "/sys/class/rtc/rtc0/wakealarm";

/// One result for each way to go dark.
pub(in crate::checks) fn run(reporter: &mut Reporter, rounds: u32) -> Result<()> {
    super::on_screen(reporter, |card, reporter| {
        let screen = Screen::first(card)?;
        let kept = Kept { card, sum: Checksum::of(&screen)?, screen: &screen };
        reporter.result(Some("DPMS"), kept.through(rounds, || dark(card, &screen, || Ok(()))));
        reporter.result(Some("runtime"), kept.through(rounds, || runtime(card, &screen)));
        reporter.result(Some("RAM"), kept.through(rounds, sleep));
        Ok(())
    })
}

/// What must be kept: a screen and its picture.
struct Kept<'a> {
    card: &'a Card,
    screen: &'a Screen,
    sum: Checksum,
}

impl Kept<'_> {
    /// Goes through `trouble` so often.
    fn through(&self, rounds: u32, trouble: impl Fn() -> Result<()>) -> Result<String> {
        for round in 1..=rounds {
            let named = |error: Error| match error {
                Error::NotHere(_) => error,
                _ => Error::Wrong(format!("round {round}: {error}")),
            };
            trouble().map_err(named)?;
            self.sum.expect("afterwards", self.screen).map_err(named)?;
            beats::flips(self.card, &[self.screen], WATCHED)
                .and_then(beats::alone)
                .map_err(named)?;
        }
        Ok(format!("{rounds} times; {} and flips after each", self.sum))
    }
}

/// Darkens the screen for `meanwhile`.
fn dark(card: &Card, screen: &Screen, meanwhile: impl Fn() -> Result<()>) -> Result<()> {
    let set = |value| card.set_property(screen.connector, uapi::OBJECT_CONNECTOR, "DPMS", value);
    set(uapi::DPMS_OFF)?;
    // A dark pipe has no blankings to wait for.
    let asked = super::events::ask_for_vblank(card, screen.pipe, 0);
    let done = meanwhile();
    set(uapi::DPMS_ON)?;
    if asked.is_ok() {
        return Err(Error::Wrong("the kernel waits for a blanking of a dark screen".into()));
    }
    done
}

/// A lit screen keeps the GPU awake; once it is dark, the GPU goes to sleep.
fn runtime(card: &Card, screen: &Screen) -> Result<()> {
    let power = Node::Card.sysfs()?.join("device/power");
    let status: PathBuf = power.join("runtime_status");
    let _delay = Setting::set(&power.join("autosuspend_delay_ms"), "10")?;
    let _control = Setting::set(&power.join("control"), "auto")?;
    screen.others_off(card)?;
    thread::sleep(AWAKE);
    if files::read(&status)? != "active" {
        return Err(Error::Wrong("the GPU sleeps while a screen is lit".into()));
    }
    dark(card, screen, || {
        let asleep = || Ok(files::read(&status)? == "suspended");
        files::wait_until("the GPU going to sleep", PATIENCE, asleep).map(drop)
    })
}

/// The whole machine sleeps, with nothing but its memory powered (ACPI S3).
fn sleep() -> Result<()> {
    let (ways, alarm) = (Path::new("/sys/power/mem_sleep"), Path::new(ALARM));
    let offered = files::read(ways).unwrap_or_default();
    if !offered.contains("deep") {
        return Err(Error::NotHere(format!("the machine can sleep so: `{offered}`")));
    }
    if !alarm.exists() {
        return Err(Error::NotHere("there is no clock that could wake the machine".into()));
    }
    files::write(ways, "deep")?;
    files::write(alarm, "0")?;
    files::write(alarm, SLEEP)?;
    files::write(Path::new("/sys/power/state"), "mem")?;
    pulse::wait_for_rest(PATIENCE)
}
