//! The checks that can be asked for: the program that runs in the guest lists them itself, and a
//! static program runs here as well.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{WrongUse, process};

/// The name that stands for all cheap checks.
const GROUP: &str = "basic";

/// The checks of a program.
pub(super) struct Catalogue {
    names: Vec<String>,
    /// Those of [`GROUP`].
    cheap: Vec<String>,
}

impl Catalogue {
    /// Asks `program`.
    pub(super) fn of(program: &Path) -> Result<Catalogue> {
        Ok(Catalogue::parse(&process::capture(Command::new(program).arg("--list"))?))
    }

    /// Lines `NAME[=…] what it shows`, with "(basic)" at the end of the cheap ones.
    fn parse(list: &str) -> Catalogue {
        let (mut names, mut cheap) = (Vec::new(), Vec::new());
        for line in list.lines() {
            let name = line.split([' ', '[', '=']).next().unwrap_or(line).to_owned();
            if line.trim_end().ends_with(&format!("({GROUP})")) {
                cheap.push(name.clone());
            }
            names.push(name);
        }
        Catalogue { names, cheap }
    }

    /// `wanted` (`NAME`, `NAME=NUMBER` or the group) with the group's members in its place.
    pub(super) fn expand(&self, wanted: &[String]) -> Result<Vec<String>> {
        let mut checks = Vec::new();
        for want in wanted {
            if want == GROUP {
                checks.extend(self.cheap.iter().cloned());
            } else if self.names.iter().any(|name| name == name_of(want)) {
                checks.push(want.clone());
            } else {
                let names = self.names.join(", ");
                let what =
                    format!("there is no check `{want}` (--check): use {GROUP}, none, {names}");
                return Err(WrongUse(what).into());
            }
        }
        Ok(checks)
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
                        contexts[=N: 1000] makes contexts\n\
                        share            two clients (basic)\n";

    fn expand(words: &[&str]) -> Result<Vec<String>> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Catalogue::parse(LIST).expand(&words)
    }

    #[test]
    fn the_group_stands_for_its_members_and_numbers_stay() {
        let checks = expand(&["basic", "contexts=20"]).unwrap();
        assert_eq!(checks, ["engines", "share", "contexts=20"]);
        assert_eq!(name_of("contexts=20"), "contexts");
        assert!(expand(&[]).unwrap().is_empty());
    }

    #[test]
    fn an_unknown_check_is_refused_with_the_known_ones() {
        let error = expand(&["engine"]).unwrap_err().to_string();
        assert!(error.contains("`engine`") && error.contains("contexts"), "{error}");
    }
}
