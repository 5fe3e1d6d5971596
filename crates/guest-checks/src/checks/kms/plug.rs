//! Monitors that come and go while the guest runs: the host pulls the plug and puts it in again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::beats;
use super::card::{Card, Connector};
use super::screen::Screen;
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::Node;
use crate::report::{self, Reporter};

/// How long the kernel may take to see it; i915 looks again after a second when in doubt.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long flips are watched after each change.
const WATCHED: Duration = Duration::from_millis(500);
/// Every second monitor that comes: columns and rows.
const OTHER: (usize, usize) = (800, 600);

/// Where a connector's plug is, for the host and for the kernel.
struct Plug {
    /// The letter of the port.
    port: &'static str,
    /// The connector's directory in sysfs. Its files tell what the kernel knows; reading them asks no
    /// monitor.
    directory: PathBuf,
}

impl Plug {
    fn of(connector: &Connector) -> Result<Plug> {
        // Without a video BIOS i915 numbers HDMI connectors by their ports, which begin with B.
        let port = match connector.number {
            1 => "B",
            2 => "C",
            3 => "D",
            _ => return Err(Error::Wrong(format!("which port has {}?", connector.name()))),
        };
        let card = Node::Card.sysfs()?;
        let name = card.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Plug { port, directory: card.join(format!("{name}-{}", connector.name())) })
    }

    /// Pulls it; the time until the kernel knew.
    fn pull(&self) -> Result<Duration> {
        self.change("unplug", &json!({ "port": self.port }), "disconnected")
    }

    /// Puts in a monitor of this size; likewise.
    fn put(&self, (width, height): (usize, usize)) -> Result<Duration> {
        let output = format!("hdmi={width}x{height}");
        self.change("plug", &json!({ "port": self.port, "output": output }), "connected")
    }

    /// The first of the modes that the kernel has read last.
    fn best_mode(&self) -> Result<String> {
        let modes = files::read(&self.directory.join("modes"))?;
        Ok(modes.lines().next().unwrap_or_default().to_owned())
    }

    /// Asks the host, and waits until the kernel has seen it by itself and has told user space.
    fn change(&self, command: &str, arguments: &Value, status: &str) -> Result<Duration> {
        let (status_file, uevents) =
            (self.directory.join("status"), Path::new("/sys/kernel/uevent_seqnum"));
        let told = files::read_number(uevents)?;
        report::ask_host(&json!({ "execute": command, "arguments": arguments }));
        files::wait_until(&format!("{command} of port {}", self.port), PATIENCE, || {
            Ok(files::read(&status_file)? == status && files::read_number(uevents)? > told)
        })
    }

    /// Waits until a pipe sends to it, or none does.
    fn wait_for_pipe(&self, lit: bool) -> Result<()> {
        let wanted = if lit { "enabled" } else { "disabled" };
        let file = self.directory.join("enabled");
        let what = format!("the console's screen becoming {wanted}");
        files::wait_until(&what, PATIENCE, || Ok(files::read(&file)? == wanted)).map(drop)
    }
}

/// `rounds` of pulling and putting, each while the console has the screen and while we have it.
pub(in crate::checks) fn run(reporter: &mut Reporter, rounds: u32) -> Result<()> {
    let monitor = match Card::open()?.monitors() {
        Ok(mut monitors) => monitors.swap_remove(0),
        Err(error) => {
            reporter.result(None, Err(error));
            return Ok(());
        }
    };
    let (plug, own) = (Plug::of(&monitor)?, monitor.modes[0].size());
    for round in 1..=rounds {
        let size = if round % 2 == 1 { OTHER } else { own };
        reporter.result(Some(&format!("console {round}")), under_the_console(&plug, size));
        let client = under_a_client(&plug, monitor.id, if size == own { OTHER } else { own });
        reporter.result(Some(&format!("client {round}")), client);
    }
    reporter.result(Some("end"), under_the_console(&plug, own));
    Ok(())
}

/// The console darkens the screen and lights it again, with the new monitor's best mode.
fn under_the_console(plug: &Plug, size: (usize, usize)) -> Result<String> {
    let pulled = plug.pull()?;
    plug.wait_for_pipe(false)?;
    let put = plug.put(size)?;
    plug.wait_for_pipe(true)?;
    let (best, wanted) = (plug.best_mode()?, format!("{}x{}", size.0, size.1));
    if best != wanted {
        return Err(Error::Wrong(format!("the monitor's best mode is `{best}`, not {wanted}")));
    }
    Ok(told(pulled, put))
}

/// Our screen goes on without the monitor; with the new one, its best mode can be set.
fn under_a_client(plug: &Plug, connector: u32, size: (usize, usize)) -> Result<String> {
    let card = Card::open()?;
    let before = card.connector(connector)?;
    let best = |connector: &Connector| {
        let best = connector.modes.first().copied();
        best.ok_or_else(|| Error::Wrong(format!("{} has no modes", connector.name())))
    };
    let screen = Screen::light(&card, &before, 0, best(&before)?)?;
    let pulled = plug.pull()?;
    if card.connector(connector)?.is_connected() {
        return Err(Error::Wrong("a monitor is found after the plug was pulled".into()));
    }
    let flips = beats::flips(&card, &[&screen], WATCHED).and_then(beats::alone);
    let put = plug.put(size)?;
    flips?;
    let after = card.connector(connector)?;
    let mode = best(&after)?;
    if mode.size() != size {
        return Err(Error::Wrong(format!("the new monitor's best mode is {mode}")));
    }
    let screen = Screen::light(&card, &after, 0, mode)?;
    let flips = beats::flips(&card, &[&screen], WATCHED).and_then(beats::alone)?;
    Ok(format!("{}; then {mode}: {flips}", told(pulled, put)))
}

fn told(pulled: Duration, put: Duration) -> String {
    format!("gone after {} ms, there after {} ms", pulled.as_millis(), put.as_millis())
}
