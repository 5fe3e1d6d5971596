//! The checks. Each is a file; [`table`] lists them.

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
mod table;
mod unbound_use;
mod xserver_restart;

use std::fmt::Write;

pub(crate) use self::table::CHECKS;
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
