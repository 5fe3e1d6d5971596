//! Looks at a pipe, for all viewers together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gen8_spec::registers::outputs::PIPE_COUNT;
use gpu_model::display::{Changes, Pixel, Scanner, Screen};
use gpu_thread::Device;

use crate::area::narrow;

/// Between two looks: monitors show some 60 pictures a second.
pub(crate) const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 60);
/// The size of the picture until a pipe has been on: a viewer wants one at once.
const FIRST_SIZE: (u16, u16) = (640, 480);

/// What all viewers look through. Without viewers that wait, it does nothing.
pub(crate) struct Eye {
    device: Arc<Device>,
    /// The pipe; else the first that is on.
    pipe: Option<usize>,
    view: Mutex<View>,
}

/// What was seen at the last look.
pub(crate) struct View {
    scanner: Scanner,
    /// A pipe was on.
    on: bool,
    /// How many looks found something new.
    news: u64,
    /// The value of `news` when each row was new, and when the size was.
    rows: Vec<u64>,
    size: u64,
    /// When to look again.
    next: Instant,
}

impl Eye {
    pub(crate) fn new(device: Arc<Device>, pipe: Option<usize>) -> Eye {
        Eye { device, pipe, view: Mutex::new(View::new()) }
    }

    /// Hands `show` what is seen now, or was seen less than a [`PERIOD`] ago. Where a look takes long,
    /// it rests for as long.
    pub(crate) fn look<R>(&self, show: impl FnOnce(&View) -> R) -> R {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        if start >= view.next {
            let screen = self.screen();
            view.update(screen.as_ref());
            view.next = start + PERIOD.max(2 * start.elapsed());
        }
        show(&view)
    }

    /// The registers as they are. Only for this the device is locked.
    fn screen(&self) -> Option<Screen> {
        let pipes = match self.pipe {
            Some(pipe) => pipe..pipe.saturating_add(1),
            None => 0..PIPE_COUNT,
        };
        self.device.look(|gpu| pipes.into_iter().find_map(|pipe| gpu.screen(pipe)))
    }
}

impl View {
    fn new() -> View {
        let (scanner, rows) = (Scanner::default(), Vec::new());
        View { scanner, on: false, news: 0, rows, size: 0, next: Instant::now() }
    }

    /// Takes over what a pipe sends; a pipe that is off leaves a black picture of the last size.
    fn update(&mut self, screen: Option<&Screen>) {
        let was_on = std::mem::replace(&mut self.on, screen.is_some());
        let Changes { resized, rows } = match screen {
            Some(screen) => self.scanner.update(screen),
            None if was_on => self.scanner.blank(),
            None => return,
        };
        if rows.is_empty() && !resized {
            return;
        }
        self.news += 1;
        if resized {
            self.size = self.news;
            self.rows = vec![self.news; self.scanner.picture().height as usize];
        }
        for range in rows {
            if let Some(rows) = self.rows.get_mut(range.start as usize..range.end as usize) {
                rows.fill(self.news);
            }
        }
    }

    /// Counts the looks that found something new.
    pub(crate) fn news(&self) -> u64 {
        self.news
    }

    /// Whether row `y` is another than at news number `since`.
    pub(crate) fn is_newer(&self, y: u16, since: u64) -> bool {
        self.size > since || self.rows.get(usize::from(y)).is_some_and(|&news| news > since)
    }

    /// Width and height.
    pub(crate) fn size(&self) -> (u16, u16) {
        let picture = self.scanner.picture();
        match (narrow(picture.width), narrow(picture.height)) {
            (0, _) | (_, 0) => FIRST_SIZE,
            size => size,
        }
    }

    /// The pixels of row `y`; none where the picture has none.
    pub(crate) fn row(&self, y: u16) -> &[Pixel] {
        self.scanner.picture().row(y.into())
    }
}
