//! The halves of `gt` together, on the fake machine.

mod hostile;
mod probe;
mod reset;
mod submission;

use alloc::vec::Vec;

use gen8_spec::engine::EngineId;

use super::testing::FakeMachine;
use super::*;

const EXECLISTS: GtConfig =
    GtConfig { submission: Submission::Execlists, levels: PtLevels::Four, hints: true };
const LEGACY: GtConfig = GtConfig { submission: Submission::LegacyRing, ..EXECLISTS };

fn probed(config: GtConfig) -> Gt<FakeMachine> {
    let mut gt = Gt::probe(FakeMachine::new(), config).expect("the fake machine is healthy");
    gt.platform_mut().take_writes();
    gt
}

fn stick(gt: &mut Gt<FakeMachine>, engine: EngineId) {
    gt.platform_mut().stuck.insert(engine);
}

/// Lets `engine` run and handles interrupts until it has nothing left.
fn finish(gt: &mut Gt<FakeMachine>, engine: EngineId) {
    gt.platform_mut().stuck.remove(&engine);
    for _ in 0..100 {
        gt.relax();
        gt.poll();
        if gt.queue_idle(engine) {
            return;
        }
    }
    panic!("{} does not become idle", engine.name());
}

/// The commands of a request, read back from its ring.
fn commands(gt: &Gt<FakeMachine>, ring: u64, submitted: Submitted) -> Vec<u32> {
    (submitted.head..submitted.tail)
        .step_by(4)
        .map(|offset| gt.platform().ggtt_read(ring + u64::from(offset)))
        .collect()
}
