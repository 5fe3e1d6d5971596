//! The checks. Each is a file; the table below lists them.

mod client_starts;
mod console_font;
mod context_census;
mod contexts;
mod engines;
mod execbuf_bench;
mod fb_import;
mod fb_leak;
mod flink_close;
mod flink_exit;
mod flink_leak;
mod gem;
mod hang;
mod kms;
mod mmap_gtt;
mod reload;
mod share;
mod softpin;
mod suspend;
mod xserver_restart;

use std::fmt::Write;

use crate::error::Result;
use crate::report::Reporter;

/// One check.
pub(crate) struct Check {
    /// Its name on the command line and in results.
    pub(crate) name: &'static str,
    /// What it shows, in a line.
    shows: &'static str,
    /// The group that stands for it, if any.
    group: Option<Group>,
    /// What the number after `NAME=` means and what it is when left out.
    argument: Option<(&'static str, u32)>,
    /// Runs it. An error that comes back is a failure of the check as a whole.
    pub(crate) run: fn(&mut Reporter, u32) -> Result<()>,
}

/// A name that stands for several checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// All cheap ones.
    Basic,
    /// Everything that batches can ask for, short of shaders.
    Gem,
    /// Everything about screens.
    Kms,
}

impl Group {
    const ALL: [Group; 3] = [Group::Basic, Group::Gem, Group::Kms];

    fn name(self) -> &'static str {
        match self {
            Group::Basic => "basic",
            Group::Gem => "gem",
            Group::Kms => "kms",
        }
    }

    fn by_name(name: &str) -> Option<Group> {
        Group::ALL.into_iter().find(|group| group.name() == name)
    }
}

