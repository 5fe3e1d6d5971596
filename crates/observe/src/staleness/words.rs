//! What is said about stale translations.

use gen8_spec::engine::EngineId;
use gpu_model::{Invalidation, Site};

use super::{Change, Use};
use crate::provenance::Write;
use crate::tlbs::{Emptied, Fill};

/// What makes an engine take page directories over from an image that changed.
pub(super) const MISSING_PDP_LOAD: &str = "a load of the page directories after the image was changed: \
    MI_LOAD_REGISTER_IMM of the PDP registers ahead of the batch, a descriptor with force-PD-restore, or a \
    restore of the context";

pub(super) fn entry(stale: &Use, kept: bool) -> String {
    let Use { engine, address, write, .. } = *stale;
    let did = if write { "wrote" } else { "read" };
    if kept {
        let name = engine.name();
        return format!("{name} {did} {address:#x} by a translation that it was told to forget");
    }
    format!(
        "{} {did} {address:#x} by a translation that its page tables do not give any more",
        engine.name()
    )
}

pub(super) fn page(page: Option<u64>) -> String {
    page.map_or_else(|| "no page".to_owned(), |page| format!("page {page:#x}"))
}

pub(super) fn fill(fill: Option<&Fill>) -> String {
    let Some(fill) = fill else {
        return "before anybody listened".to_owned();
    };
    let rights = if fill.writable { "writable" } else { "read-only" };
    let why = if fill.write { "a write" } else { "a read" };
    let (at_ns, page, by) = (fill.at_ns, fill.page, site(&fill.site));
    format!("at {at_ns} ns, page {page:#x}, {rights}, for {why} by {by}")
}

pub(super) fn site(site: &Site) -> String {
    let place = if site.in_batch { "batch address" } else { "ring offset" };
    format!("{}, context {:#x}, {place} {:#x}", site.engine.name(), site.context, site.address)
}

pub(super) fn made_stale(change: &Change, write: Option<&Write>) -> String {
    let Change { level, at, old, new } = *change;
    let name = ["PTE", "PDE", "PDPE", "PML4E"].get(level).copied().unwrap_or_default();
    if let Some(write) = write {
        return format!("{name} at {at:#x}: {write}");
    }
    let new = new.map_or_else(|| "no memory".to_owned(), |new| format!("{new:#x}"));
    format!("{name} at {at:#x}: {old:#x} -> {new}, nobody knows when and by whom")
}

/// What would have emptied the TLB of an engine.
pub(super) fn missing(engine: EngineId, kept: bool, last: Option<(u64, Emptied)>) -> String {
    let last = match last {
        Some((at_ns, by)) => format!("the last one: {}", emptied(engine, at_ns, by)),
        None => "there was none at all".to_owned(),
    };
    if kept {
        return format!("nothing: {last}, and the device kept the entry");
    }
    let command = match engine {
        EngineId::Rcs => "PIPE_CONTROL with TLB invalidate and CS stall",
        _ => "MI_FLUSH_DW with TLB invalidate and a post-sync operation",
    };
    format!(
        "an invalidation on {} after the page tables changed: {command}, a write of 1 to register {:#x}, or a \
         load of other page directories; {last}",
        engine.name(),
        engine.tlb_invalidate_register()
    )
}

pub(super) fn emptied(engine: EngineId, at_ns: u64, by: Emptied) -> String {
    let by = match by {
        Emptied::Reset => "a reset".to_owned(),
        Emptied::By(Invalidation::Register) => {
            format!("a write of register {:#x}", engine.tlb_invalidate_register())
        }
        Emptied::By(Invalidation::FlushDw) => "MI_FLUSH_DW".to_owned(),
        Emptied::By(Invalidation::PipeControl) => "PIPE_CONTROL".to_owned(),
        Emptied::By(Invalidation::ContextLoad) => "the load of a context".to_owned(),
        Emptied::By(Invalidation::PdpWrite) => "a write of a PDP register".to_owned(),
        Emptied::By(Invalidation::ModeChange) => "a write of GFX_MODE".to_owned(),
        Emptied::By(Invalidation::BatchBoundary) => "the begin or end of a batch".to_owned(),
    };
    format!("{}, at {at_ns} ns, by {by}", engine.name())
}

pub(super) fn pdps(site: &Site) -> String {
    format!(
        "{} began a batch of context {:#x} with other page directories than the context's image names",
        site.engine.name(),
        site.context
    )
}

pub(super) fn four(pdps: [u64; 4]) -> String {
    let [a, b, c, d] = pdps;
    format!("PDP0..3 {a:#x}, {b:#x}, {c:#x}, {d:#x}")
}
