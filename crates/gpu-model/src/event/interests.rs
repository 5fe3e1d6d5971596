//! The groups of events, by which observers ask for them.

use core::ops::{BitOr, BitOrAssign};

/// A set of groups of events.
///
/// The device makes no event that nobody wants, and does no work for it: what is not asked for costs
/// a load and a branch.
///
/// ```
/// use gpu_model::Interests;
///
/// let wanted = Interests::TLB | Interests::SUBMISSIONS;
/// assert!(wanted.intersects(Interests::TLB) && !wanted.intersects(Interests::DEFAULT));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Interests(u32);

impl Interests {
    /// Nothing.
    pub const NONE: Interests = Interests(0);
    /// What is rare, and tells of the device as a whole: hints, page directories loaded, marks, context
    /// switches, faults, errors, resets.
    pub const BASICS: Interests = Interests(1);
    /// Uses of stale TLB entries and page directories. For these the device walks the page tables at every
    /// hit: a recording holds what they said only if somebody asked for this group while it was made.
    pub const STALE_TLB: Interests = Interests(1 << 1);
    /// Writes of registers, by CPUs and by engines.
    pub const REGISTER_WRITES: Interests = Interests(1 << 2);
    /// Writes of memory through the device.
    pub const MEMORY_WRITES: Interests = Interests(1 << 3);
    /// Fills and invalidations of TLBs.
    pub const TLB: Interests = Interests(1 << 4);
    /// ELSP and TAIL: work handed to engines.
    pub const SUBMISSIONS: Interests = Interests(1 << 5);
    /// Contexts loaded and saved.
    pub const CONTEXTS: Interests = Interests(1 << 6);
    /// Batches that begin and end.
    pub const REQUESTS: Interests = Interests(1 << 7);
    /// Interrupts raised and delivered.
    pub const INTERRUPTS: Interests = Interests(1 << 8);
    /// Writes of GGTT entries.
    pub const GGTT_WRITES: Interests = Interests(1 << 9);
    /// Accesses of engines to pages.
    pub const ACCESSES: Interests = Interests(1 << 10);
    /// Rules broken that the device has to look for: at each write of a register or GGTT entry, and in each
    /// context image that is loaded ([`GuestRule::group`](crate::GuestRule::group)). A recording holds what
    /// those looks read only if somebody asked for this group while it was made.
    pub const RULES: Interests = Interests(1 << 11);
    /// Reads of registers by CPUs.
    pub const REGISTER_READS: Interests = Interests(1 << 12);
    /// Of [`Interests::MEMORY_WRITES`], those of commands that store data: no blits, which are many.
    pub const STORES: Interests = Interests(1 << 13);
    /// What an observer hears that asks for nothing special.
    pub const DEFAULT: Interests = Interests::BASICS.and(Interests::STALE_TLB);
    /// Everything.
    pub const ALL: Interests = Interests((1 << Interests::NAMES.len()) - 1);

    /// Names of the groups, by bit.
    const NAMES: [&str; 14] = [
        "BASICS",
        "STALE_TLB",
        "REGISTER_WRITES",
        "MEMORY_WRITES",
        "TLB",
        "SUBMISSIONS",
        "CONTEXTS",
        "REQUESTS",
        "INTERRUPTS",
        "GGTT_WRITES",
        "ACCESSES",
        "RULES",
        "REGISTER_READS",
        "STORES",
    ];

    /// Each group alone.
    pub fn groups() -> impl Iterator<Item = Interests> {
        (0..Self::NAMES.len()).map(|bit| Interests(1 << bit))
    }

    /// Both sets together, where operators cannot be called.
    pub const fn and(self, other: Interests) -> Interests {
        Interests(self.0 | other.0)
    }

    /// Whether the sets have a group in common.
    #[inline]
    pub const fn intersects(self, other: Interests) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Interests {
    type Output = Interests;

    fn bitor(self, other: Interests) -> Interests {
        self.and(other)
    }
}

impl BitOrAssign for Interests {
    fn bitor_assign(&mut self, other: Interests) {
        *self = self.and(other);
    }
}

impl core::fmt::Debug for Interests {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names = Self::NAMES.iter().enumerate().filter(|(bit, _)| self.0 >> bit & 1 != 0);
        f.debug_set().entries(names.map(|(_, name)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_printed_by_the_names_of_its_groups() {
        assert_eq!(format!("{:?}", Interests::DEFAULT), r#"{"BASICS", "STALE_TLB"}"#);
        assert_eq!(format!("{:?}", Interests::NONE), "{}");
        assert!(format!("{:?}", Interests::ALL).ends_with(r#""STORES"}"#));
    }
}
