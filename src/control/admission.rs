//! Who may start a recording: every rule that a start is held to, for every API, in one place.
//!
//! What each [`Origin`] is held to is [`Rules::of`], printed in `testdata/control/admission.md`. What takes time (other hosts, the
//! storage) is checked by [`Admission::check`] beside the one task that owns recordings; what depends on other recordings is
//! decided within it, by [`check_room`], [`check_key`] and [`Admission::slot`], so that two starts cannot both pass.

use std::sync::Arc;

use super::targets::check_targets;
use crate::capacity::{Capacity, CostClass, Slot};
use crate::db::Db;
use crate::egress::Targets;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::RecordingId;
use crate::recording::{DiskMarks, Origin, Recording, Request, SealedStore, Start};
use crate::spool::FreeSpace;
use crate::storage::{Storage, Stores};

/// What starts are judged by. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Where files go.
    pub stores: Stores,
    /// Whether one more recording fits on this machine.
    pub capacity: Capacity,
    /// `disallow_local_storage`.
    pub bucket_only: bool,
    /// The name of LiveKit's key: the only one that webhooks of requests are signed with.
    pub api_key: String,
    /// Where requests may send us.
    pub targets: Arc<Targets>,
}

/// Whose file a start may write over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overwrites {
    /// Nobody's.
    Nothing,
    /// That of an earlier recording of the same room, as LiveKit Egress lets its clients.
    SameRoom,
}

/// When the storage must take the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writable {
    /// Before the start: the client learns at once that it cannot be written.
    BeforeStart,
    /// At last: a storage that is away must not lose a meeting, so the file waits in the spool.
    AtLast,
}

/// What a start is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rules {
    /// One recording of a room at a time. LiveKit's API knows no such rule: a backend may want video and a transcript of the
    /// same room.
    one_per_room: bool,
    /// Whose file may have the same key in our storage.
    overwrites: Overwrites,
    /// When the storage must take the file.
    writable: Writable,
    /// `disallow_local_storage` counts.
    bucket_only: bool,
    /// Hosts that the request names must not lie within, and it brings the credentials of its storage. The LiveKit server has
    /// judged its clients itself.
    foreign: bool,
    /// The kind of the refusal when the machine has no room. To LiveKit's server it means: another node may have some.
    full: ErrorKind,
    /// The kind of the refusal when a caller with one room names a key that is taken.
    taken: ErrorKind,
    /// How the client names the object's key.
    key: &'static str,
}

impl Rules {
    const fn of(origin: &Origin) -> Self {
        match origin {
            Origin::Rest => Self {
                one_per_room: true,
                overwrites: Overwrites::Nothing,
                writable: Writable::AtLast,
                bucket_only: false,
                foreign: false,
                full: ErrorKind::ResourceExhausted,
                taken: ErrorKind::AlreadyExists,
                key: "options.output_key",
            },
            Origin::Server(_) => Self {
                one_per_room: false,
                overwrites: Overwrites::SameRoom,
                writable: Writable::BeforeStart,
                bucket_only: true,
                foreign: false,
                full: ErrorKind::Unavailable,
                taken: ErrorKind::PermissionDenied,
                key: "filepath",
            },
            Origin::Twirp { .. } => Self {
                one_per_room: false,
                overwrites: Overwrites::SameRoom,
                writable: Writable::BeforeStart,
                bucket_only: true,
                foreign: true,
                full: ErrorKind::Unavailable,
                taken: ErrorKind::PermissionDenied,
                key: "filepath",
            },
        }
    }
}

impl Admission {
    /// Judges what takes time, and completes the start: the storage is sealed into it, and where the object will be is said.
    /// Nothing has begun when it is refused; every error names the field as the client does.
    pub(super) async fn check(&self, start: &mut Start, db: &Db) -> Result<()> {
        let rules = Rules::of(&start.options.origin);
        if let Some(key) = start.signing_key.as_ref().filter(|key| **key != self.api_key) {
            let why = format!("{key:?} is not known here; use {:?}", self.api_key);
            return Err(Error::invalid("webhooks.signing_key", why));
        }
        if rules.foreign {
            check_targets(&self.targets, start).await?;
        }
        start.options.store = start.store.as_ref().map(|store| self.stores.seal(store).map(SealedStore)).transpose()?;
        let mode = start.options.origin.names_mode().then_some(start.mode.as_str());
        let storage = self.stores.of(start.options.sealed_store(), mode)?;
        if rules.bucket_only && self.bucket_only && storage.bucket().is_none() {
            return Err(Error::new(ErrorKind::InvalidArgument, "request has missing or invalid field: output"));
        }
        // A name of our own is always good.
        let Some(key) = start.options.key.clone() else { return Ok(()) };
        storage.check_key(&key).map_err(|e| e.at(rules.key))?;
        if is_foreign_object(start, &key, &storage, db).await? {
            let why = format!("{}: {key:?} is there already, and not a recording of this room", rules.key);
            return Err(Error::new(rules.taken, why));
        }
        match rules.writable {
            Writable::AtLast => {}
            Writable::BeforeStart => {
                let container = start.request.output.container();
                let tried = storage.check_key_writable(&key, container.content_type()).await;
                tried.map_err(|e| unwritable(e, rules.foreign && start.store.is_some()))?;
            }
        }
        if let Some(egress) = start.options.origin.egress_mut().filter(|egress| egress.location.is_none()) {
            egress.location = match storage.local_path(&key) {
                Some(path) => Some(path.display().to_string()),
                None => storage.object_url(&key).await.ok().map(String::from),
            };
        }
        Ok(())
    }

