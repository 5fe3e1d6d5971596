//! Whose turn it is: one question is worked on at a time, in the order in which they came, and after
//! each the device has as much time without any. So all clients together never take more than half of one
//! CPU, whatever they ask.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// The line of those who want to work.
#[derive(Default)]
pub(super) struct Turns {
    line: Mutex<Line>,
    next: Condvar,
}

#[derive(Default)]
struct Line {
    /// Tickets that were given out.
    tickets: u64,
    /// The ticket whose turn it is.
    serving: u64,
    /// When the next one may begin.
    rested: Option<Instant>,
}

/// Somebody's turn; it ends with this value.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    began: Instant,
}

impl Turns {
    /// Waits for its turn.
    pub(super) fn take(&self) -> Turn<'_> {
        let mut line = self.lock();
        let ticket = line.tickets;
        line.tickets += 1;
        while line.serving != ticket {
            line = self.next.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        let rest = line.rested.map(|rested| rested.saturating_duration_since(Instant::now()));
        drop(line);
        if let Some(rest) = rest.filter(|rest| !rest.is_zero()) {
            thread::sleep(rest);
        }
        Turn { turns: self, began: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut line = self.turns.lock();
        line.serving += 1;
        line.rested = Some(Instant::now() + self.began.elapsed());
        self.turns.next.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_works_at_a_time_and_for_half_of_the_time() {
        let turns = Arc::new(Turns::default());
        let at_work = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (turns, at_work) = (Arc::clone(&turns), Arc::clone(&at_work));
                thread::spawn(move || {
                    let turn = turns.take();
                    assert_eq!(at_work.fetch_add(1, Ordering::SeqCst), 0, "nobody else works");
                    thread::sleep(Duration::from_millis(5));
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    drop(turn);
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        // Four times 5 ms of work with three rests between.
        assert!(began.elapsed() >= Duration::from_millis(35), "{:?}", began.elapsed());
    }

    #[test]
    fn who_comes_first_is_served_first() {
        let turns = Arc::new(Turns::default());
        let served = Arc::new(Mutex::new(Vec::new()));
        let first = turns.take();
        let clients: Vec<_> = (0..3u64)
            .map(|client| {
                let (mine, served) = (Arc::clone(&turns), Arc::clone(&served));
                let thread = thread::spawn(move || {
                    let _turn = mine.take();
                    served.lock().unwrap().push(client);
                });
                while turns.lock().tickets < client + 2 {
                    thread::yield_now();
                }
                thread
            })
            .collect();
        drop(first);
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert_eq!(*served.lock().unwrap(), [0, 1, 2]);
    }
}
