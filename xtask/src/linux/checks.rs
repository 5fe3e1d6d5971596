//! The checks that can be asked for: the program that runs in the guest lists them itself, and a
//! static program runs here as well.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{WrongUse, process};

/// The checks of a program.
pub(super) struct Catalogue {
    names: Vec<String>,
    /// Names that stand for several checks, each with one of these.
    groups: Vec<(String, String)>,
}

impl Catalogue {
    /// Asks `program`.
    pub(super) fn of(program: &Path) -> Result<Catalogue> {
        Ok(Catalogue::parse(&process::capture(Command::new(program).arg("--list"))?))
    }

    /// Lines `NAME[=…] what it shows`, with "(GROUP)" at the end where a group stands for it.
    fn parse(list: &str) -> Catalogue {
        let (mut names, mut groups) = (Vec::new(), Vec::new());
        for line in list.lines() {
            let name = line.split([' ', '[', '=']).next().unwrap_or(line).to_owned();
            let remark = line.trim_end().strip_suffix(')').and_then(|line| line.rsplit_once('('));
            // Other remarks in parentheses are no single word.
            if let Some((_, group)) = remark.filter(|(_, word)| !word.contains(' ')) {
                groups.push((group.to_owned(), name.clone()));
            }
            names.push(name);
        }
        Catalogue { names, groups }
    }

    /// `wanted` (`NAME`, `NAME=NUMBER` or a group) with a group's members in its place.
    pub(super) fn expand(&self, wanted: &[String]) -> Result<Vec<String>> {
        let mut checks = Vec::new();
        for want in wanted {
            let members = self.groups.iter().filter(|(group, _)| group == want);
            let before = checks.len();
            checks.extend(members.map(|(_, name)| name.clone()));
            if checks.len() > before {
                continue;
            }
            if self.names.iter().any(|name| name == name_of(want)) {
                checks.push(want.clone());
            } else {
                let names = self.words().join(", ");
                let what = format!("there is no check `{want}` (--check): use none, {names}");
                return Err(WrongUse(what).into());
            }
        }
        Ok(checks)
    }

    /// Every word that stands for checks, the groups first.
    fn words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = self.groups.iter().map(|(group, _)| group.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        words.extend(self.names.iter().map(String::as_str));
        words
    }
}

/// A check without its number.
pub(super) fn name_of(check: &str) -> &str {
    check.split_once('=').map_or(check, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "engines          each engine runs (basic)\n\
                        contexts[=N: 1000] makes contexts (gem)\n\
                        share            two clients (basic)\n\
                        leak             nothing (it fails, on purpose)\n";

    fn expand(words: &[&str]) -> Result<Vec<String>> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Catalogue::parse(LIST).expand(&words)
    }

    #[test]
    fn a_group_stands_for_its_members_and_numbers_stay() {
        let checks = expand(&["basic", "contexts=20", "gem"]).unwrap();
        assert_eq!(checks, ["engines", "share", "contexts=20", "contexts"]);
        assert_eq!(name_of("contexts=20"), "contexts");
        assert!(expand(&[]).unwrap().is_empty());
    }

    #[test]
    fn an_unknown_check_is_refused_with_the_known_ones() {
        let error = expand(&["engine"]).unwrap_err().to_string();
        assert!(
            error.contains("`engine`")
                && error.ends_with("use none, basic, gem, engines, contexts, share, leak"),
            "{error}"
        );
    }
}
