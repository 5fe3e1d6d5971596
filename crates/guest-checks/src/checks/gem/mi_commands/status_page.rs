//! What batches can do to the engine's own status page, as the kernel's debugfs shows it.

use crate::checks::gem::{Work, everywhere};
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::{Batch, Device, Engine, Node, Trial, mi};

pub(super) const WORKS: &[Work] = &[Work { name: "status page", on: everywhere, run: status_page }];

/// Where i915 shows all engines with their status pages, in debugfs.
const ENGINES: &str = "i915_engine_info";
/// The dword that the ring's head is reported to (PRM volume 3, hardware status page).
const HEAD: usize = 4;
/// A place of the page that neither hardware nor kernel uses, in bytes.
const UNUSED: u32 = 0xfc0;
/// What must not get there.
const NEVER: u32 = 0x0bad_57a7;

/// MI_REPORT_HEAD reports where the ring's head is by then; MI_STORE_DATA_INDEX writes nothing
/// without privilege.
fn status_page(device: &Device, engine: Engine) -> Result<String> {
    let engines = Node::debugfs()?.join(ENGINES);
    if !engines.exists() {
        return Err(Error::NotHere(format!("there is no {}", engines.display())));
    }
    let trial = Trial::new(device, engine)?;
    let batch = Batch::default()
        .command(mi::REPORT_HEAD, &[])
        .command(mi::STORE_DATA_INDEX, &[UNUSED, NEVER])
        .command(mi::STORE_DATA_INDEX | mi::BIT_21, &[UNUSED, NEVER])
        .store(trial.slot(0), 1);
    let mut heads = [0; 2];
    for head in &mut heads {
        trial.set(0, 0);
        trial.run(&batch.clone().end())?;
        trial.expect("the end of the batch", 0, 1)?;
        let text = files::read(&engines)?;
        let page = page_of(&text, engine).unwrap_or_default();
        if page.contains(&format!("{NEVER:08x}")) {
            return Err(Error::Wrong("MI_STORE_DATA_INDEX wrote without privilege".into()));
        }
        *head = dword(page, HEAD)
            .ok_or_else(|| Error::Wrong(format!("{ENGINES} shows no status page of {engine}")))?;
    }
    // The second request stands further on in the ring.
    if heads[0] == 0 || heads[0] == heads[1] {
        return Err(Error::Wrong(format!(
            "head reported as {:#x}, then {:#x}",
            heads[0], heads[1]
        )));
    }
    Ok(format!("head {:#x}, then {:#x}", heads[0], heads[1]))
}

/// The status page of `engine` as i915 prints it: behind the engine's name on a line of its own
/// and the line `HWSP:`.
fn page_of(text: &str, engine: Engine) -> Option<&str> {
    let name = engine.to_string();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == name {
            let (_, page) = text[at..].split_once("HWSP:")?;
            // Ahead of the next engine's.
            return page.split("HWSP:").next();
        }
    }
    None
}

/// A dword of the page's first row, which is `[0000] 00000000 00000001 …`.
fn dword(page: &str, number: usize) -> Option<u32> {
    let row = page.lines().find_map(|line| line.trim().strip_prefix("[0000]"))?;
    u32::from_str_radix(row.split_whitespace().nth(number)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_an_engine_is_found_behind_its_name() {
        let text = "GT awake? yes\nrcs0\n\tAwake? 1\nHWSP:\n[0000] 00000001 00000002\n*\n\
                    bcs0\nHWSP:\n[0000] 00000003 00000004 00000005 00000006 000000ff\nIdle? no\n";
        let engines = "HWSP:\n[0000] 00000001 00000002\n*\nbcs0\n";
        let page = page_of(text, Engine::named(1, 0)).unwrap();
        assert_eq!(dword(page, HEAD), Some(0xff));
        assert_eq!(dword(page_of(text, Engine::named(0, 0)).unwrap(), 1), Some(2));
        assert_eq!(page_of(engines, Engine::named(2, 0)), None);
    }
}