/// Every check there is, the harmless ones first.
pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "engines",
        shows: "each engine runs batches of one and two levels; its clock goes on",
        group: Some(Group::Basic),
        argument: None,
        run: engines::run,
    },
    Check {
        name: "softpin",
        shows: "objects across every boundary of the page tables, up to the last page",
        group: Some(Group::Basic),
        argument: None,
        run: softpin::run,
    },
    Check {
        name: "mmap_gtt",
        shows: "CPU and GPU exchange data through the aperture, more than fits in",
        group: Some(Group::Basic),
        argument: None,
        run: mmap_gtt::run,
    },
    Check {
        name: "share",
        shows: "two clients share objects by name and by dma-buf, closed in any order",
        group: Some(Group::Basic),
        argument: None,
        run: share::run,
    },
    Check {
        name: "contexts",
        shows: "contexts made, used and destroyed; the guest's free memory is flat",
        group: None,
        argument: Some(("CYCLES", 1000)),
        run: contexts::run,
    },
    Check {
        name: "execbuf_bench",
        shows: "the time of a batch from submission to waking, in guest time",
        group: Some(Group::Basic),
        argument: Some(("BATCHES", 1000)),
        run: execbuf_bench::run,
    },
    Check {
        name: "suspend",
        shows: "the idle GPU is suspended and works after it woke",
        group: Some(Group::Basic),
        argument: Some(("ROUNDS", 2)),
        run: suspend::run,
    },
    Check {
        name: "flink-exit",
        shows: "importers that exit leave no address space, by the kernel's own trace",
        group: Some(Group::Basic),
        argument: Some(("IMPORTERS", 10)),
        run: flink_exit::run,
    },
    Check {
        name: "flink-close",
        shows: "importers that close handle and context leave nothing, by the kernel's own trace",
        group: Some(Group::Basic),
        argument: Some(("IMPORTERS", 10)),
        run: flink_close::run,
    },
    Check {
        name: "context-census",
        shows: "contexts made, used and destroyed leave nothing, by the kernel's own trace",
        group: None,
        argument: Some(("CYCLES", 1000)),
        run: context_census::run,
    },
    Check {
        name: "client-starts",
        shows: "clients that share, work and exit: both views stay equal (needs --agent)",
        group: None,
        argument: Some(("CLIENTS", 50)),
        run: client_starts::run,
    },
    Check {
        name: "console-font",
        shows: "nothing by itself: hands the console's font to the host, which reads the screen by it",
        group: None,
        argument: None,
        run: console_font::run,
    },
    Check {
        name: "flink-leak",
        shows: "nothing: importers that stay, which the judges must tell (it fails, on purpose)",
        group: None,
        argument: Some(("IMPORTERS", 2)),
        run: flink_leak::run,
    },
    Check {
        name: "fb-import",
        shows: "clients that copy the console's frame buffer and exit leave nothing (needs --output)",
        group: None,
        argument: Some(("CLIENTS", 4)),
        run: fb_import::run,
    },
    Check {
        name: "fb-leak",
        shows: "nothing: clients that keep it, which the judges must tell (it fails, on purpose)",
        group: None,
        argument: Some(("CLIENTS", 1)),
        run: fb_leak::run,
    },
    Check {
        name: "xserver-restart",
        shows: "X servers that start on the console's picture and end leave nothing (--user-land x)",
        group: None,
        argument: Some(("STARTS", 10)),
        run: xserver_restart::run,
    },
    Check {
        name: "mi_commands",
        shows: "what MI commands do, on each engine",
        group: Some(Group::Gem),
        argument: None,
        run: gem::mi_commands,
    },
    Check {
        name: "blitter",
        shows: "random blits of every kind against a reference; big ones; blits between engines",
        group: Some(Group::Gem),
        argument: None,
        run: gem::blits,
    },
    Check {
        name: "fences",
        shows: "the CPU sees tiled objects in rows: fences set, stolen, changed, on parts of objects",
        group: Some(Group::Gem),
        argument: None,
        run: gem::fences,
    },
    Check {
        name: "waits",
        shows: "loops and waits that the CPU or another engine ends; all engines spinning",
        group: Some(Group::Gem),
        argument: None,
        run: gem::waits,
    },
    Check {
        name: "tlb",
        shows: "rewritten batches and reused addresses are seen at once, by each engine",
        group: Some(Group::Gem),
        argument: None,
        run: gem::tlb,
    },
    Check {
        name: "beside-hang",
        shows: "what the checks of `gem` do on each engine, while another one hangs",
        group: Some(Group::Gem),
        argument: None,
        run: gem::beside_hang,
    },
    Check {
        name: "rc6",
        shows: "the idle GPU sleeps, the busy one and one that is held awake does not",
        group: Some(Group::Gem),
        argument: None,
        run: gem::rc6,
    },
    Check {
        name: "forcewake",
        shows: "a request to be awake is acknowledged until its last user goes",
        group: Some(Group::Gem),
        argument: None,
        run: gem::forcewake,
    },
    Check {
        name: "frequency",
        shows: "frequencies follow the load within the limits that were set",
        group: Some(Group::Gem),
        argument: None,
        run: gem::frequency,
    },
    Check {
        name: "busyness",
        shows: "how busy each engine and its client is: idle, spinning, at a semaphore",
        group: Some(Group::Gem),
        argument: None,
        run: gem::busyness,
    },
    Check {
        name: "runtime-suspend",
        shows: "the GPU is suspended and wakes by each engine in turn, never while busy",
        group: Some(Group::Gem),
        argument: Some(("ROUNDS", 20)),
        run: gem::runtime,
    },
    Check {
        name: "instruction-errors",
        shows: "a command that no engine has: interrupt, registers, reset, error state",
        group: Some(Group::Gem),
        argument: Some(("ENGINES", 8)),
        run: gem::instruction,
    },
    Check {
        name: "page-faults",
        shows: "a page fault of the GPU: fault registers, hang, error state, reset",
        group: Some(Group::Gem),
        argument: Some(("ENGINES", 8)),
        run: gem::fault,
    },
    Check {
        name: "hang-signs",
        shows: "the head moves in an endless batch; the running context has its name",
        group: Some(Group::Gem),
        argument: Some(("ENGINES", 8)),
        run: gem::signs,
    },
    Check {
        name: "resets",
        shows: "resets of an engine and of the GPU: who is blamed, who goes on; recovery",
        group: Some(Group::Gem),
        argument: Some(("ENGINES", 8)),
        run: gem::resets,
    },
    Check {
        name: "flips",
        shows: "blankings and page flips, each told once, at the mode's rate",
        group: Some(Group::Kms),
        argument: Some(("SECONDS", 4)),
        run: kms::flips,
    },
    Check {
        name: "modes",
        shows: "one mode after the other, each at its own rate",
        group: Some(Group::Kms),
        argument: None,
        run: kms::modes,
    },
    Check {
        name: "two-outputs",
        shows: "two screens at once, each with a mode and flips of its own",
        group: Some(Group::Kms),
        argument: None,
        run: kms::two_outputs,
    },
    Check {
        name: "cursor",
        shows: "the cursor inside, across and beyond all edges is as if painted",
        group: Some(Group::Kms),
        argument: Some(("MOVES", 200)),
        run: kms::cursor,
    },
    Check {
        name: "sprite",
        shows: "what the overlay plane shows is as if painted",
        group: Some(Group::Kms),
        argument: None,
        run: kms::sprite,
    },
    Check {
        name: "gamma",
        shows: "a picture through a gamma ramp is the picture changed by it",
        group: Some(Group::Kms),
        argument: None,
        run: kms::gamma,
    },
    Check {
        name: "crc",
        shows: "a picture's checksum is the same linear, tiled and panned, and tells one pixel",
        group: Some(Group::Kms),
        argument: None,
        run: kms::crc,
    },
    Check {
        name: "plug",
        shows: "a monitor's plug is pulled and put in again, under the console and under a client",
        group: Some(Group::Kms),
        argument: Some(("ROUNDS", 3)),
        run: kms::plug,
    },
    Check {
        name: "screen-suspend",
        shows: "a screen comes back after DPMS, runtime suspend and the machine's own sleep",
        group: Some(Group::Kms),
        argument: Some(("ROUNDS", 1)),
        run: kms::screen_suspend,
    },
    Check {
        name: "hang",
        shows: "an endless batch is ended by an engine reset; the others work on",
        group: None,
        argument: Some(("ENGINES", 8)),
        run: hang::run,
    },
    Check {
        name: "reload",
        shows: "i915 is unloaded and loaded again, all engines right after each",
        group: None,
        argument: Some(("ROUNDS", 3)),
        run: reload::run,
    },
];

