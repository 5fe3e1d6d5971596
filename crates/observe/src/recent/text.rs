//! Events in words.

use gen8_spec::debug_page::Hint;
use gen8_spec::engine::EngineId;
use gen8_spec::execlists::{ContextDescriptor, csb};
use gpu_model::engine::Space;
use gpu_model::{
    Actor, Event, InterruptMessage, Invalidation, MemoryWrite, Origin, Site, Submission, WriteKind,
};

use crate::names::register_name;

/// Declares what each kind of event is called.
macro_rules! kinds {
    ($($variant:ident = $name:literal,)+) => {
        /// Names of the kinds of events, as [`crate::EventReport::kind`] has them.
        pub const EVENT_KINDS: &[&str] = &[$($name,)+];

        /// What kind of event it is; `other` for one that has no name yet.
        pub const fn event_kind(event: &Event) -> &'static str {
            match event {
                $(Event::$variant { .. } => $name,)+
                _ => "other",
            }
        }
    };
}

kinds! {
    Hint = "hint",
    PdpLoaded = "pdp-loaded",
    NopId = "nop-id",
    Fault = "fault",
    PlaneFault = "plane-fault",
    UnknownRegister = "unknown-register",
    InstructionError = "instruction-error",
    PrivilegeViolation = "privilege-violation",
    StaleTlb = "stale-tlb",
    GuestError = "guest-error",
    ContextSwitch = "context-switch",
    Reset = "reset",
    FunctionReset = "function-reset",
    StalePdps = "stale-pdps",
    RegisterWritten = "register-written",
    GgttWritten = "ggtt-written",
    MemoryWritten = "memory-written",
    Accessed = "accessed",
    TlbFilled = "tlb-filled",
    TlbInvalidated = "tlb-invalidated",
    Submitted = "submitted",
    ContextLoaded = "context-loaded",
    ContextSaved = "context-saved",
    BatchStarted = "batch-started",
    BatchEnded = "batch-ended",
    InterruptRaised = "interrupt-raised",
    InterruptTaken = "interrupt-taken",
}

/// The engine that an event is about.
pub(super) fn engine(event: &Event) -> Option<EngineId> {
    match event {
        Event::PdpLoaded { engine, .. }
        | Event::NopId { engine, .. }
        | Event::InstructionError { engine, .. }
        | Event::PrivilegeViolation { engine, .. }
        | Event::StaleTlb { engine, .. }
        | Event::ContextSwitch { engine, .. }
        | Event::Submitted { engine, .. }
        | Event::ContextLoaded { engine, .. }
        | Event::ContextSaved { engine, .. }
        | Event::InterruptRaised { engine, .. } => Some(*engine),
        Event::StalePdps { site, .. }
        | Event::Accessed { site, .. }
        | Event::TlbFilled { site, .. }
        | Event::TlbInvalidated { site, .. }
        | Event::BatchStarted { site, .. }
        | Event::BatchEnded { site, .. } => Some(site.engine),
        Event::Fault(fault) => fault.engine,
        Event::UnknownRegister { origin, .. } | Event::GuestError { origin, .. } => origin.engine(),
        Event::RegisterWritten { by, .. } | Event::GgttWritten { by, .. } => actor(by),
        Event::MemoryWritten(MemoryWrite { by, .. }) => actor(by),
        _ => None,
    }
}

fn actor(by: &Actor) -> Option<EngineId> {
    match by {
        Actor::Cpu => None,
        Actor::Engine(site) => Some(site.engine),
    }
}

/// A hint: addresses and bytes in hexadecimal, as everywhere, and the driver's numbers as it counts.
fn hinted(hint: Hint) -> String {
    match hint {
        Hint::PageOwned { page, kind, owner } => {
            format!("PageOwned {{ page: {page:#x}, kind: {kind:?}, owner: {owner} }}")
        }
        Hint::PageFreed { page } => format!("PageFreed {{ page: {page:#x} }}"),
        Hint::VmCreated { root, vm, levels } => {
            format!("VmCreated {{ vm: {vm}, levels: {levels}, root: {root:#x} }}")
        }
        Hint::VmaBound { address, vm, object } => {
            format!("VmaBound {{ vm: {vm}, object: {object}, address: {address:#x} }}")
        }
        Hint::ObjectCreated { size, object } => {
            format!("ObjectCreated {{ object: {object}, size: {size:#x} }}")
        }
        other => format!("{other:?}"),
    }
}

