//! The connections of an API: who is at work and who only holds a seat.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

/// As many connections as there are seats.
#[derive(Debug)]
pub(super) struct Guests {
    most: usize,
    room: Mutex<Room>,
    /// Somebody left or has no request any more.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Room {
    /// Grows with every arrival and every answer: who has the lowest number has waited longest.
    next: u64,
    /// Without a request, by when they began to wait.
    idle: BTreeMap<u64, oneshot::Sender<()>>,
    busy: usize,
}

/// A connection that has a seat until it is dropped.
#[derive(Debug)]
pub(super) struct Guest {
    busy: Busy,
    sent_away: oneshot::Receiver<()>,
}

/// Says when a connection has a request to be answered.
#[derive(Clone, Debug)]
pub(super) struct Busy {
    guests: Arc<Guests>,
    seat: Arc<Mutex<Seat>>,
}

#[derive(Debug)]
enum Seat {
    /// Since this number.
    Idle(u64),
    /// The handle by which it is sent away, once it is idle again.
    Busy(oneshot::Sender<()>),
    Left,
}

/// A request that is being answered, until it is dropped.
#[derive(Debug)]
pub(super) struct Work(Busy);

impl Guests {
    /// Nobody yet.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), room: Mutex::default(), freed: Notify::new() }
    }

    /// A seat for a newcomer: a free one, or that of who has been idle for longest; when all are busy, once one is not.
    pub(super) async fn welcome(guests: &Arc<Self>) -> Guest {
        loop {
            let freed = guests.freed.notified();
            if let Some(guest) = Self::take(guests) {
                return guest;
            }
            freed.await;
        }
    }

    fn take(guests: &Arc<Self>) -> Option<Guest> {
        let mut room = guests.lock();
        if room.idle.len() + room.busy >= guests.most {
            // Dropping the handle sends it away.
            room.idle.pop_first()?;
        }
        let (handle, sent_away) = oneshot::channel();
        let number = room.number();
        room.idle.insert(number, handle);
        let busy = Busy { guests: guests.clone(), seat: Arc::new(Mutex::new(Seat::Idle(number))) };
        Some(Guest { busy, sent_away })
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Guest {
    /// To say when there is a request.
    pub(super) fn busy(&self) -> Busy {
        self.busy.clone()
    }

    /// Ready when somebody else needs the seat.
    pub(super) async fn sent_away(&mut self) {
        let _ = (&mut self.sent_away).await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let (mut room, mut seat) = (self.busy.guests.lock(), self.busy.seat());
        match std::mem::replace(&mut *seat, Seat::Left) {
            Seat::Idle(number) => drop(room.idle.remove(&number)),
            Seat::Busy(_) => room.busy -= 1,
            Seat::Left => {}
        }
        self.busy.guests.freed.notify_one();
    }
}

impl Busy {
    /// There is a request.
    pub(super) fn begin(&self) -> Work {
        let (mut room, mut seat) = (self.guests.lock(), self.seat());
        // Who is being sent away at this moment is not there any more.
        if let Seat::Idle(number) = *seat
            && let Some(handle) = room.idle.remove(&number)
        {
            room.busy += 1;
            *seat = Seat::Busy(handle);
        }
        Work(self.clone())
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let Busy { guests, .. } = &self.0;
        let (mut room, mut seat) = (guests.lock(), self.0.seat());
        let number = room.number();
        match std::mem::replace(&mut *seat, Seat::Left) {
            Seat::Busy(handle) => {
                room.busy -= 1;
                room.idle.insert(number, handle);
                *seat = Seat::Idle(number);
                guests.freed.notify_one();
            }
            other @ (Seat::Idle(_) | Seat::Left) => *seat = other,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn welcomed(guests: &Arc<Guests>) -> Option<Guest> {
        Guests::welcome(guests).now_or_never()
    }

    fn is_sent_away(guest: &mut Guest) -> bool {
        guest.sent_away().now_or_never().is_some()
    }

    #[test]
    fn who_has_waited_longest_makes_room_and_who_is_at_work_stays() {
        let guests = Arc::new(Guests::new(2));
        let (mut one, mut two) = (welcomed(&guests).unwrap(), welcomed(&guests).unwrap());
        let work = one.busy().begin();
        let mut three = welcomed(&guests).unwrap();
        assert!(is_sent_away(&mut two) && !is_sent_away(&mut one));
        drop(two);
        drop(work);
        // The first is idle for less long than the third now.
        let four = welcomed(&guests).unwrap();
        assert!(is_sent_away(&mut three) && !is_sent_away(&mut one));
        drop(three);
        let works = (one.busy().begin(), four.busy().begin());
        let mut newcomer = std::pin::pin!(Guests::welcome(&guests));
        assert!(newcomer.as_mut().now_or_never().is_none(), "all are at work");
        drop(works.1);
        let newcomer = newcomer.now_or_never().unwrap();
        drop((works.0, one, four, newcomer));
        let room = guests.lock();
        assert_eq!((room.idle.len(), room.busy), (0, 0));
    }
}
