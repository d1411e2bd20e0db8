//! Pure. What a server means when it asks us to leave.

use livekit_protocol as proto;
use proto::DisconnectReason as Reason;
use proto::leave_request::Action;

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The session is to be resumed, for this reason.
    Resume(String),
    /// The session is over, and the room is not: join anew.
    Replace(String),
    /// The room ended, or we were removed from it.
    End(String),
}

/// `replacing`: we are about to take our own place in the room, or have just done so. A server that sees an identity join
/// again says farewell to the one before, and it may do so late.
#[allow(clippy::wildcard_enum_match_arm, reason = "LiveKit adds reasons; the action says what to do about them")]
pub(super) fn farewell(leave: &proto::LeaveRequest, replacing: bool) -> Farewell {
    let reason = leave.reason();
    let words = match reason {
        Reason::RoomClosed => "the room was closed after its last participant left",
        Reason::RoomDeleted => "the room was deleted",
        Reason::ParticipantRemoved => "the recorder was removed from the room",
        Reason::DuplicateIdentity if !replacing => "another participant took the recorder's identity",
        _ => {
            let why = reason.as_str_name().to_owned();
            return match leave.action() {
                Action::Resume => Farewell::Resume(why),
                // Also for `Disconnect`: a server that shuts down may come back.
                Action::Reconnect | Action::Disconnect => Farewell::Replace(why),
            };
        }
    };
    Farewell::End(words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(reason: Reason, action: Action) -> proto::LeaveRequest {
        let mut leave = proto::LeaveRequest::default();
        leave.set_reason(reason);
        leave.set_action(action);
        leave
    }

    #[test]
    fn our_own_echo_ends_nothing() {
        let echo = leave(Reason::DuplicateIdentity, Action::Disconnect);
        assert!(matches!(farewell(&echo, true), Farewell::Replace(_)));
        assert!(matches!(farewell(&echo, false), Farewell::End(_)));
    }

    #[test]
    fn what_ends_the_room_ends_the_recording_and_nothing_else_does() {
        for replacing in [false, true] {
            for reason in [Reason::RoomClosed, Reason::RoomDeleted, Reason::ParticipantRemoved] {
                assert!(
                    matches!(farewell(&leave(reason, Action::Disconnect), replacing), Farewell::End(_)),
                    "{reason:?}"
                );
            }
            for reason in [Reason::ServerShutdown, Reason::StateMismatch, Reason::SignalClose, Reason::UnknownReason] {
                let said = farewell(&leave(reason, Action::Disconnect), replacing);
                assert!(matches!(said, Farewell::Replace(_)), "{reason:?}");
                let said = farewell(&leave(reason, Action::Resume), replacing);
                assert!(matches!(said, Farewell::Resume(_)), "{reason:?}");
            }
        }
    }
}
