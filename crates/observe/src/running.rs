//! What the engines run, from the device's events.

use gen8_spec::engine::{ENGINE_COUNT, EngineId};
use gen8_spec::execlists::csb;
use gen8_spec::mmio::GDRST_FULL;
use gpu_model::Event;

use crate::provenance::Running;

/// What each engine runs.
#[derive(Debug, Default)]
pub(crate) struct RunningEngines([Option<Running>; ENGINE_COUNT]);

impl RunningEngines {
    /// Takes an event in.
    pub(crate) fn event(&mut self, event: &Event) {
        match *event {
            Event::ContextLoaded { engine, context, .. } => {
                self.0[engine.index()] = Some(Running { engine, context, batch: None });
            }
            Event::ContextSwitch { engine, status, .. } if status & csb::ACTIVE_IDLE != 0 => {
                self.0[engine.index()] = None;
            }
            Event::BatchStarted { site, address, level: 1, .. } => {
                let batch = Some(address);
                let running = Running { engine: site.engine, context: site.context, batch };
                self.0[site.engine.index()] = Some(running);
            }
            Event::BatchEnded { site, level: 1 } => {
                if let Some(running) = &mut self.0[site.engine.index()] {
                    running.batch = None;
                }
            }
            Event::Reset { domains } => {
                for engine in EngineId::ALL {
                    if domains & (GDRST_FULL | engine.reset_domain()) != 0 {
                        self.0[engine.index()] = None;
                    }
                }
            }
            Event::FunctionReset => *self = RunningEngines::default(),
            _ => {}
        }
    }

    /// What runs now.
    pub(crate) fn list(&self) -> Vec<Running> {
        self.0.iter().flatten().copied().collect()
    }
}
