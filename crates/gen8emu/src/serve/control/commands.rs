//! The commands: requests as clients write them, and the replies.

use observe::AddressSpaceReports;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{monitors, picture};
use super::Facts;
use super::inspect::{engines, ggtt, registers, tlbs, walk};
use super::surface;

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
    #[error(transparent)]
    Registers(#[from] registers::RegisterError),
    #[error(transparent)]
    Walk(#[from] walk::WalkError),
    #[error(
        "there is no command '{0}': expected accesses, address-spaces, engines, ggtt, plug, registers, \
         screenshot, surface-mappings, tlbs, unplug or walk"
    )]
    CommandNotFound(String),
}

impl Refusal {
    const fn class(&self) -> &'static str {
        match self {
            Refusal::CommandNotFound(_) => "CommandNotFound",
            _ => "GenericError",
        }
    }
}

/// Carries out the request of one line.
pub(super) fn answer(line: &[u8], facts: &Facts) -> Reply {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return refuse(error.to_string()),
    };
    reply(execute(&request.execute, request.arguments, facts), request.id)
}

/// The answer to what is no request.
pub(super) fn refuse(why: String) -> Reply {
    reply(Err(Refusal::GenericError(why)), None)
}

fn execute(command: &str, arguments: Option<Value>, facts: &Facts) -> Result<Answer, Refusal> {
    match command {
        "surface-mappings" => {
            let wanted = arguments.map(parsed).transpose()?.unwrap_or_default();
            Ok(Answer::SurfaceMappings(surface::mappings(wanted, facts)?))
        }
        "screenshot" => {
            let wanted = parsed(arguments.unwrap_or_default())?;
            picture::take(&wanted, &facts.device)
                .map(Answer::Screenshot)
                .map_err(|error| Refusal::Picture(format!("{error:#}")))
        }
        "plug" => moved(monitors::plug(&parsed(arguments.unwrap_or_default())?, &facts.device)),
        "unplug" => moved(monitors::unplug(&parsed(arguments.unwrap_or_default())?, &facts.device)),
        "registers" => {
            let wanted = arguments.map(parsed).transpose()?.unwrap_or_default();
            Ok(Answer::Registers(registers::registers(&wanted, facts)?))
        }
        "walk" => Ok(Answer::Walk(walk::walk(&parsed(arguments.unwrap_or_default())?, facts)?)),
        "address-spaces" | "accesses" | "engines" | "ggtt" | "tlbs" if arguments.is_some() => {
            Err(Refusal::Arguments(command.to_owned()))
        }
        "address-spaces" => {
            // The device is locked for the copy of a handle only; what is walked is memory.
            let memory = facts.device.look(|gpu| gpu.memory().clone());
            Ok(Answer::AddressSpaces(facts.spaces.report(&memory)))
        }
        "accesses" => {
            let accesses = facts.device.look(|gpu| gpu.register_accesses());
            Ok(Answer::Accesses { reads: accesses.reads, writes: accesses.writes })
        }
        "engines" => Ok(Answer::Engines(engines::engines(facts))),
        "ggtt" => Ok(Answer::Ggtt(ggtt::ggtt(facts))),
        "tlbs" => Ok(Answer::Tlbs(tlbs::tlbs(facts))),
        other => Err(Refusal::CommandNotFound(other.to_owned())),
    }
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
