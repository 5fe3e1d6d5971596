//! The terminal: taken for the time of `top`, and given back on every way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use device_server::TerminationSignals;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};

use super::draw;
use super::reading::{Reading, View};
use control_client::Client;

/// How long keys and signals wait at most.
const PATIENCE: Duration = Duration::from_millis(100);

/// The terminal in its drawing mode. A panic gives it back as well: ratatui sees to that.
struct Screen(DefaultTerminal);

impl Screen {
    fn take() -> Result<Screen> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Screen(terminal)),
            Err(error) => {
                // Half of it may have been done.
                ratatui::restore();
                Err(error).context("the terminal cannot be drawn on")
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Looks again and again, until somebody presses q, Escape or Ctrl-C, or sends a signal to end.
pub(super) fn run(mut client: Client, every: Duration) -> Result<()> {
    let asked_to_end = ends_by_signal()?;
    let mut before = Reading::take(&mut client)?;
    let mut screen = Screen::take()?;
    // The first look is of a moment: nothing has a rate yet.
    let mut view = View::between(&before, &before);
    loop {
        screen.0.draw(|frame| draw::draw(&view, frame.area(), frame.buffer_mut()))?;
        if is_over(every, &asked_to_end)? {
            return Ok(());
        }
        let after = Reading::take(&mut client)?;
        view = View::between(&before, &after);
        before = after;
    }
}

/// Waits for the next look; says whether there is none.
fn is_over(every: Duration, asked_to_end: &AtomicBool) -> Result<bool> {
    let begin = Instant::now();
    while let Some(left) = every.checked_sub(begin.elapsed()) {
        if asked_to_end.load(Ordering::Relaxed) {
            return Ok(true);
        }
        if !event::poll(left.min(PATIENCE))? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if ends(&key) => return Ok(true),
            // Drawn anew at once.
            Event::Resize(..) => return Ok(false),
            _ => {}
        }
    }
    Ok(false)
}

fn ends(key: &KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => true,
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

/// Becomes true with SIGTERM or SIGINT.
fn ends_by_signal() -> Result<Arc<AtomicBool>> {
    let signals = TerminationSignals::block().context("cannot block signals")?;
    let asked = Arc::new(AtomicBool::new(false));
    let tells = Arc::clone(&asked);
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Err(error) = signals.wait() {
                log::error!("signals cannot be waited for: {error}");
            }
            tells.store(true, Ordering::Relaxed);
        })
        .context("cannot start a thread")?;
    Ok(asked)
}