/// Why words do not choose checks.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum WrongUse {
    /// No names at all.
    #[error("say which checks: {names}; --list tells what they show", names = names())]
    Nothing,
    /// A name that is none.
    #[error("there is no check `{0}`; there are {names}", names = names())]
    Unknown(String),
    /// `NAME=…` without a number behind it, or where none belongs.
    #[error("`{0}`: {1}")]
    Argument(String, &'static str),
}

/// The checks that the words choose, each with its argument.
pub(crate) fn select(
    words: &[String],
) -> std::result::Result<Vec<(&'static Check, u32)>, WrongUse> {
    let mut chosen = Vec::new();
    for word in words {
        if let Some(group) = Group::by_name(word) {
            let members = CHECKS.iter().filter(|check| check.group == Some(group));
            chosen.extend(members.map(|check| (check, check.preset())));
        } else {
            chosen.push(one(word)?);
        }
    }
    if chosen.is_empty() { Err(WrongUse::Nothing) } else { Ok(chosen) }
}

/// `NAME` or `NAME=NUMBER`.
fn one(word: &str) -> std::result::Result<(&'static Check, u32), WrongUse> {
    let (name, number) = match word.split_once('=') {
        Some((name, number)) => (name, Some(number)),
        None => (word, None),
    };
    let check = CHECKS
        .iter()
        .find(|check| check.name == name)
        .ok_or_else(|| WrongUse::Unknown(name.to_owned()))?;
    let Some(number) = number else { return Ok((check, check.preset())) };
    if check.argument.is_none() {
        return Err(WrongUse::Argument(word.to_owned(), "this check takes no number"));
    }
    match number.parse() {
        Ok(number @ 1..) => Ok((check, number)),
        _ => Err(WrongUse::Argument(word.to_owned(), "write NAME=NUMBER, the number 1 or more")),
    }
}

impl Check {
    fn preset(&self) -> u32 {
        self.argument.map_or(0, |(_, preset)| preset)
    }
}

/// What `--list` prints.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for check in CHECKS {
        let name = match check.argument {
            Some((meaning, preset)) => format!("{}[={meaning}: {preset}]", check.name),
            None => check.name.to_owned(),
        };
        let group = check.group.map_or(String::new(), |group| format!(" ({})", group.name()));
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{name:32} {}{group}", check.shows);
    }
    text
}

fn names() -> String {
    let groups = Group::ALL.into_iter().map(Group::name);
    groups.chain(CHECKS.iter().map(|check| check.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(words: &[&str]) -> std::result::Result<Vec<(&'static str, u32)>, WrongUse> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        select(&words).map(|chosen| chosen.into_iter().map(|(c, n)| (c.name, n)).collect())
    }

    #[test]
    fn names_and_groups_choose_checks() {
        assert_eq!(chosen(&["engines"]), Ok(vec![("engines", 0)]));
        assert!(chosen(&["basic"]).unwrap().contains(&("engines", 0)));
    }

    #[test]
    fn wrong_words_say_what_would_be_right() {
        assert_eq!(chosen(&[]), Err(WrongUse::Nothing));
        let unknown = chosen(&["engine"]).unwrap_err().to_string();
        assert!(unknown.contains("`engine`") && unknown.contains("engines"), "{unknown}");
        assert!(chosen(&["engines=3"]).is_err());
    }

    #[test]
    fn every_check_is_listed_once() {
        for check in CHECKS {
            assert_eq!(CHECKS.iter().filter(|other| other.name == check.name).count(), 1);
            assert!(list().contains(check.name));
        }
    }
}
