//! Lines of the agent: the kernel's trace as `trace_pipe` prints it, and the agent's own words.
//!
//! The words of an event are those of the kernel's `i915_trace.h` (5.10 to 7.3).

use core::fmt;

use serde::Serialize;

use crate::plain::is_trick;

/// A kernel pointer as it is printed: plain, or hashed. It names a thing as long as the thing lives.
pub type Pointer = u64;

/// Letters of a task's name that are kept; Linux has 15.
const TASK_NAME: usize = 32;
/// Letters of a function's name that are kept.
const FUNCTION_NAME: usize = 80;

/// The thread in which something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Task {
    /// Its name (`comm`).
    pub name: String,
    /// Its id.
    pub thread: u32,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.name, self.thread)
    }
}

/// An object's place in an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Binding {
    pub(super) object: Pointer,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    /// `i915_ppgtt_create`
    SpaceCreated { vm: Pointer },
    /// `i915_ppgtt_release`: nobody refers to it any more.
    SpaceReleased { vm: Pointer },
    /// `i915_vma_bind`: ahead of the PTEs.
    Bound { vm: Pointer, binding: Binding },
    /// `i915_vma_unbind`: ahead of the PTEs as well.
    Unbound { vm: Pointer, binding: Binding },
    /// `i915_context_create`
    ContextCreated { context: Pointer, vm: Pointer },
    /// `i915_context_free`
    ContextFreed { context: Pointer },
    /// `i915_gem_object_create`; objects of the kernel's own are not told.
    ObjectCreated { object: Pointer, bytes: u64 },
    /// `i915_gem_object_destroy`
    ObjectDestroyed { object: Pointer },
    /// `i915_gem_shrink`
    Shrunk,
    /// `i915_gem_evict` and its sisters.
    Evicted,
    /// `i915_request_add`
    RequestAdded,
    /// `i915_request_retire`
    RequestRetired,
    /// Words that a program of the guest's put between the events.
    Said(String),
    /// Another event of i915's.
    Other,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) task: Task,
    /// Microseconds of the guest's monotonic clock.
    pub(super) time_us: u64,
    pub(super) happened: Happened,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The agent's first word.
    Greeting {
        version: u32,
        kernel: String,
    },
    /// An event that this kernel does not have.
    Lacks(String),
    Event(Event),
    /// The kernel's stack of the event before follows.
    Stack,
    /// A function of that stack.
    Function(String),
    /// So many events were overwritten before they were read.
    Lost(u64),
    /// Nothing that counts here.
    Nothing,
    /// What cannot be read.
    Garbled,
}

/// Reads one line.
pub(super) fn parse(line: &str) -> Line {
    let line = line.trim_end();
    if let Some(own) = line.strip_prefix('@') {
        return parse_own(own);
    }
    if let Some(function) = line.strip_prefix(" => ") {
        return Line::Function(shortened(function, FUNCTION_NAME));
    }
    if line.ends_with(": <stack trace>") {
        return Line::Stack;
    }
    if let Some((_, rest)) = line.split_once("[LOST ") {
        let count = rest.split_once(" EVENTS]").and_then(|(count, _)| count.trim().parse().ok());
        return count.map_or(Line::Garbled, Line::Lost);
    }
    if line.is_empty() || line.starts_with('#') {
        return Line::Nothing;
    }
    event(line).map_or(Line::Garbled, Line::Event)
}

/// `agent 1 6.1.0-50-amd64`, `lacks i915_request_in`.
fn parse_own(line: &str) -> Line {
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("agent"), Some(version), kernel, None) => match version.parse() {
            Ok(version) => {
                let kernel = shortened(kernel.unwrap_or_default(), FUNCTION_NAME);
                Line::Greeting { version, kernel }
            }
            Err(_) => Line::Garbled,
        },
        (Some("lacks"), Some(event), None, None) => Line::Lacks(shortened(event, FUNCTION_NAME)),
        _ => Line::Garbled,
    }
}

