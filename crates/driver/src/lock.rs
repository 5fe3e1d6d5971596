//! `struct_mutex`: the one big lock of the era, as a type that knows its holder.
//!
//! The driver is single-threaded, so the lock never blocks. It records what a thread would have
//! suffered: who holds it, from which depth of destructors a wait was entered, and how often.

/// The lock and what was recorded about it.
#[derive(Debug, Default)]
pub(crate) struct StructMutex {
    holder: Option<&'static str>,
    destructor_depth: u32,
    waits: u32,
    max_unbind_depth: u32,
    unbind_depth: u32,
}

impl StructMutex {
    /// Takes the lock for `who`. Returns the earlier holder if there is one: a real thread would
    /// now sleep for ever.
    pub(crate) fn acquire(&mut self, who: &'static str) -> Result<(), &'static str> {
        match self.holder {
            Some(holder) => Err(holder),
            None => {
                self.holder = Some(who);
                Ok(())
            }
        }
    }

    /// Gives the lock back.
    pub(crate) fn release(&mut self) {
        self.holder = None;
    }

    /// Who holds the lock.
    pub(crate) fn holder(&self) -> Option<&'static str> {
        self.holder
    }

    /// Enters the release function of a counted reference.
    pub(crate) fn enter_destructor(&mut self) {
        self.destructor_depth += 1;
    }

    /// Leaves the release function of a counted reference.
    pub(crate) fn leave_destructor(&mut self) {
        self.destructor_depth -= 1;
    }

    /// Whether a release function is running.
    pub(crate) fn in_destructor(&self) -> bool {
        self.destructor_depth > 0
    }

    /// Counts a wait that starts now with the lock held.
    pub(crate) fn record_wait(&mut self) {
        self.waits += 1;
    }

    /// Waits with the lock held so far.
    pub(crate) fn waits(&self) -> u32 {
        self.waits
    }

    /// Enters unbind; returns the depth.
    pub(crate) fn enter_unbind(&mut self) -> u32 {
        self.unbind_depth += 1;
        self.max_unbind_depth = self.max_unbind_depth.max(self.unbind_depth);
        self.unbind_depth
    }

    /// Leaves unbind.
    pub(crate) fn leave_unbind(&mut self) {
        self.unbind_depth -= 1;
    }

    /// Deepest nesting of unbind so far.
    pub(crate) fn max_unbind_depth(&self) -> u32 {
        self.max_unbind_depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_acquire_names_the_holder() {
        let mut lock = StructMutex::default();
        assert_eq!(lock.acquire("execbuffer"), Ok(()));
        assert_eq!(lock.acquire("pwrite"), Err("execbuffer"));
        lock.release();
        assert_eq!(lock.acquire("pwrite"), Ok(()));
    }
}
