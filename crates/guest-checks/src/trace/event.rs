//! Lines of a trace: `task-pid [cpu] flags time: event: fields`.

/// A kernel pointer as it is printed: plain, or hashed. It names a thing as long as the thing lives.
pub(crate) type Pointer = u64;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// `i915_ppgtt_create`: an address space begins.
    VmCreated { vm: Pointer },
    /// `i915_ppgtt_release`: nobody refers to it any more.
    VmReleased { vm: Pointer },
    /// `i915_vma_bind`
    Bound { vm: Pointer, binding: Binding },
    /// `i915_vma_unbind`
    Unbound { vm: Pointer, binding: Binding },
    /// `i915_context_create`
    ContextCreated { context: Pointer, vm: Pointer },
    /// `i915_context_free`
    ContextFreed { context: Pointer },
    /// Text that a program of ours wrote into the trace.
    Said(String),
}

/// An object's place in an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Binding {
    pub(crate) object: Pointer,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The thread in which it happened.
    pub(crate) thread: u32,
    /// Microseconds since the machine started.
    pub(crate) time_us: u64,
    pub(crate) happened: Happened,
}

/// What a line of `trace_pipe` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Event(Event),
    /// So many events were overwritten before they were read.
    Lost(u64),
    /// Nothing that counts here.
    Other,
    /// An event of ours whose fields cannot be read.
    Garbled,
}

/// Reads one line.
pub(crate) fn parse(line: &str) -> Line {
    if let Some((_, rest)) = line.split_once("[LOST ") {
        let count = rest.split_once(" EVENTS]").and_then(|(count, _)| count.trim().parse().ok());
        return count.map_or(Line::Garbled, Line::Lost);
    }
    let name_at = ["i915_", "tracing_mark_write: "]
        .iter()
        .filter_map(|start| line.find(&format!(": {start}")))
        .min();
    let Some(name_at) = name_at else { return Line::Other };
    let Some((head, rest)) = line.split_at_checked(name_at) else { return Line::Other };
    let Some((name, fields)) = rest[2..].split_once(": ") else { return Line::Other };
    let happened = match name {
        "i915_ppgtt_create" => field(fields, "vm").map(|vm| Happened::VmCreated { vm }),
        "i915_ppgtt_release" => field(fields, "vm").map(|vm| Happened::VmReleased { vm }),
        "i915_vma_bind" => bound(fields).map(|(vm, binding)| Happened::Bound { vm, binding }),
        "i915_vma_unbind" => bound(fields).map(|(vm, binding)| Happened::Unbound { vm, binding }),
        "i915_context_create" => context(fields),
        "i915_context_free" => {
            field(fields, "ctx").map(|context| Happened::ContextFreed { context })
        }
        "tracing_mark_write" => Some(Happened::Said(fields.trim_end().to_owned())),
        _ => return Line::Other,
    };
    match (happened, place(head)) {
        (Some(happened), Some((thread, time_us))) => {
            Line::Event(Event { thread, time_us, happened })
        }
        _ => Line::Garbled,
    }
}

fn bound(fields: &str) -> Option<(Pointer, Binding)> {
    let (object, vm) = (field(fields, "obj")?, field(fields, "vm")?);
    let (offset, bytes) = (field(fields, "offset")?, field(fields, "size")?);
    Some((vm, Binding { object, offset, bytes }))
}

fn context(fields: &str) -> Option<Happened> {
    let (context, vm) = (field(fields, "ctx")?, field(fields, "ctx_vm")?);
    Some(Happened::ContextCreated { context, vm })
}

/// The hexadecimal number behind `name=`, with `0x` or without.
fn field(fields: &str, name: &str) -> Option<u64> {
    let value =
        fields.split([' ', ',']).find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let value = value?.trim();
    u64::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).ok()
}

/// Thread and time from `comm-pid [cpu] flags seconds.micros`; names may hold anything.
fn place(head: &str) -> Option<(u32, u64)> {
    let (before, time) = head.trim().rsplit_once(' ')?;
    let (seconds, micros) = time.split_once('.')?;
    let micros_given: u64 = micros.parse().ok()?;
    let time_us = seconds.parse::<u64>().ok()? * 1_000_000 + micros_given;
    let (task, _cpu) = before.rsplit_once(" [")?;
    let thread = task.trim_end().rsplit_once('-')?.1.parse().ok()?;
    Some((thread, time_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> Event {
        match parse(line) {
            Line::Event(event) => event,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn events_of_stock_kernels_are_read() {
        let line = "              sh-104     [000] .....     5.428899: i915_ppgtt_create: dev=0, \
                    vm=00000000fd2c2c0b";
        let expected = Happened::VmCreated { vm: 0xfd2c_2c0b };
        assert_eq!(event(line), Event { thread: 104, time_us: 5_428_899, happened: expected });
        let line = "    kworker/u2:1-24      [000] .....  15.476709: i915_vma_unbind: \
                    obj=ffff88800012c000, offset=0x00000000fffc5000 size=0x1000 vm=0xffff888000abc000";
        let Event { thread, happened, .. } = event(line);
        let binding = Binding { object: 0xffff_8880_0012_c000, offset: 0xfffc_5000, bytes: 0x1000 };
        assert_eq!(thread, 24);
        assert_eq!(happened, Happened::Unbound { vm: 0xffff_8880_00ab_c000, binding });
        let line = " a b-c [d]-7   [001] d..1.  1.000001: i915_vma_bind: obj=1, offset=0x2 \
                    size=0x3, mappable vm=4";
        let binding = Binding { object: 1, offset: 2, bytes: 3 };
        let expected = Happened::Bound { vm: 4, binding };
        assert_eq!(event(line), Event { thread: 7, time_us: 1_000_001, happened: expected });
    }

    #[test]
    fn contexts_and_words_of_ours_are_read() {
        let line = " x-9 [000] ..... 2.000000: i915_context_create: dev=0, ctx=a, ctx_vm=b";
        assert_eq!(event(line).happened, Happened::ContextCreated { context: 10, vm: 11 });
        let line = " x-9 [000] ..... 2.000000: i915_context_free: dev=0, ctx=a, ctx_vm=b";
        assert_eq!(event(line).happened, Happened::ContextFreed { context: 10 });
        let line = " x-9 [000] ..... 2.000000: tracing_mark_write: mark 65537\n";
        assert_eq!(event(line).happened, Happened::Said("mark 65537".into()));
    }

    #[test]
    fn hidden_pointers_and_lost_events_are_noticed() {
        let hidden = " x-9 [000] ..... 2.0: i915_ppgtt_create: dev=0, vm=(____ptrval____)";
        assert_eq!(parse(hidden), Line::Garbled);
        assert_eq!(parse("CPU:1 [LOST 1234 EVENTS]"), Line::Lost(1234));
        assert_eq!(parse("# tracer: nop"), Line::Other);
        assert_eq!(parse(" x-9 [000] ..... 2.0: i915_request_add: dev=0"), Line::Other);
    }
}
