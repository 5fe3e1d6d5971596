//! Whose a page is that is used where nothing is bound any more.
//!
//! That can be one of several: address spaces of many clients are alike, and which is which the device does
//! not know. What narrows it down is when the page was first used at its address.

use std::collections::HashMap;

use super::waiting::Use;
use crate::kernel::{Gone, KernelSpace, KernelVma, When};

/// Pages of address spaces that are kept.
const MOST: usize = 1 << 16;

/// Where pages were used while something was bound there.
#[derive(Debug, Default)]
pub(super) struct Explained {
    /// By address space and page of it: the page of memory, and when it was first used.
    first: HashMap<(u64, u64), (u64, When)>,
}

/// What was bound where a page was used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    /// The likeliest.
    pub(super) space: &'a KernelSpace,
    pub(super) vma: &'a KernelVma,
    /// How many it can be.
    pub(super) of: usize,
    /// Whether the object had been destroyed, whichever it is.
    pub(super) is_destroyed: bool,
}

impl Explained {
    /// A page was used while something was bound there.
    pub(super) fn note(&mut self, access: &Use, when: When) {
        if self.first.len() >= MOST {
            self.first.clear();
        }
        let first = self.first.entry(access.place()).or_insert((access.page, when));
        if first.0 != access.page {
            *first = (access.page, when);
        }
    }

    /// Which of what is gone it was, if anything was there.
    pub(super) fn owner<'a>(
        &self,
        access: &Use,
        when: When,
        gone: Vec<Gone<'a>>,
    ) -> Option<Owner<'a>> {
        let first = self.first.get(&access.place());
        // What was there before scratch was another page.
        let first = first.filter(|(page, _)| access.is_scratch || *page == access.page);
        let first = first.map(|&(_, first)| first);
        let was_there = |gone: &Gone<'_>| first.is_some_and(|first| gone.was_there(first));
        let then: Vec<Gone<'a>> = gone.iter().copied().filter(was_there).collect();
        let candidates = if then.is_empty() { gone } else { then };
        let likeliest = candidates.iter().max_by_key(|gone| match first {
            Some(first) => (gone.likelihood(first), gone.end_us()),
            None => ((true, 0), gone.end_us()),
        })?;
        Some(Owner {
            space: likeliest.space,
            vma: likeliest.vma,
            of: candidates.len(),
            is_destroyed: candidates.iter().all(|gone| when.is_after_destruction(gone.vma)),
        })
    }
}
