//! Other threads: what other clients are about to do while somebody waits.

use crate::api::{CpuAction, CpuOp};
use crate::error::Error;
use crate::findings::Finding;
use crate::gem::Gem;
use crate::hardware::Hardware;

impl<H: Hardware> Gem<H> {
    /// Queues an action of another client (deadlock model).
    pub fn queue_action(&mut self, action: CpuAction) {
        self.actions.push_back(action);
    }

    /// Runs the first action that can run: any, or with `lock_is_free` false one that needs no
    /// lock. Returns whether there was one.
    pub(crate) fn run_one_action(&mut self, lock_is_free: bool) -> bool {
        let runnable =
            self.actions.iter().position(|action| lock_is_free || !action.needs_struct_mutex);
        let Some(action) = runnable.and_then(|index| self.actions.remove(index)) else {
            return false;
        };
        if self.run_action(action).is_err() {
            self.report(Finding::Assertion("a queued CPU action failed"));
        }
        true
    }

    /// Other threads that destroy contexts have their turn, as they may before a lock is taken.
    pub(crate) fn let_racing_destroys_in(&mut self) {
        let racing = |action: &CpuAction| matches!(action.op, CpuOp::DestroyContext { .. });
        while let Some(index) = self.actions.iter().position(racing)
            && let Some(action) = self.actions.remove(index)
        {
            // What goes wrong there has become a finding; this call goes on all the same.
            let _ = self.run_action(action);
        }
    }

    fn run_action(&mut self, action: CpuAction) -> Result<(), Error> {
        match action.op {
            CpuOp::WriteDword { client, handle, offset, value } => {
                let object = self.object_of(client, handle)?;
                self.object_get_pages(object)?;
                self.write_dword(object, offset, value)
            }
            CpuOp::DestroyContext { client, context } => {
                match self.context_destroy(client, context) {
                    // Somebody else was faster.
                    Err(Error::NoEntry) => Ok(()),
                    done => done,
                }
            }
        }
    }
}
