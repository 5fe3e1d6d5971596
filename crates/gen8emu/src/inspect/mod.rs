//! `gen8emu inspect`: questions about the state of a running server's GPU, or of a recording's.

pub(crate) mod arguments;
mod diff;
mod files;
mod tables;
mod watched;

use anyhow::{Context, Result};
use observe::plain;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::inspect::place::Place;
use crate::control::inspect::watched::Wanted as WantedEvents;
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
        Question::Contexts => ask(arguments, "contexts", &(), tables::contexts),
        Question::Walk(way) => {
            let Place { space, engine, root } = way.space.place();
            let wanted = walk::Wanted { address: way.address, space, engine, root, ggtt: way.ggtt };
            ask(arguments, "walk", &wanted, tables::walk)
        }
        Question::Tables(space) => ask(arguments, "tables", &space.place(), tables::tables),
        Question::Ranges(space) => ask(arguments, "ranges", &space.place(), tables::ranges),
        Question::Ggtt => ask(arguments, "ggtt", &(), tables::ggtt),
        Question::Tlbs => ask(arguments, "tlbs", &(), tables::tlbs),
        Question::Events { last, kind, engine } => {
            let (kind, engine) = (kind.clone(), engine.clone());
            let wanted = WantedEvents { last: *last, kind, engine };
            ask(arguments, "events", &wanted, watched::events)
        }
        Question::WhoWrote(written) => {
            ask(arguments, "who-wrote", &written.wanted(), watched::who_wrote)
        }
        Question::Leaks => ask(arguments, "leaks", &(), watched::leaks),
        Question::Rules => ask(arguments, "rules", &(), watched::rules),
        Question::Findings => ask(arguments, "findings", &(), watched::findings),
        Question::Save { file } => {
            let snapshot = asked(arguments, "snapshot", &())?;
            files::save(file, &snapshot)?;
            let told = files::Saved::of(&snapshot);
            shown(arguments, &told, |told| format!("{}: {told}", file.display()))
        }
        Question::Diff { before, after } => {
            let before = files::load(before)?;
            let after = match after {
                Some(file) => files::load(file)?,
                None => asked(arguments, "snapshot", &())?,
            };
            shown(arguments, &diff::between(&before, &after), diff::text)
        }
    }
}

fn ask<T: DeserializeOwned + Serialize>(
    arguments: &InspectArgs,
    command: &str,
    wanted: &impl Serialize,
    table: fn(&T) -> String,
) -> Result<String> {
    shown(arguments, &asked(arguments, command, wanted)?, table)
}

fn asked<T: DeserializeOwned>(
    arguments: &InspectArgs,
    command: &str,
    wanted: &impl Serialize,
) -> Result<T> {
    let control = arguments.control.as_deref().context("no server is named")?;
    Ok(control_client::ask(control, command, wanted)?)
}

fn shown<T: Serialize>(
    arguments: &InspectArgs,
    answer: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<String> {
    Ok(if arguments.json { serde_json::to_string(answer)? } else { plain(&text(answer)) })
}
