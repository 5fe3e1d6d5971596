//! `gen8emu top`: what a server's GPU does, again and again.

mod draw;
mod reading;
mod screen;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;

use control_client::Client;
use reading::{Reading, View};

/// Columns of a look that is no terminal's.
const WIDTH: u16 = 100;

/// Arguments of `top`.
#[derive(Args, Debug)]
pub(crate) struct TopArgs {
    /// The control socket of the server
    #[arg(long, value_name = "PATH")]
    pub(crate) control: PathBuf,
    /// Seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value = "1",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) every: u64,
    /// Print one look and end
    #[arg(long)]
    pub(crate) once: bool,
    /// One look as a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shows what happens, on the terminal or once.
pub(crate) fn command(arguments: &TopArgs) -> Result<()> {
    let every = Duration::from_secs(arguments.every);
    if arguments.once || arguments.json {
        let view = look(&mut Client::connect(&arguments.control)?, every)?;
        let shown = if arguments.json { serde_json::to_string(&view)? } else { text(&view) };
        println!("{shown}");
        return Ok(());
    }
    ensure!(
        io::stdout().is_terminal(),
        "standard output is no terminal to draw on: --once prints one look, --json is for programs"
    );
    screen::run(Client::connect(&arguments.control)?, every)
}

/// What happens from now on for the time of `every`.
fn look(client: &mut Client, every: Duration) -> Result<View> {
    let before = Reading::take(client)?;
    thread::sleep(every);
    Ok(View::between(&before, &Reading::take(client)?))
}

/// A look as lines, as the terminal would show it.
fn text(view: &View) -> String {
    let area = Rect::new(0, 0, WIDTH, draw::height(view));
    let mut buffer = Buffer::empty(area);
    draw::draw(view, area, &mut buffer);
    lines(&buffer)
}

/// What stands in a buffer, without its looks.
fn lines(buffer: &Buffer) -> String {
    let rows = buffer.content().chunks(usize::from(buffer.area.width));
    let lines: Vec<String> = rows
        .map(|cells| cells.iter().map(Cell::symbol).collect::<String>())
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests;
