//! What a batch reaches where the kernel has unbound an object, be it that the object lives or that it is
//! destroyed: nothing. The kernel and its client do all of it right; a device that goes on with what it
//! was told to forget, or a driver that forgets to tell it, is found by the object's content, and by the
//! host, which hears from the agent what is bound.

use std::thread;
use std::time::Duration;

use crate::error::{Error, Result, expect_dword};
use crate::gpu::{Batch, Device, Engine, Node, Object, Trial};
use crate::report::Reporter;
use crate::sys::Mapping;

const PAGE: usize = 4096;
/// Places in one page table, which the neighbour keeps alive; nothing else here is near them.
const LIVING: u64 = 0x7_6540_0000;
const DESTROYED: u64 = LIVING + 0x1_0000;
const NEIGHBOUR: u64 = LIVING + 0x2_0000;
/// i915 unbinds what a client has closed when the GPU goes to rest, about a second after its last work.
const REST: Duration = Duration::from_secs(3);
/// On a slow host that takes longer.
const ROUNDS: u32 = 3;
/// So long the host waits for the kernel's account before it judges what was used.
const ACCOUNT: Duration = Duration::from_millis(1500);

/// On each engine, all of them at the same time.
pub(super) fn run(reporter: &mut Reporter, _: u32) -> Result<()> {
    let device = Device::open(Node::Card)?;
    let engines = device.engines()?;
    let clients: Vec<Client> =
        engines.iter().map(|&engine| Client::new(engine)).collect::<Result<_>>()?;
    for round in 1..=ROUNDS {
        thread::sleep(REST);
        let reached = clients.iter().map(|client| client.reach(round));
        let reached: Vec<bool> = reached.collect::<Result<_>>()?;
        if round == ROUNDS || !reached.contains(&true) {
            for (client, reached) in clients.iter().zip(reached) {
                reporter.result(Some(&client.engine.to_string()), judge(reached));
            }
            break;
        }
    }
    thread::sleep(ACCOUNT);
    Ok(())
}

fn judge(reached: bool) -> Result<String> {
    match reached {
        true => {
            Err(Error::Wrong("a batch wrote an object where that is not bound any more".into()))
        }
        false => Ok("a batch reaches no object where that is not bound any more".into()),
    }
}

/// A client that had two objects bound.
struct Client {
    engine: Engine,
    trial: Trial,
    /// The one that lives: another client has it, who sees what it holds.
    seen: Mapping,
    _living: Object,
    _neighbour: Object,
}

impl Client {
    /// Has used both and closed them.
    fn new(engine: Engine) -> Result<Client> {
        let owner = Device::open(Node::Card)?;
        let living = owner.object(PAGE)?;
        let seen = living.open()?;
        let device = Device::open(Node::Card)?;
        let trial = Trial::new(&device, engine)?;
        let imported = device.open_by_name(living.flink()?)?;
        let (destroyed, neighbour) = (device.object(PAGE)?, device.object(PAGE)?);
        let objects = [
            imported.at(LIVING).written(),
            destroyed.at(DESTROYED).written(),
            neighbour.at(NEIGHBOUR).written(),
        ];
        let batch = Batch::default().store(LIVING, 1).store(DESTROYED, 1).store(NEIGHBOUR, 1);
        trial.run_with(&objects, &batch.end())?;
        expect_dword("what the batch wrote while the object was bound", seen.read(0), 1)?;
        Ok(Client { engine, trial, seen, _living: living, _neighbour: neighbour })
    }

    /// Whether a batch that names neither of them writes the one that lives. The other is only read: its
    /// page is somebody else's.
    fn reach(&self, round: u32) -> Result<bool> {
        self.seen.write(0, 0);
        let batch = Batch::default()
            .store(LIVING, 0xbad0_0000 | round)
            .copy(self.trial.slot(1), DESTROYED)
            .store(self.trial.slot(0), round);
        self.trial.run(&batch.end())?;
        self.trial.expect("the end of the batch", 0, round)?;
        Ok(self.seen.read(0) != 0)
    }
}
