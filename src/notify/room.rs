//! Notices inside the room, by LiveKit's room service: metadata and data messages.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_protocol as proto;
use prost::Message;
use reqwest::StatusCode;

use super::livekit::LiveKit;
use super::{http, notice};
use crate::error::{Error, ErrorKind, Result};
use crate::recording::{Event, Recording};

/// A token is used once.
const LIFETIME: Duration = Duration::from_secs(300);
/// How long a change may take to appear: this often, this long apart.
const LOOKS: u32 = 40;
const LOOK: Duration = Duration::from_millis(50);
const WHOM: &str = "room notice to LiveKit";

/// The rooms of one server.
pub(super) struct Rooms {
    server: LiveKit,
    web: reqwest::Client,
}

impl Rooms {
    pub fn new(server: &LiveKit) -> Result<Self> {
        server.room_service("")?;
        // A client of its own: a private authority is trusted for this server only.
        let web = http::client(server.ca_file.as_deref(), server.insecure)?;
        Ok(Self { server: server.clone(), web })
    }

    /// Shows the event to the participants. A room that is gone has nobody to tell.
    pub async fn tell(&self, event: Event, about: &Recording, now: Timestamp) -> Result<()> {
        let room = &about.request.room;
        let Some(current) = self.metadata(room).await? else { return Ok(()) };
        // The message first: metadata that is not ours to change must not keep it back.
        if let Some(message) = notice::message(event, about, now) {
            let _there = self.send(room, message.to_string(), event, about).await?;
        }
        match notice::metadata(&current, event, about) {
            Ok(None) => Ok(()),
            Ok(Some(metadata)) => {
                if self.set_metadata(room, metadata).await? {
                    self.shown(room, &current).await?;
                }
                Ok(())
            }
            Err(notice::NotAnObject) => {
                Err(Error::invalid("room metadata", "it is not a JSON object; the recording is not shown in it"))
            }
        }
    }

    /// The room's metadata; `None` when there is no such room.
    async fn metadata(&self, room: &str) -> Result<Option<String>> {
        let grants = VideoGrants { room_list: true, ..VideoGrants::default() };
        let request = proto::ListRoomsRequest { names: vec![room.to_owned()] };
        let answer = self.call("ListRooms", grants, &request).await?.taken(WHOM)?;
        let list = proto::ListRoomsResponse::decode(answer.body.as_slice())
            .map_err(|e| Error::new(ErrorKind::Unavailable, format!("{WHOM}: not a list of rooms: {e}")))?;
        Ok(list.rooms.into_iter().find(|found| found.name == room).map(|room| room.metadata))
    }

    /// The server answers a change before its list shows it: who reads too early takes the old keys for the present ones, and
    /// an end would find nothing to take away. So this waits; a change that stays unseen is made again by the next try.
    async fn shown(&self, room: &str, before: &str) -> Result<()> {
        for _ in 0..LOOKS {
            match self.metadata(room).await? {
                Some(now) if now == before => tokio::time::sleep(LOOK).await,
                Some(_) | None => return Ok(()),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, format!("{WHOM}: the changed metadata does not appear")))
    }

    async fn set_metadata(&self, room: &str, metadata: String) -> Result<bool> {
        let request = proto::UpdateRoomMetadataRequest { room: room.to_owned(), metadata };
        self.change("UpdateRoomMetadata", room, &request).await
    }

    /// To everybody, reliably, without a topic.
    async fn send(&self, room: &str, text: String, event: Event, about: &Recording) -> Result<bool> {
        // The same at every try, so that a client that knows it shows the message once.
        let nonce = digest(&SHA256, format!("notice\n{}\n{}", about.id, event.name()).as_bytes());
        let request = proto::SendDataRequest {
            room: room.to_owned(),
            data: text.into_bytes(),
            kind: proto::data_packet::Kind::Reliable.into(),
            nonce: nonce.as_ref()[..16].to_vec(),
            ..proto::SendDataRequest::default()
        };
        self.change("SendData", room, &request).await
    }

    /// False when the room is gone.
    async fn change(&self, method: &str, room: &str, request: &impl Message) -> Result<bool> {
        let grants = VideoGrants { room_admin: true, room: room.to_owned(), ..VideoGrants::default() };
        let answer = self.call(method, grants, request).await?;
        // It was there a moment ago.
        if answer.status == StatusCode::NOT_FOUND && answer.excerpt().contains("not_found") {
            return Ok(false);
        }
        answer.taken(WHOM).map(|_| true)
    }

    async fn call(&self, method: &str, grants: VideoGrants, request: &impl Message) -> Result<http::Answer> {
        let token = AccessToken::with_api_key(&self.server.api_key, self.server.api_secret.expose())
            .with_ttl(LIFETIME)
            .with_grants(grants)
            .to_jwt()
            .map_err(|e| Error::new(ErrorKind::Unavailable, format!("{WHOM}: cannot sign a token: {e}")))?;
        let request = self
            .web
            .post(self.server.room_service(method)?)
            .bearer_auth(token)
            .header("Content-Type", "application/protobuf")
            .body(request.encode_to_vec());
        http::send(request, WHOM).await
    }
}
