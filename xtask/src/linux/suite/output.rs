//! What each test printed, in a file of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::record::Record;

/// How the runner marks the beginning of a test's words on the console.
const MARK: &str = "[gen8-suite ";

/// Where they lie.
pub(super) fn place(logs: &Path) -> PathBuf {
    logs.join("suite")
}

/// Makes the directory for them, without those of an earlier run.
pub(super) fn directory(logs: &Path) -> Result<PathBuf> {
    let directory = place(logs);
    if directory.exists() {
        let what = || format!("removing {}", directory.display());
        fs::remove_dir_all(&directory).with_context(what)?;
    }
    fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
    Ok(directory)
}

/// Cuts the console of one boot into files.
pub(super) fn split(console: &Path, directory: &Path, record: &Record) -> Result<()> {
    let text = fs::read(console).with_context(|| format!("reading {}", console.display()))?;
    let text = String::from_utf8_lossy(&text);
    for (number, said) in parts(&text) {
        let Some(test) = record.tests.get(&number) else { continue };
        let path = directory.join(format!("{number:04}-{}.txt", file_name(&test.command)));
        let content = format!("{}: {}\n{}\n\n{said}", test.command, test.result.name(), test.why());
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Each test's number and words.
fn parts(console: &str) -> Vec<(usize, &str)> {
    let starts = console.match_indices(MARK).filter_map(|(at, _)| {
        let number = console.get(at + MARK.len()..)?.split(']').next()?.parse().ok()?;
        let line_start = at == 0 || console.as_bytes().get(at - 1) == Some(&b'\n');
        line_start.then_some((number, at))
    });
    let starts: Vec<(usize, usize)> = starts.collect();
    let ends = starts.iter().skip(1).map(|&(_, at)| at).chain([console.len()]);
    let part = |(&(number, from), to)| Some((number, console.get(from..to)?));
    starts.iter().zip(ends).filter_map(part).collect()
}

/// The program's name and its arguments, in letters that every file system takes.
fn file_name(command: &str) -> String {
    let name = command.rsplit_once('/').map_or(command, |(_, name)| name);
    let safe = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    name.replace(" --run-subtest ", "-").chars().take(100).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_is_cut_where_tests_begin() {
        let console =
            "boot\r\n[gen8-suite 0] /opt/a\nsays [gen8-suite 9] x\n\n[gen8-suite 1] b\nend";
        let parts = parts(console);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0], (0, "[gen8-suite 0] /opt/a\nsays [gen8-suite 9] x\n\n"));
        assert_eq!(parts[1], (1, "[gen8-suite 1] b\nend"));
        assert_eq!(file_name("/opt/gem_x --run-subtest a@b"), "gem_x_a_b");
    }
}