/// What an event says besides its kind and its engine.
pub(super) fn text(event: &Event) -> String {
    match event {
        Event::Hint(hint) => hinted(*hint),
        Event::PdpLoaded { levels, pdps, context, .. } => {
            format!("context {context:#x}, {levels} levels, {}", list(pdps))
        }
        Event::NopId { context, value, .. } => format!("context {context:#x}, number {value:#x}"),
        Event::Fault(fault) => {
            let space = if fault.ggtt { Space::Ggtt } else { Space::Ppgtt };
            let (access, table) = (access(fault.write), table(space));
            format!("{access} of {table} {:#x}, entry {:#x}", fault.address, fault.entry)
        }
        Event::PlaneFault { pipe, plane, address, .. } => {
            format!("pipe {pipe}, {plane:?}, GGTT {address:#x}")
        }
        Event::UnknownRegister { offset, written, origin } => {
            let access =
                written.map_or_else(|| "read".to_owned(), |value| format!("{value:#x} written"));
            format!("{offset:#x}: {access} by {}", by(*origin))
        }
        Event::InstructionError { header, address, .. } => {
            format!("{header:#010x} at {address:#x}")
        }
        Event::PrivilegeViolation { register, .. } => format!("write of {}", named(*register)),
        Event::StaleTlb { address, write, used, current, .. } => {
            let current = current.map_or_else(|| "nothing".to_owned(), |page| format!("{page:#x}"));
            format!("{} of {address:#x} went to {used:#x}; tables say {current}", access(*write))
        }
        Event::GuestError { rule, origin, detail } => {
            format!("{} by {}, {detail:#x}", rule.id(), by(*origin))
        }
        Event::ContextSwitch { slot, status, context, .. } => {
            format!("context {context:#x}, slot {slot}, status {status:#x}{}", reasons(*status))
        }
        Event::Reset { domains } => format!("domains {domains:#x}"),
        Event::FunctionReset => String::new(),
        Event::StalePdps { site, loaded, image } => {
            format!("{}, loaded {}, image {}", place(site), list(loaded), list(image))
        }
        Event::RegisterWritten { offset, value, by } => {
            format!("{} = {value:#x} by {}", named(*offset), who(by))
        }
        Event::GgttWritten { index, old, new, by } => {
            format!("entry {index:#x}: {old:#x} → {new:#x} by {}", who(by))
        }
        Event::MemoryWritten(write) => {
            let MemoryWrite { by, kind, space, address, physical, len, value } = write;
            let value = value.map_or_else(String::new, |value| format!(" = {value:#x}"));
            let place =
                format!("{} {address:#x} at {physical:#x}, {len} bytes{value}", table(*space));
            format!("{}: {place} by {}", purpose(*kind), who(by))
        }
        Event::Accessed { site, space, address, physical, write, fetch } => {
            let what = if *fetch { "fetch" } else { access(*write) };
            format!("{what} of {} {address:#x} at {physical:#x}, {}", table(*space), place(site))
        }
        _ => text_of_work(event),
    }
}

