//! Pure. What a caller may do.

/// One thing a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// See recordings, fetch their files.
    Read,
    /// Start them, stop them, change their layout.
    Record,
    /// Remove them.
    Delete,
    /// All of it, and see whose they are.
    Admin,
}

/// Several of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Record, Self::Delete, Self::Admin];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Record => "record",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Record => 2,
            Self::Delete => 4,
            Self::Admin => 8,
        }
    }
}

impl Scopes {
    /// Everything.
    pub const ALL: Self = Self(15);

    /// These.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Is this allowed? To an admin everything is.
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// What a LiveKit access token allows by its video grants. A `roomRecord` is what LiveKit asks of those who start and stop
    /// egresses; removing what was recorded takes the room's `roomAdmin` too.
    pub fn of_grants(room_record: bool, room_admin: bool) -> Self {
        match (room_record, room_admin) {
            (true, true) => Self::of([Scope::Read, Scope::Record, Scope::Delete]),
            (true, false) => Self::of([Scope::Read, Scope::Record]),
            (false, _) => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_admins_may_what_they_were_not_given() {
        let some = Scopes::of([Scope::Read, Scope::Record]);
        assert!(some.allow(Scope::Read) && some.allow(Scope::Record));
        assert!(!some.allow(Scope::Delete) && !some.allow(Scope::Admin));
        let admin = Scopes::of([Scope::Admin]);
        assert!(Scope::ALL.into_iter().all(|scope| admin.allow(scope) && Scopes::ALL.allow(scope)));
        assert!(!Scope::ALL.into_iter().any(|scope| Scopes::default().allow(scope)));
        assert!(Scope::ALL.into_iter().all(|scope| Scope::named(scope.name()) == Some(scope)));
    }

    #[test]
    fn livekits_grants() {
        assert_eq!(Scopes::of_grants(false, true), Scopes::default());
        assert!(!Scopes::of_grants(true, false).allow(Scope::Delete));
        assert!(Scopes::of_grants(true, true).allow(Scope::Delete));
        assert!(!Scopes::of_grants(true, true).allow(Scope::Admin));
    }
}
