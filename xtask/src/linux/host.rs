//! What the guest asks of the host: things at the GPU that no guest can do, such as pulling a plug.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::boot::Watch;
use super::control;
use super::verdict::{OURS, time_stamp};

/// The word of such a line, behind [`OURS`].
const HOST: &str = "host ";
/// The commands of the control socket that a guest may have. Others write files of the host's.
const GRANTED: [&str; 2] = ["plug", "unplug"];

/// A command, as the control socket takes it.
#[derive(Debug, Deserialize)]
struct Request {
    execute: String,
    #[serde(default)]
    arguments: Value,
}

/// Hands requests on to the control socket; reads along for somebody else besides.
pub(super) struct Host<'a> {
    inner: &'a mut dyn Watch,
    /// The GPU's server, if there is one.
    control: Option<&'a Path>,
    refused: Vec<String>,
}

impl<'a> Host<'a> {
    pub(super) fn new(inner: &'a mut dyn Watch, control: Option<&'a Path>) -> Host<'a> {
        Host { inner, control, refused: Vec::new() }
    }

    /// What was asked for and not done, for the verdict.
    pub(super) fn finish(self) -> Vec<String> {
        self.refused
    }

    fn pass_on(&self, request: &str) -> Result<()> {
        let request: Request = serde_json::from_str(request).context("it cannot be understood")?;
        if !GRANTED.contains(&request.execute.as_str()) {
            bail!("a guest may ask for {} only", GRANTED.join(" and "));
        }
        let control = self.control.context("there is no GPU of ours")?;
        control::execute_with::<Value>(control, &request.execute, request.arguments)?;
        Ok(())
    }
}

impl Watch for Host<'_> {
    fn line(&mut self, line: &str) {
        let (_, message) = time_stamp(line.trim_end());
        if let Some(request) = message.strip_prefix(OURS).and_then(|ours| ours.strip_prefix(HOST))
            && let Err(error) = self.pass_on(request)
        {
            self.refused.push(format!("the guest's request {request} was refused: {error:#}"));
        }
        self.inner.line(line);
    }

    fn gives_up(&self) -> Option<String> {
        self.inner.gives_up()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::super::scratch::Scratch;
    use super::*;

    /// What is refused of `line`, and what a server that answers with `answer` was asked.
    fn refused(test: &str, line: &str, answer: &'static str) -> (Vec<String>, String) {
        let scratch = Scratch::for_test(test);
        let socket = scratch.join("control");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            // Where nothing was asked, nobody is there any more.
            writeln!(&stream, r#"{{"gen8emu":{{"control":1}}}}"#).ok();
            BufReader::new(&stream).read_line(&mut request).ok();
            writeln!(&stream, "{answer}").ok();
            request
        });
        let mut nobody = ();
        let mut host = Host::new(&mut nobody, Some(&socket));
        host.line(line);
        let refused = host.finish();
        // A request that was not handed on leaves the server waiting.
        drop(std::os::unix::net::UnixStream::connect(&socket));
        (refused, server.join().unwrap())
    }

    const UNPLUG: &str = r#"{"execute":"unplug","arguments":{"port":"B"}}"#;

    #[test]
    fn a_request_is_handed_on_and_a_refusal_is_a_fault() {
        let line = format!("[    7.100000] gen8emu: host {UNPLUG}\r");
        let (faults, asked) = refused("host-done", &line, r#"{"return":{}}"#);
        assert!(faults.is_empty(), "{faults:?}");
        let (sent, meant): (Value, Value) =
            (serde_json::from_str(&asked).unwrap(), serde_json::from_str(UNPLUG).unwrap());
        assert_eq!(sent, meant);
        let refusal = r#"{"error":{"class":"GenericError","desc":"port B has no monitor"}}"#;
        let (faults, _) = refused("host-refused", &line, refusal);
        assert!(faults[0].contains("port B has no monitor"), "{faults:?}");
    }

    #[test]
    fn a_guest_gets_nothing_that_writes_files_and_no_line_of_others_is_a_request() {
        let (faults, asked) =
            refused("host-wild", r#"gen8emu: host {"execute":"screenshot"}"#, "{}");
        assert!(faults[0].contains("plug and unplug only") && asked.is_empty(), "{faults:?}");
        assert_eq!(refused("host-junk", "gen8emu: host {", "{}").0.len(), 1);
        let said = format!("somebody said gen8emu: host {UNPLUG}");
        assert_eq!(refused("host-said", &said, "{}"), (Vec::new(), String::new()));
    }

    #[test]
    fn a_request_without_a_gpu_of_ours_is_a_fault() {
        let mut nobody = ();
        let mut host = Host::new(&mut nobody, None);
        host.line(&format!("gen8emu: host {UNPLUG}"));
        assert!(host.finish()[0].contains("no GPU"));
    }
}