    /// A place on this machine: it counts from now on, until it is dropped or the recording begins.
    pub(super) fn slot(&self, id: &RecordingId, request: &Request, origin: &Origin) -> Result<Slot> {
        self.capacity.admit(id.as_str(), class_of(request)).map_err(|(free, cost)| {
            tracing::warn!(recording = %id, room = request.room, free, cost, "refused: the machine is full");
            let message = format!("not enough CPU: {free:.2} cores are free, {cost:.2} needed");
            Error::new(Rules::of(origin).full, message)
        })
    }
}

/// What kind of work it is.
pub(super) fn class_of(request: &Request) -> CostClass {
    CostClass::of(request.output.video().is_some())
}

/// May another recording begin in this room, which `other` holds?
pub(super) fn check_room(origin: &Origin, room: &str, other: Option<&Recording>) -> Result<()> {
    match other {
        Some(other) if Rules::of(origin).one_per_room => {
            tracing::debug!(room, recording = %other.id, "refused a second recording");
            let message = format!("A recording is already in progress for room {room}");
            Err(Error::new(ErrorKind::AlreadyExists, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a recording of this origin is the only one of its room, so that whoever stops the room's recording means it.
pub(super) fn is_the_rooms(origin: &Origin) -> bool {
    Rules::of(origin).one_per_room
}

/// May it have this key, which is `owner`'s?
pub(super) fn check_key(origin: &Origin, room: &str, key: &str, owner: Option<&Recording>) -> Result<()> {
    let (Some(owner), rules) = (owner, Rules::of(origin)) else { return Ok(()) };
    let message = match rules.overwrites {
        Overwrites::SameRoom if owner.request.room == room => return Ok(()),
        Overwrites::SameRoom => {
            format!("{}: {key:?} is the file of another room's recording; name another one", rules.key)
        }
        Overwrites::Nothing => format!("{}: {key:?} is the key of another recording", rules.key),
    };
    Err(Error::new(ErrorKind::AlreadyExists, message))
}

/// Recordings that run need what is left of the disk, whoever requests another one.
pub(super) fn check_disk(room: std::io::Result<FreeSpace>, marks: &DiskMarks) -> Result<()> {
    match room {
        // What is about to be ended is better not begun.
        Ok(room) if room.is_low() || room.free < marks.reserve(room.total).saturating_mul(2) => {
            let free = room.free >> 20;
            tracing::warn!(free_mib = free, "data_dir: the disk is nearly full; nothing new is recorded");
            let message = format!("data_dir: only {free} MiB are free; free some, or choose another folder");
            Err(Error::new(ErrorKind::ResourceExhausted, message))
        }
        Ok(_) => Ok(()),
        // That it cannot be asked is no reason to record nothing.
        Err(error) => {
            tracing::warn!(%error, "data_dir: the free space of the file system cannot be read");
            Ok(())
        }
    }
}

/// A caller who may touch one room writes over nothing in our storage that is not known to be that room's.
async fn is_foreign_object(start: &Start, key: &str, storage: &Storage, db: &Db) -> Result<bool> {
    let (Some(room), None) = (&start.caller_room, &start.store) else { return Ok(false) };
    Ok(match db.with_key(key)? {
        Some(recording) => recording.request.room != *room,
        None => storage.is_there(key).await,
    })
}

/// What is wrong with the storage of a request is the request's fault. What a storage within says is not for a `stranger` who
/// sent us there.
fn unwritable(error: Error, stranger: bool) -> Error {
    if stranger {
        tracing::info!(%error, "the storage of a request is of no use");
        let message = "output: a file cannot be written there; greffier's log says why";
        return Error::new(ErrorKind::InvalidArgument, message);
    }
    if error.kind == ErrorKind::Unimplemented { error } else { error.of_kind(ErrorKind::InvalidArgument) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{EgressRequest, Limits, Options, Output, Policy};

    /// Every origin; one more does not compile here until it has its column.
    fn origins() -> [(&'static str, Origin); 3] {
        let twirp = || Origin::Twirp { request: EgressRequest::default(), webhook: None };
        let all = [("REST", Origin::Rest), ("server", Origin::Server(EgressRequest::default())), ("Twirp", twirp())];
        for (name, origin) in &all {
            let expected = match origin {
                Origin::Rest => "REST",
                Origin::Server(_) => "server",
                Origin::Twirp { .. } => "Twirp",
            };
            assert_eq!(*name, expected);
        }
        all
    }

    fn table() -> String {
        let all = origins();
        let row = |name: &str, cell: &dyn Fn(Rules) -> String| {
            let cells: Vec<String> = all.iter().map(|(_, origin)| cell(Rules::of(origin))).collect();
            format!("| {name} | {} |\n", cells.join(" | "))
        };
        let yes = |held: bool| (if held { "yes" } else { "no" }).to_owned();
        let heads: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        [
            format!("| a start is held to | {} |\n|---|---|---|---|\n", heads.join(" | ")),
            row("room on the disk", &|_| yes(true)),
            row("room on the machine, else", &|rules| format!("{:?}", rules.full)),
            row("one recording of a room", &|rules| yes(rules.one_per_room)),
            row("may write over", &|rules| format!("{:?}", rules.overwrites)),
            row("one room's caller, a key that is taken", &|rules| format!("{:?}", rules.taken)),
            row("the storage takes the file", &|rules| format!("{:?}", rules.writable)),
            row("`disallow_local_storage`", &|rules| yes(rules.bucket_only)),
            row("no hosts within, own credentials", &|rules| yes(rules.foreign)),
            row("the key is called", &|rules| format!("`{}`", rules.key)),
        ]
        .concat()
    }

    #[test]
    fn who_is_held_to_what_is_printed() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/control/admission.md");
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(path, table()).unwrap();
        }
        assert_eq!(table(), std::fs::read_to_string(path).unwrap(), "`make bless` writes it anew");
    }

    #[test]
    fn a_room_and_a_key_are_had_by_one_where_the_table_says_so() {
        let recording = |room: &str| {
            let request = Request { room: room.into(), output: Output::ogg(), limits: Limits::default() };
            let (id, now) = (RecordingId::new("EG_other"), jiff::Timestamp::UNIX_EPOCH);
            Recording::begin(id, "transcript".into(), request, Options::default(), &Policy::default(), now).0
        };
        let (same, other) = (recording("daily"), recording("weekly"));
        for (name, origin) in origins() {
            let rules = Rules::of(&origin);
            let room = |holder| check_room(&origin, "daily", holder).map_err(|e| e.kind);
            assert_eq!(room(None), Ok(()), "{name}");
            let held = if rules.one_per_room { Err(ErrorKind::AlreadyExists) } else { Ok(()) };
            assert_eq!(room(Some(&same)), held, "{name}");
            let key = |owner| check_key(&origin, "daily", "a.ogg", owner).map_err(|e| e.kind);
            assert_eq!(key(None), Ok(()), "{name}");
            assert_eq!(key(Some(&other)), Err(ErrorKind::AlreadyExists), "{name}: nobody writes over another room's");
            let own = match rules.overwrites {
                Overwrites::Nothing => Err(ErrorKind::AlreadyExists),
                Overwrites::SameRoom => Ok(()),
            };
            assert_eq!(key(Some(&same)), own, "{name}");
            let error = check_key(&origin, "daily", "a.ogg", Some(&other)).unwrap_err();
            assert!(error.message.starts_with(rules.key), "{name}: {error}");
        }
    }

    #[test]
    fn a_disk_that_is_nearly_full_takes_nothing_new() {
        let disk = |room| check_disk(room, &DiskMarks::default());
        assert_eq!(disk(Ok(FreeSpace { free: 1, total: 1 << 40 })).unwrap_err().kind, ErrorKind::ResourceExhausted);
        assert!(disk(Ok(FreeSpace { free: 1 << 39, total: 1 << 40 })).is_ok());
        assert!(disk(Err(std::io::ErrorKind::Other.into())).is_ok(), "not to know is no reason");
    }

    #[tokio::test]
    async fn a_full_machine_refuses_everybody_but_the_first() {
        for (name, origin) in origins() {
            let capacity = Capacity::start(0.01);
            let stores = crate::storage::Storage::local(std::env::temp_dir());
            let sealer = crate::sealing::Sealer::new(&crate::secret::Secret::new("secret"));
            let stores = Stores::new(stores, std::collections::HashMap::new(), &std::env::temp_dir(), sealer);
            let (api_key, targets) = (String::new(), Arc::default());
            let admission = Admission { stores, capacity, bucket_only: false, api_key, targets };
            let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
            let (first, second) = (RecordingId::new("EG_1"), RecordingId::new("EG_2"));
            let slot = admission.slot(&first, &request, &origin).expect("an idle machine takes one");
            let error = admission.slot(&second, &request, &origin).unwrap_err();
            assert_eq!(error.kind, Rules::of(&origin).full, "{name}: {error}");
            drop(slot);
            assert!(admission.slot(&second, &request, &origin).is_ok(), "{name}: what never began is free again");
        }
    }
}
