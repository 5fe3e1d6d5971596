//! The commands: requests as clients write them, and the replies.

use observe::AddressSpaceReports;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::inspect::{
    contexts, engines, ggtt, load, place, ranges, registers, snapshot, tables, tlbs, walk, watched,
    who_wrote,
};
use super::{Subject, VERSION, monitors, picture, surface};
use crate::agent;

/// A request, as a client writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    execute: String,
    arguments: Option<Value>,
    /// Goes back with the reply.
    id: Option<Value>,
}

/// The answer to a request.
#[derive(Serialize)]
pub(super) struct Reply {
    #[serde(flatten)]
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Return(Answer),
    Error { class: &'static str, desc: String },
}

/// What the commands answer, written as it is: the list can be long.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Version(Version),
    AddressSpaces(AddressSpaceReports),
    Accesses { reads: u64, writes: u64 },
    Screenshot(picture::Taken),
    SurfaceMappings(surface::Mappings),
    Port(monitors::Changed),
    Registers(registers::Registers),
    Engines(engines::Engines),
    Walk(walk::Walk),
    Ggtt(ggtt::Ggtt),
    Tlbs(tlbs::Tlbs),
    Tables(tables::Tables),
    Ranges(ranges::Ranges),
    Views(Box<agent::Report>),
    Contexts(contexts::Contexts),
    Load(load::Load),
    Snapshot(Box<snapshot::Snapshot>),
    Events(watched::Events),
    Rules(watched::Rules),
    Findings(watched::AllFindings),
    Leaks(watched::Leaks),
    WhoWrote(who_wrote::WhoWrote),
}

