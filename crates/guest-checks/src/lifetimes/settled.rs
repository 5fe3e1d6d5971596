//! What should have become of address spaces, and what the kernel's trace says.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::trace::Vm;

/// Names of address spaces in a message.
const NAMED: usize = 4;

/// What should have become of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expect {
    /// It is released, nothing is bound in it, no context uses it.
    Released,
    /// It lives.
    Alive,
}

impl Expect {
    /// Whether `vm` is so.
    pub(super) fn holds(self, vm: &Vm) -> bool {
        match self {
            Expect::Released => vm.is_gone(),
            Expect::Alive => vm.released_us.is_none(),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Expect::Released => "released",
            Expect::Alive => "alive",
        }
    }
}

/// What should have become of the address spaces with these marks.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Expected {
    pub(crate) marks: RangeInclusive<u32>,
    pub(crate) expect: Expect,
}

impl Expected {
    /// They are released.
    pub(crate) fn released(marks: &RangeInclusive<u32>) -> Expected {
        Expected { marks: marks.clone(), expect: Expect::Released }
    }

    /// They live.
    pub(crate) fn alive(marks: &RangeInclusive<u32>) -> Expected {
        Expected { marks: marks.clone(), expect: Expect::Alive }
    }

    /// Mark by mark.
    pub(super) fn each(&self) -> impl Iterator<Item = (u32, Expect)> + use<> {
        let expect = self.expect;
        self.marks.clone().map(move |mark| (mark, expect))
    }
}

/// The state of one check's address spaces after things settled, or time was up.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(super) expected: Vec<Expected>,
    pub(super) took: Duration,
    /// What is wrong, by mark.
    pub(super) wrong: Vec<(u32, &'static str)>,
}

impl Settled {
    /// What is wrong with the address space of `mark`, if anything.
    pub(super) fn defect(expect: Expect, vm: Option<&Vm>) -> Option<&'static str> {
        let Some(vm) = vm else { return Some("the kernel told of no context") };
        match (expect, vm.released_us) {
            _ if expect.holds(vm) => None,
            (Expect::Alive, _) => Some("is released"),
            (Expect::Released, None) => Some("is alive"),
            (Expect::Released, Some(_)) if vm.contexts > 0 => Some("is released but has a context"),
            (Expect::Released, Some(_)) => Some("is released but has something bound"),
        }
    }

    /// The result of the check.
    pub(crate) fn judge(&self) -> Result<String> {
        let Settled { expected, took, wrong } = self;
        let counts: Vec<String> = expected
            .iter()
            .map(|some| format!("{} {}", some.marks.clone().count(), some.expect.word()))
            .collect();
        let counts = counts.join(", ");
        if wrong.is_empty() {
            return Ok(format!("{counts} after {:.1} s", took.as_secs_f64()));
        }
        let named: Vec<String> =
            wrong.iter().take(NAMED).map(|(mark, what)| format!("{mark:#x} {what}")).collect();
        let more = if wrong.len() > NAMED { ", …" } else { "" };
        let sum = wrong.len();
        Err(Error::Wrong(format!("not {counts}; {sum} wrong: {}{more}", named.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(released_us: Option<u64>, contexts: u32) -> Vm {
        Vm { released_us, contexts, ..Vm::default() }
    }

    #[test]
    fn an_address_space_that_stays_is_told_and_one_that_goes_early_as_well() {
        let (gone, alive, used) = (vm(Some(1), 0), vm(None, 1), vm(Some(1), 1));
        let defect = |expect, vm| Settled::defect(expect, Some(vm));
        assert_eq!(defect(Expect::Released, &gone), None);
        assert_eq!(defect(Expect::Alive, &alive), None);
        assert_eq!(defect(Expect::Released, &alive), Some("is alive"));
        assert_eq!(defect(Expect::Alive, &gone), Some("is released"));
        assert_eq!(defect(Expect::Released, &used), Some("is released but has a context"));
        assert!(Settled::defect(Expect::Released, None).is_some());
    }

    #[test]
    fn the_judgement_names_some_of_what_is_wrong() {
        let expected = vec![Expected::released(&(1..=10)), Expected::alive(&(0..=0))];
        let took = Duration::from_millis(1500);
        let good = Settled { expected: expected.clone(), took, wrong: vec![] };
        assert_eq!(good.judge().unwrap(), "10 released, 1 alive after 1.5 s");
        let wrong = (1..=6).map(|mark| (mark, "is alive")).collect();
        let told = Settled { expected, took, wrong }.judge().unwrap_err().to_string();
        assert_eq!(
            told,
            "not 10 released, 1 alive; 6 wrong: \
             0x1 is alive, 0x2 is alive, 0x3 is alive, 0x4 is alive, …"
        );
    }
}
