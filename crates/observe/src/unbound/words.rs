//! What is said of a use of what is not bound.

use gpu_model::Space;

use super::owner::Owner;
use super::waiting::{Deed, Use};
use crate::finding::{Finding, Severity};
use crate::kernel::words::{moment, name, with_vma};

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The object that was bound there is destroyed, and its page is used.
    PageUsedAfterFree,
    /// Nothing is bound there any more, and memory is used.
    PageUsedAfterUnbind,
    /// Nothing was ever bound there, and memory is used.
    PageNeverBound,
    /// Nothing is bound there any more; it ends in scratch.
    UseAfterUnmap,
    /// Nothing was ever bound there; it ends in scratch.
    ScratchAccess,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::PageUsedAfterFree => "PageUsedAfterFree",
            Kind::PageUsedAfterUnbind => "PageUsedAfterUnbind",
            Kind::PageNeverBound => "PageNeverBound",
            Kind::UseAfterUnmap => "UseAfterUnmap",
            Kind::ScratchAccess => "ScratchAccess",
        }
    }

    /// A client's batch may reach for what it likes: scratch is there for that.
    const fn severity(self) -> Severity {
        match self {
            Kind::UseAfterUnmap => Severity::Warning,
            Kind::ScratchAccess => Severity::Note,
            _ => Severity::Error,
        }
    }
}

/// The finding: the use, and what is known of the VMA that was there.
pub(super) fn finding(kind: Kind, access: &Use, owner: Option<Owner<'_>>) -> Finding {
    let what = what(kind, access, owner);
    let finding = Finding::new(kind.name(), kind.severity(), access.at_ns, what)
        .fact("used", used(access))
        .fact("page", page(access));
    let Some(Owner { space, vma, of, .. }) = owner else { return finding };
    let finding = match of {
        1 => finding,
        _ => finding.fact("not certain", format!("one of {of} that were bound there, perhaps:")),
    };
    let finding = with_vma(finding.fact("address space", name(space)), vma);
    match space.released {
        Some(at) => finding.fact("address space released", moment(at)),
        None => finding,
    }
}

fn what(kind: Kind, access: &Use, owner: Option<Owner<'_>>) -> String {
    let engine = access.site.engine.name();
    let did = match access.deed {
        Deed::Read => "read",
        Deed::Wrote => "wrote",
        Deed::Fetched => "fetched commands from",
        Deed::LoadedContext => "loaded a context from",
        Deed::SavedContext => "saved a context to",
    };
    let space = match access.space {
        Space::Ggtt => "the GGTT",
        Space::Ppgtt => "an address space",
    };
    let object = match owner {
        Some(Owner { of: 1, vma, .. }) => format!("object {:x}", vma.object),
        _ => "an object".to_owned(),
    };
    let why = match kind {
        Kind::PageUsedAfterFree => format!("was {object}, which is destroyed"),
        Kind::PageUsedAfterUnbind => format!("was {object}, which is unbound"),
        Kind::UseAfterUnmap => format!("was {object}, and is scratch"),
        Kind::PageNeverBound => "nothing is bound by the kernel's account".to_owned(),
        Kind::ScratchAccess => "nothing was, and which is scratch".to_owned(),
    };
    format!("{engine} {did} {:#x} of {space}, where {why}", access.address)
}

fn used(access: &Use) -> String {
    let site = &access.site;
    let place = match (access.deed, site.in_batch) {
        (Deed::LoadedContext | Deed::SavedContext, _) => String::new(),
        (_, true) => format!(", by the command at {:#x} of the batch", site.address),
        (_, false) => format!(", by the command at {:#x} of the ring", site.address),
    };
    let batch = access.batch.map_or_else(String::new, |batch| format!(", which is at {batch:#x}"));
    let at_ns = access.at_ns;
    format!("{} in context {:#x}{place}{batch}, at {at_ns} ns", site.engine.name(), site.context)
}

fn page(access: &Use) -> String {
    match access.is_scratch {
        true => format!("{:#x}, scratch", access.page),
        false => format!("{:#x}", access.page),
    }
}