/// Who answers.
#[derive(Serialize)]
struct Version {
    /// Of the protocol.
    control: u32,
    /// Of the program.
    program: &'static str,
    /// Whether the device runs; else it is a recording's, at one of its moments.
    running: bool,
}

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("this is no request: {0}")]
    GenericError(String),
    #[error("'{0}' takes no arguments")]
    Arguments(String),
    #[error("no picture: {0}")]
    Picture(String),
    #[error("no surface: {0}")]
    Surface(#[from] surface::SurfaceError),
    #[error("{0}")]
    Monitor(String),
    #[error("there is no kernel's view: the server was started without --agent")]
    NoAgent,
    #[error(transparent)]
    Registers(#[from] registers::RegisterError),
    #[error(transparent)]
    Walk(#[from] walk::WalkError),
    #[error(transparent)]
    Place(#[from] place::PlaceError),
    #[error(transparent)]
    Events(#[from] watched::EventError),
    #[error(transparent)]
    WhoWrote(#[from] who_wrote::WhoWroteError),
    #[error("there is no command '{0}': expected {COMMANDS}")]
    CommandNotFound(String),
    #[error("{0} clients are connected, and all of them are at work: try again")]
    Busy(usize),
}

/// Every command.
const COMMANDS: &str = "accesses, address-spaces, contexts, engines, events, findings, ggtt, leaks, load, \
                        plug, ranges, registers, rules, screenshot, snapshot, surface-mappings, tables, tlbs, \
                        unplug, version, views, walk or who-wrote";

impl Refusal {
    const fn class(&self) -> &'static str {
        match self {
            Refusal::CommandNotFound(_) => "CommandNotFound",
            Refusal::Busy(_) => "Busy",
            _ => "GenericError",
        }
    }
}

/// Carries out the request of one line.
pub(super) fn answer(line: &[u8], subject: &Subject) -> Reply {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return refuse(error.to_string()),
    };
    let arguments = Arguments { command: &request.execute, given: request.arguments };
    reply(execute(arguments, subject), request.id)
}

/// The answer to what is no request.
pub(super) fn refuse(why: String) -> Reply {
    reply(Err(Refusal::GenericError(why)), None)
}

impl Reply {
    /// To a client that finds no place, since there are so many.
    pub(super) fn busy(clients: usize) -> Reply {
        reply(Err(Refusal::Busy(clients)), None)
    }
}

/// A command with what was given to it.
struct Arguments<'a> {
    command: &'a str,
    given: Option<Value>,
}

impl Arguments<'_> {
    fn none(self) -> Result<(), Refusal> {
        match self.given {
            None => Ok(()),
            Some(_) => Err(Refusal::Arguments(self.command.to_owned())),
        }
    }

    fn required<T: DeserializeOwned>(self) -> Result<T, Refusal> {
        parsed(self.given.unwrap_or_default())
    }

    fn optional<T: DeserializeOwned>(self) -> Result<Option<T>, Refusal> {
        self.given.map(parsed).transpose()
    }

    fn or_default<T: DeserializeOwned + Default>(self) -> Result<T, Refusal> {
        Ok(self.optional()?.unwrap_or_default())
    }
}

fn execute(arguments: Arguments<'_>, subject: &Subject) -> Result<Answer, Refusal> {
    let device = &subject.device;
    match arguments.command {
        "surface-mappings" => {
            let wanted = arguments.or_default()?;
            Ok(Answer::SurfaceMappings(surface::mappings(wanted, subject)?))
        }
        "screenshot" => picture::take(&arguments.required()?, device)
            .map(Answer::Screenshot)
            .map_err(|error| Refusal::Picture(format!("{error:#}"))),
        "plug" => moved(monitors::plug(&arguments.required()?, device)),
        "unplug" => moved(monitors::unplug(&arguments.required()?, device)),
        "registers" => {
            Ok(Answer::Registers(registers::registers(&arguments.or_default()?, subject)?))
        }
        "walk" => Ok(Answer::Walk(walk::walk(&arguments.required()?, subject)?)),
        "tables" => Ok(Answer::Tables(tables::tables(&arguments.required()?, subject)?)),
        "ranges" => Ok(Answer::Ranges(ranges::ranges(&arguments.required()?, subject)?)),
        "views" => {
            arguments.none()?;
            let agent = subject.agent.as_ref().ok_or(Refusal::NoAgent)?;
            Ok(Answer::Views(Box::new(agent.report())))
        }
        "events" => Ok(Answer::Events(watched::events(&arguments.or_default()?, subject)?)),
        "leaks" => {
            arguments.none()?;
            Ok(Answer::Leaks(watched::leaks(subject)?))
        }
        "rules" => {
            let guest = arguments.optional()?;
            Ok(Answer::Rules(watched::rules(guest.as_ref(), subject)))
        }
        "who-wrote" => Ok(Answer::WhoWrote(who_wrote::who_wrote(&arguments.required()?, subject)?)),
        _ => execute_plain(arguments, subject),
    }
}

/// The commands that take no arguments.
fn execute_plain(arguments: Arguments<'_>, subject: &Subject) -> Result<Answer, Refusal> {
    let answer: fn(&Subject) -> Answer = match arguments.command {
        "version" => |subject| Answer::Version(version(subject)),
        "address-spaces" => {
            |subject| Answer::AddressSpaces(subject.watch.spaces.report(&subject.memory()))
        }
        "accesses" => |subject| {
            let accesses = subject.device.look(|gpu| gpu.register_accesses());
            Answer::Accesses { reads: accesses.reads, writes: accesses.writes }
        },
        "engines" => |subject| Answer::Engines(engines::engines(subject)),
        "ggtt" => |subject| Answer::Ggtt(ggtt::ggtt(subject)),
        "contexts" => |subject| Answer::Contexts(contexts::contexts(subject)),
        "load" => |subject| Answer::Load(load::load(subject)),
        "snapshot" => |subject| Answer::Snapshot(Box::new(snapshot::snapshot(subject))),
        "findings" => |subject| Answer::Findings(watched::findings(subject)),
        "tlbs" => |subject| Answer::Tlbs(tlbs::tlbs(subject)),
        other => return Err(Refusal::CommandNotFound(other.to_owned())),
    };
    arguments.none()?;
    Ok(answer(subject))
}

fn version(subject: &Subject) -> Version {
    let running = subject.device.is_running();
    Version { control: VERSION, program: env!("CARGO_PKG_VERSION"), running }
}

fn parsed<T: DeserializeOwned>(arguments: Value) -> Result<T, Refusal> {
    serde_json::from_value(arguments).map_err(|error| Refusal::GenericError(error.to_string()))
}

fn moved(result: anyhow::Result<monitors::Changed>) -> Result<Answer, Refusal> {
    result.map(Answer::Port).map_err(|error| Refusal::Monitor(format!("{error:#}")))
}

fn reply(result: Result<Answer, Refusal>, id: Option<Value>) -> Reply {
    let outcome = match result {
        Ok(answer) => Outcome::Return(answer),
        Err(error) => Outcome::Error { class: error.class(), desc: error.to_string() },
    };
    Reply { outcome, id }
}
