//! Everything once more on each engine, while another one hangs.

use std::thread;
use std::time::{Duration, Instant};

use super::{OFTEN, PAIRS, SELDOM, ordered_pairs, works_on};
use crate::error::{Error, Result};
use crate::files::Setting;
use crate::gpu::{Device, Endless, Engine, Node};
use crate::report::{Reporter, expect_resets};

/// How long the kernel may take to end the hang once it looks often. Emulators are slow.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks at the hung batch.
const BREATH: Duration = Duration::from_millis(20);

/// A result for each hanging engine.
pub(in crate::checks) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    let engines = Device::open(Node::Render)?.engines()?;
    expect_resets(true);
    for &engine in &engines {
        reporter.result(Some(&engine.to_string()), beside(engine, &engines));
    }
    expect_resets(false);
    Ok(())
}

/// Hangs `hung`, works on the others, and lets the kernel end the hang.
fn beside(hung: Engine, engines: &[Engine]) -> Result<String> {
    // A client of its own: one that hangs often is banned.
    let (guilty, innocent) = (Device::open(Node::Render)?, Device::open(Node::Render)?);
    // Ends what runs for 20 s, whatever the heartbeat says; contexts take it over when made.
    let _no_watchdog = Setting::parameter("request_timeout_ms", "0")?;
    let _no_capture = without_capture()?;
    let heartbeat = hung.sysfs()?.join("heartbeat_interval_ms");
    let blind = Setting::set(&heartbeat, SELDOM)?;
    let endless = Endless::start(&guilty, hung, false, PATIENCE)?;
    let others: Vec<Engine> = engines.iter().copied().filter(|engine| *engine != hung).collect();
    let mut done = Done::default();
    let start = Instant::now();
    for &engine in &others {
        for work in works_on(engine) {
            done.add(work.name, &engine.to_string(), (work.run)(&innocent, engine))?;
        }
    }
    for (first, second) in ordered_pairs(&others) {
        for pair in PAIRS.iter().copied().flatten() {
            let on = format!("{first} {second}");
            done.add(pair.name, &on, (pair.run)(&innocent, first, second))?;
        }
    }
    if done.works == 0 {
        return Err(Error::NotHere("no other engine has a work".into()));
    }
    if !endless.is_running()? {
        return Err(Error::Wrong("the endless batch ended before the others' work".into()));
    }
    drop(blind);
    let impatient = Setting::set(&heartbeat, OFTEN)?;
    let worked = start.elapsed();
    must_be_ended(&endless)?;
    drop(impatient);
    let reset = start.elapsed() - worked;
    Ok(format!(
        "{} works on the other engines in {} ms ({} cannot be done here), then reset within {} ms",
        done.works,
        worked.as_millis(),
        done.not_here,
        reset.as_millis()
    ))
}

/// Has the kernel keep no error state. It would read it through the aperture, dword by dword, which
/// takes an emulated CPU ten seconds for the context of the render engine.
pub(super) fn without_capture() -> Result<Option<Setting>> {
    Setting::parameter("error_capture", "0")
}

/// What could be done, and what could not.
#[derive(Default)]
struct Done {
    works: u32,
    not_here: u32,
}

impl Done {
    /// Counts the work `name`; one that cannot be done here counts apart.
    fn add(&mut self, name: &str, on: &str, result: Result<String>) -> Result<()> {
        match result {
            Ok(_) => self.works += 1,
            Err(Error::NotHere(_)) => self.not_here += 1,
            Err(error) => return Err(Error::Wrong(format!("{on} {name}: {error}"))),
        }
        Ok(())
    }
}

/// The kernel must end the batch and blame its context.
fn must_be_ended(endless: &Endless) -> Result<()> {
    let start = Instant::now();
    while endless.is_running()? {
        if start.elapsed() > PATIENCE {
            return Err(Error::Late("the endless batch".into()));
        }
        thread::sleep(BREATH);
    }
    match endless.context().reset_stats()?.batch_active {
        1 => Ok(()),
        blamed => {
            Err(Error::Wrong(format!("the hung context was blamed {blamed} times, not once")))
        }
    }
}
