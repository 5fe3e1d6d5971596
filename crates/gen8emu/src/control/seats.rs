//! Places for clients. Who does nothing with a place loses it to one who comes and finds none.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Clients at a time.
pub(super) const MOST_CLIENTS: usize = 8;

/// The places.
pub(super) struct Seats {
    taken: Mutex<Taken>,
    /// How long a client may do nothing before its place can be given to another.
    patience: Duration,
}

#[derive(Default)]
struct Taken {
    seats: Vec<Seat>,
    next: u64,
}

struct Seat {
    number: u64,
    stream: Arc<UnixStream>,
    /// When it last asked something or had taken a whole reply.
    active: Instant,
}

/// A client's place; given back with this value.
pub(super) struct Place {
    seats: Arc<Seats>,
    number: u64,
    pub(super) stream: Arc<UnixStream>,
}

impl Seats {
    /// All are free.
    pub(super) fn new(patience: Duration) -> Arc<Seats> {
        Arc::new(Seats { taken: Mutex::default(), patience })
    }

    /// Seats a client, if need be in the place of one that does nothing; gives it back if all are at work.
    pub(super) fn seat(self: &Arc<Seats>, stream: UnixStream) -> Result<Place, UnixStream> {
        let mut taken = self.lock();
        if taken.seats.len() >= MOST_CLIENTS && !taken.turn_idle_away(self.patience) {
            return Err(stream);
        }
        let (number, stream) = (taken.next, Arc::new(stream));
        taken.next += 1;
        taken.seats.push(Seat { number, stream: Arc::clone(&stream), active: Instant::now() });
        Ok(Place { seats: Arc::clone(self), number, stream })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Ends the connection that did nothing for the longest time, if that is longer than `patience`.
    fn turn_idle_away(&mut self, patience: Duration) -> bool {
        let idle = self.seats.iter().enumerate().min_by_key(|(_, seat)| seat.active);
        let Some((index, seat)) = idle.filter(|(_, seat)| seat.active.elapsed() >= patience) else {
            return false;
        };
        log::info!("a control client that asks nothing is turned away");
        // Its thread sees the end and goes. One that is gone already has no connection to end.
        seat.stream.shutdown(Shutdown::Both).ok();
        self.seats.swap_remove(index);
        true
    }
}

impl Place {
    /// The client has asked something, or taken a whole reply.
    pub(super) fn is_active(&self) {
        let mut taken = self.seats.lock();
        if let Some(seat) = taken.seats.iter_mut().find(|seat| seat.number == self.number) {
            seat.active = Instant::now();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.seats.lock().seats.retain(|seat| seat.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn seated(seats: &Arc<Seats>) -> Option<(Place, UnixStream)> {
        let (client, server) = UnixStream::pair().unwrap();
        Some((seats.seat(server).ok()?, client))
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_one_that_did_nothing_for_the_longest_time() {
        let seats = Seats::new(Duration::ZERO);
        let mut clients: Vec<_> = (0..MOST_CLIENTS).filter_map(|_| seated(&seats)).collect();
        clients[0].0.is_active();
        let _newcomer = seated(&seats).expect("somebody does nothing");
        assert_eq!(clients[1].1.read(&mut [0]).unwrap(), 0, "the second one is turned away");
        clients[0].1.set_nonblocking(true).unwrap();
        assert!(clients[0].1.read(&mut [0]).is_err(), "the first one is still connected");
        assert_eq!(seats.lock().seats.len(), MOST_CLIENTS);
        clients.clear();
        assert_eq!(seats.lock().seats.len(), 1, "places are given back once");
    }

    #[test]
    fn nobody_is_turned_away_before_the_time() {
        let seats = Seats::new(Duration::from_secs(3600));
        let mut clients: Vec<_> = (0..MOST_CLIENTS).filter_map(|_| seated(&seats)).collect();
        assert!(seated(&seats).is_none());
        clients.pop();
        assert!(seated(&seats).is_some());
    }
}