/// `task-thread [cpu] flags seconds.micros: name: fields`; the name of a task may hold anything.
fn event(line: &str) -> Option<Event> {
    let starts = [": i915_", ": tracing_mark_write: "];
    let name_at = starts.iter().filter_map(|start| line.find(start)).min()?;
    let (head, rest) = line.split_at_checked(name_at)?;
    let (name, fields) = rest.get(2..)?.split_once(": ")?;
    let (task, time_us) = task_and_time(head)?;
    Some(Event { task, time_us, happened: happened(name, fields)? })
}

fn happened(name: &str, fields: &str) -> Option<Happened> {
    let pointer = |name| hexadecimal(fields, name);
    Some(match name {
        "i915_ppgtt_create" => Happened::SpaceCreated { vm: pointer("vm")? },
        "i915_ppgtt_release" => Happened::SpaceReleased { vm: pointer("vm")? },
        "i915_vma_bind" => Happened::Bound { vm: pointer("vm")?, binding: binding(fields)? },
        "i915_vma_unbind" => Happened::Unbound { vm: pointer("vm")?, binding: binding(fields)? },
        "i915_context_create" => {
            Happened::ContextCreated { context: pointer("ctx")?, vm: pointer("ctx_vm")? }
        }
        "i915_context_free" => Happened::ContextFreed { context: pointer("ctx")? },
        "i915_gem_object_create" => {
            Happened::ObjectCreated { object: pointer("obj")?, bytes: pointer("size")? }
        }
        "i915_gem_object_destroy" => Happened::ObjectDestroyed { object: pointer("obj")? },
        "i915_gem_shrink" => Happened::Shrunk,
        "i915_gem_evict" | "i915_gem_evict_node" | "i915_gem_evict_vm" => Happened::Evicted,
        "i915_request_add" => Happened::RequestAdded,
        "i915_request_retire" => Happened::RequestRetired,
        "tracing_mark_write" => Happened::Said(shortened(fields, FUNCTION_NAME)),
        _ => Happened::Other,
    })
}

fn binding(fields: &str) -> Option<Binding> {
    let number = |name| hexadecimal(fields, name);
    let (object, offset, bytes) = (number("obj")?, number("offset")?, number("size")?);
    // No address space is larger: so sums do not overflow.
    (offset < 1 << 48 && bytes <= 1 << 48).then_some(Binding { object, offset, bytes })
}

/// The hexadecimal number behind `name=`, with `0x` or without.
fn hexadecimal(fields: &str, name: &str) -> Option<u64> {
    let mut words = fields.split([' ', ',']);
    let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
    u64::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).ok()
}

fn task_and_time(head: &str) -> Option<(Task, u64)> {
    let (before, time) = head.trim().rsplit_once(' ')?;
    let (seconds, micros) = time.split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    let seconds: u64 = seconds.parse().ok()?;
    let time_us = seconds.checked_mul(1_000_000)?.checked_add(micros.parse().ok()?)?;
    let (task, _cpu) = before.rsplit_once(" [")?;
    let (name, thread) = task.trim_end().rsplit_once('-')?;
    let name = shortened(name.trim_start(), TASK_NAME);
    Some((Task { name, thread: thread.parse().ok()? }, time_us))
}

