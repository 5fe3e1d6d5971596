//! The process that opens the shared object by name, uses it, and ends in one of several ways.

use std::env;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::mem;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use super::{ConsoleCopy, IMPORTER, SHARED_AT};
use crate::error::{Error, Result};
use crate::gpu::{Batch, Device, Node};
use crate::trace;

/// In the place of a name: the object is that of the console's frame buffer.
const CONSOLE: &str = "console";
/// Where importers have their batch.
const BATCH_AT: u64 = 0x20_0000;

/// How an importer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// It exits and closes nothing.
    Exit,
    /// It closes its handle of the object, then destroys its context, and lives on.
    Close,
    /// It keeps everything until it is told to exit.
    Keep,
}

impl Ends {
    fn word(self) -> &'static str {
        match self {
            Ends::Exit => "exit",
            Ends::Close => "close",
            Ends::Keep => "keep",
        }
    }

    fn by_word(word: &str) -> Option<Ends> {
        [Ends::Exit, Ends::Close, Ends::Keep].into_iter().find(|ends| ends.word() == word)
    }
}

/// A running importer, as its parent has it.
pub(crate) struct Importer {
    child: Child,
    /// Its standard input; it takes a step when we write a line, and exits when we close it.
    orders: Option<ChildStdin>,
    /// A line a step.
    steps: Lines<BufReader<ChildStdout>>,
    mark: u32,
}

/// What an importer imports.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// The object of this name.
    Name(u32),
    /// The object of the frame buffer that the console shows.
    Console,
}

impl Importer {
    /// Starts one that marks its address space, and waits until it has used the object.
    pub(crate) fn start(source: Source, mark: u32, ends: Ends) -> Result<Importer> {
        let program = env::current_exe()
            .map_err(|error| Error::Call { call: "readlink of /proc/self/exe", error })?;
        let source = match source {
            Source::Name(name) => name.to_string(),
            Source::Console => CONSOLE.to_owned(),
        };
        let child = Command::new(program)
            .args([IMPORTER, &source, &mark.to_string(), ends.word()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Error::Call { call: "execve of an importer", error })?;
        let mut importer = Importer::new(child, mark)?;
        importer.wait_for_step()?;
        Ok(importer)
    }

    fn new(mut child: Child, mark: u32) -> Result<Importer> {
        let orders = child.stdin.take();
        let steps = child.stdout.take().ok_or_else(|| Error::Wrong("no pipe".into()))?;
        Ok(Importer { child, orders, steps: BufReader::new(steps).lines(), mark })
    }

    /// Lets it take its next step.
    pub(crate) fn next(&mut self) -> Result<()> {
        if let Some(orders) = &mut self.orders {
            orders.write_all(b"next\n").map_err(|error| Error::Call { call: "write", error })?;
        }
        self.wait_for_step()
    }

    fn wait_for_step(&mut self) -> Result<()> {
        match self.steps.next() {
            Some(Ok(line)) if line == "done" => Ok(()),
            Some(Ok(line)) => Err(Error::Wrong(format!("importer {:#x}: {line}", self.mark))),
            Some(Err(error)) => Err(Error::Call { call: "read", error }),
            None => Err(Error::Wrong(format!("importer {:#x} ended", self.mark))),
        }
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.orders = None;
        let status = self.child.wait().map_err(|error| Error::Call { call: "wait", error })?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Wrong(format!("importer {:#x}: {status}", self.mark)))
    }
}

impl Drop for Importer {
    fn drop(&mut self) {
        // After `finish` there is nothing left to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The importer's program: what to import, the mark, how to end.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let result = match words {
        [source, mark, ends] => {
            let name = (source != CONSOLE).then(|| source.parse()).transpose();
            match (name, mark.parse(), Ends::by_word(ends)) {
                (Ok(Some(name)), Ok(mark), Some(ends)) => import(name, mark, ends),
                (Ok(None), Ok(mark), Some(ends)) => import_console(mark, ends),
                _ => Err(Error::Wrong("wrong words for an importer".into())),
            }
        }
        _ => Err(Error::Wrong("too few words for an importer".into())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn import(name: u32, mark: u32, ends: Ends) -> Result<()> {
    let device = Device::open(Node::Card)?;
    let shared = device.open_by_name(name)?;
    let engines = device.engines()?;
    trace::announce(mark)?;
    let context = device.context(engines[mark as usize % engines.len()])?;
    let code = device.object(4096)?;
    Batch::default().mark(mark).store(SHARED_AT, mark).end().write_to(&code.open()?);
    context.submit(&[shared.at(SHARED_AT).written()], code.at(BATCH_AT))?;
    shared.wait()?;
    match ends {
        Ends::Exit => {
            println!("done");
            // Nothing is closed: that is left to the kernel.
            mem::forget((shared, context, code, device));
        }
        Ends::Keep => {
            println!("done");
            wait_for_order();
        }
        Ends::Close => {
            drop(shared);
            println!("done");
            if wait_for_order() {
                drop(context);
                println!("done");
                wait_for_order();
            }
        }
    }
    Ok(())
}

/// As [`import`], with the console's frame buffer.
fn import_console(mark: u32, ends: Ends) -> Result<()> {
    let copy = ConsoleCopy::make(mark)?;
    println!("done");
    match ends {
        Ends::Exit => mem::forget(copy),
        Ends::Keep => {
            wait_for_order();
            drop(copy);
        }
        Ends::Close => {
            let rest = copy.close_handle();
            wait_for_order();
            drop(rest);
        }
    }
    Ok(())
}

/// Waits for a line; `false` if none can come any more.
fn wait_for_order() -> bool {
    matches!(io::stdin().read_line(&mut String::new()), Ok(1..))
}