/// The events of contexts, batches, TLBs and interrupts.
fn text_of_work(event: &Event) -> String {
    match event {
        Event::TlbFilled { site, address, page, writable, pte_address, .. } => {
            let rights = if *writable { "writable" } else { "read-only" };
            format!("{address:#x} → {page:#x}, {rights}, PTE at {pte_address:#x}, {}", place(site))
        }
        Event::TlbInvalidated { site, by } => format!("by {}, {}", invalidation(*by), place(site)),
        Event::Submitted { how, .. } => submission(how),
        Event::ContextLoaded { context, image, head, tail, lite, .. } => {
            let lite = if *lite { ", lite restore" } else { "" };
            format!("context {context:#x}, image {image:#x}, HEAD {head:#x}, TAIL {tail:#x}{lite}")
        }
        Event::ContextSaved { context, image, head, tail, .. } => {
            format!("context {context:#x}, image {image:#x}, HEAD {head:#x}, TAIL {tail:#x}")
        }
        Event::BatchStarted { site, space, address, level, .. } => {
            format!("{} {address:#x}, level {level}, {}", table(*space), place(site))
        }
        Event::BatchEnded { site, level } => format!("level {level}, {}", place(site)),
        Event::InterruptRaised { bits, passed, .. } => format!("bits {bits:#x}, {passed:#x} pass"),
        Event::InterruptTaken(InterruptMessage::Msi { address, data }) => {
            format!("MSI {data:#x} to {address:#x}")
        }
        Event::InterruptTaken(InterruptMessage::IntxAssert) => "INTx asserted".to_owned(),
        Event::InterruptTaken(InterruptMessage::IntxDeassert) => "INTx deasserted".to_owned(),
        other => format!("{other:x?}"),
    }
}

const fn table(space: Space) -> &'static str {
    match space {
        Space::Ggtt => "GGTT",
        Space::Ppgtt => "PPGTT",
    }
}

const fn purpose(kind: WriteKind) -> &'static str {
    match kind {
        WriteKind::Command => "command",
        WriteKind::Blit => "blit",
        WriteKind::ContextSave => "context save",
        WriteKind::Status => "status",
        WriteKind::Aperture => "aperture",
    }
}

const fn access(write: bool) -> &'static str {
    if write { "write" } else { "read" }
}

fn list(values: &[u64]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:#x}")).collect();
    values.join(" ")
}

fn named(register: u32) -> String {
    register_name(register.into()).unwrap_or_else(|| format!("{register:#x}"))
}

fn place(site: &Site) -> String {
    let stands = if site.in_batch { "batch" } else { "ring" };
    format!("context {:#x}, {stands} {:#x}", site.context, site.address)
}

fn who(by: &Actor) -> String {
    match by {
        Actor::Cpu => "CPU".to_owned(),
        Actor::Engine(site) => format!("{}, {}", site.engine.name(), place(site)),
    }
}

fn by(origin: Origin) -> String {
    match origin {
        Origin::Cpu => "CPU".to_owned(),
        Origin::Engine(engine) => engine.name().to_owned(),
        Origin::UserBatch(engine) => format!("{}, a client's batch", engine.name()),
    }
}

fn reasons(status: u32) -> String {
    let names = [
        (csb::IDLE_ACTIVE, "idle to active"),
        (csb::PREEMPTED, "preempted"),
        (csb::ELEMENT_SWITCH, "element switch"),
        (csb::ACTIVE_IDLE, "active to idle"),
        (csb::COMPLETE, "complete"),
        (csb::WAIT_SEMAPHORE, "waits"),
        (csb::LITE_RESTORE, "lite restore"),
    ];
    let set = names.iter().filter(|(bit, _)| status & bit != 0);
    set.map(|(_, name)| format!(", {name}")).collect()
}

fn submission(how: &Submission) -> String {
    match how {
        Submission::Tail { tail } => format!("TAIL {tail:#x}"),
        Submission::Elsp { elements, replaced } => {
            let valid = elements.iter().filter(|element| element.is_valid());
            let ids: Vec<String> = valid.map(element).collect();
            let lost = if *replaced { ", a list that waited is lost" } else { "" };
            format!("ELSP {}{lost}", ids.join(", "))
        }
    }
}

fn element(descriptor: &ContextDescriptor) -> String {
    format!("context {:#x} image {:#x}", descriptor.context_id(), descriptor.lrca())
}

const fn invalidation(by: Invalidation) -> &'static str {
    match by {
        Invalidation::ContextLoad => "a context load",
        Invalidation::PdpWrite => "a write of a PDP register",
        Invalidation::ModeChange => "GFX_MODE",
        Invalidation::Register => "the engine's TLB register",
        Invalidation::FlushDw => "MI_FLUSH_DW",
        Invalidation::PipeControl => "PIPE_CONTROL",
        Invalidation::BatchBoundary => "the end of a batch",
    }
}
