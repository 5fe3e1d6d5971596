//! `gen8emu inspect`: questions about the state of a running server's GPU.

pub(crate) mod arguments;
mod tables;

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client;
use crate::control::inspect::place::Place;
use crate::control::inspect::{registers, walk};
use arguments::{InspectArgs, Question};

/// Asks, and shows the answer.
pub(crate) fn command(arguments: &InspectArgs) -> Result<()> {
    println!("{}", answer(arguments)?);
    Ok(())
}

/// The answer as it is shown.
pub(crate) fn answer(arguments: &InspectArgs) -> Result<String> {
    match &arguments.question {
        Question::Registers { names } => {
            let wanted = registers::Wanted { names: names.clone() };
            ask(arguments, "registers", &wanted, tables::registers)
        }
        Question::Engines => ask(arguments, "engines", &(), tables::engines),
        Question::Walk(way) => {
            let Place { space, engine, root } = way.space.place();
            let wanted = walk::Wanted { address: way.address, space, engine, root, ggtt: way.ggtt };
            ask(arguments, "walk", &wanted, tables::walk)
        }
        Question::Tables(space) => ask(arguments, "tables", &space.place(), tables::tables),
        Question::Ranges(space) => ask(arguments, "ranges", &space.place(), tables::ranges),
        Question::Ggtt => ask(arguments, "ggtt", &(), tables::ggtt),
        Question::Tlbs => ask(arguments, "tlbs", &(), tables::tlbs),
    }
}

fn ask<T: DeserializeOwned + Serialize>(
    arguments: &InspectArgs,
    command: &str,
    wanted: &impl Serialize,
    table: fn(&T) -> String,
) -> Result<String> {
    let answer: T = client::ask(&arguments.control, command, wanted)?;
    Ok(if arguments.json { serde_json::to_string(&answer)? } else { table(&answer) })
}
