//! What `gen8-rig` can measure.

use gen8_spec::commands::mi;

use crate::{Program, Rig, RigError};

/// Something that a device without observers does over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A batch through our driver, to its end.
    Batch,
    /// An empty batch, from the ELSP write to the CSB entry.
    Elsp,
}

/// A device that is ready for it.
pub enum Ready {
    /// For [`Workload::Batch`].
    Batch(Box<Program>),
    /// For [`Workload::Elsp`].
    Elsp(Box<Rig>),
}

impl Workload {
    /// Every workload.
    pub const ALL: [Workload; 2] = [Workload::Batch, Workload::Elsp];

    /// Its name on `gen8-rig`'s command line.
    pub fn name(self) -> &'static str {
        match self {
            Workload::Batch => "batch",
            Workload::Elsp => "elsp",
        }
    }

    /// The workload of that name.
    pub fn by_name(name: &str) -> Option<Workload> {
        Workload::ALL.into_iter().find(|workload| workload.name() == name)
    }

    /// Brings a device up.
    ///
    /// # Errors
    ///
    /// There is no memory for it, or it does not work.
    pub fn start(self) -> Result<Ready, RigError> {
        Ok(match self {
            Workload::Batch => Ready::Batch(Box::new(Program::new(None, None)?)),
            Workload::Elsp => {
                let mut rig = Rig::new()?;
                rig.put_data(0, &[mi::header(mi::BATCH_BUFFER_END, 0), mi::NOOP]);
                rig.run_to_csb()?;
                Ready::Elsp(Box::new(rig))
            }
        })
    }
}

impl Ready {
    /// Does it so often.
    ///
    /// # Errors
    ///
    /// It fails.
    pub fn run(&mut self, rounds: u32) -> Result<(), RigError> {
        match self {
            Ready::Batch(program) => (0..rounds).try_for_each(|_| program.run()),
            Ready::Elsp(rig) => (0..rounds).try_for_each(|_| rig.run_to_csb()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use gpu_model::journal::{Input, Output};
    use gpu_model::memory::MemoryChange;
    use gpu_model::{Event, Journal, Observer, TELLS};

    use super::*;

    #[test]
    fn every_workload_runs_to_its_end_whether_devices_tell_or_not() {
        for workload in Workload::ALL {
            assert_eq!(Workload::by_name(workload.name()), Some(workload));
            workload.start().unwrap().run(100).unwrap();
        }
    }

    /// Counts what it is told.
    #[derive(Clone, Default)]
    struct Counter(Arc<AtomicU32>);

    impl Counter {
        fn count(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Observer for Counter {
        fn event(&mut self, _: u64, _: &Event) {
            self.count();
        }
    }

    impl Journal for Counter {
        fn begin(&mut self, _: &Input) {
            self.count();
        }
        fn memory(&mut self, _: &[MemoryChange]) {
            self.count();
        }
        fn end(&mut self, _: Output) -> bool {
            self.count();
            false
        }
        fn state_hash(&mut self, _: u64) {
            self.count();
        }
        fn lost(&mut self, _: &str) {}
    }

    #[test]
    fn a_device_tells_observer_and_journal_exactly_if_the_build_says_so() {
        let (observer, journal) = (Counter::default(), Counter::default());
        Program::new(Some(Box::new(journal.clone())), Some(Box::new(observer.clone()))).unwrap();
        for counter in [observer, journal] {
            assert_eq!(counter.0.load(Ordering::Relaxed) > 0, TELLS);
        }
    }
}