/// Names go to people, and what a guest calls its tasks may be anything.
fn shortened(text: &str, most: usize) -> String {
    let plain = |letter| if is_trick(letter) { '\u{fffd}' } else { letter };
    text.chars().take(most).map(plain).collect()
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
    fn an_event_has_its_task_and_its_time_whatever_the_task_is_called() {
        let line = "   a b-c [d]-104   [001] d..1.     5.428899: i915_ppgtt_create: dev=0, vm=00000000fd2c2c0b\n";
        let task = Task { name: "a b-c [d]".into(), thread: 104 };
        let happened = Happened::SpaceCreated { vm: 0xfd2c_2c0b };
        assert_eq!(event(line), Event { task, time_us: 5_428_899, happened });
    }

    #[test]
    fn the_events_of_stock_kernels_are_read() {
        let says = |rest: &str| event(&format!(" x-9 [000] ..... 2.000001: {rest}")).happened;
        let binding = Binding { object: 0xffff_8880_0012_c000, offset: 0xfffc_5000, bytes: 0x1000 };
        let fields = "obj=ffff88800012c000, offset=0x00000000fffc5000 size=0x1000";
        assert_eq!(
            says(&format!("i915_vma_bind: {fields}, mappable vm=4")),
            Happened::Bound { vm: 4, binding }
        );
        assert_eq!(
            says(&format!("i915_vma_unbind: {fields} vm=4")),
            Happened::Unbound { vm: 4, binding }
        );
        for (line, expected) in [
            ("i915_ppgtt_release: dev=0, vm=b", Happened::SpaceReleased { vm: 11 }),
            (
                "i915_context_create: dev=0, ctx=a, ctx_vm=b",
                Happened::ContextCreated { context: 10, vm: 11 },
            ),
            ("i915_context_free: dev=0, ctx=a, ctx_vm=b", Happened::ContextFreed { context: 10 }),
            (
                "i915_gem_object_create: obj=c, size=0x3000",
                Happened::ObjectCreated { object: 12, bytes: 0x3000 },
            ),
            ("i915_gem_object_destroy: obj=c", Happened::ObjectDestroyed { object: 12 }),
            ("i915_gem_shrink: dev=0, target=32, flags=2", Happened::Shrunk),
            (
                "i915_request_add: dev=0, engine=1:0, ctx=3, seqno=2, tail=96",
                Happened::RequestAdded,
            ),
            ("i915_request_retire: dev=0, engine=1:0, ctx=3, seqno=2", Happened::RequestRetired),
            ("i915_request_wait_begin: dev=0, engine=1:0", Happened::Other),
            ("tracing_mark_write: settle end", Happened::Said("settle end".into())),
        ] {
            assert_eq!(says(line), expected, "{line}");
        }
    }

    #[test]
    fn names_hold_nothing_that_a_terminal_obeys() {
        let line =
            " x\u{1b}[2J-9 [000] ..... 2.000001: tracing_mark_write: settle \u{202e}\u{9b}\r.";
        let event = event(line);
        assert_eq!(event.task.name, "x\u{fffd}[2J");
        assert_eq!(event.happened, Happened::Said("settle \u{fffd}\u{fffd}\u{fffd}.".into()));
    }

    #[test]
    fn the_agents_own_words_stacks_and_losses_are_read() {
        let kernel = "6.1.0-50-amd64".to_owned();
        assert_eq!(parse("@agent 1 6.1.0-50-amd64"), Line::Greeting { version: 1, kernel });
        assert_eq!(parse("@lacks i915_request_in"), Line::Lacks("i915_request_in".into()));
        assert_eq!(parse(" x-9 [000] ..... 2.000001: <stack trace>"), Line::Stack);
        assert_eq!(parse(" => i915_vma_bind"), Line::Function("i915_vma_bind".into()));
        assert_eq!(parse("CPU:1 [LOST 1234 EVENTS]"), Line::Lost(1234));
        assert_eq!(parse(""), Line::Nothing);
    }

    #[test]
    fn what_cannot_be_read_is_garbled_and_never_something_else() {
        for line in [
            "@agent x 6.1",
            "@what",
            "hello",
            "CPU:1 [LOST many EVENTS]",
            " x-9 [000] ..... 2.000001: i915_ppgtt_create: dev=0, vm=(____ptrval____)",
            " x-9 [000] ..... 2.1: i915_ppgtt_create: dev=0, vm=1",
            " x [000] ..... 2.000001: i915_ppgtt_create: dev=0, vm=1",
            " x-9 [000] ..... 99999999999999999999.000001: i915_ppgtt_create: dev=0, vm=1",
            " x-9 [000] ..... 2.000001: i915_vma_bind: obj=1, offset=0xfffffffffffff000 size=0x2000 vm=4",
        ] {
            assert_eq!(parse(line), Line::Garbled, "{line}");
        }
    }
}
