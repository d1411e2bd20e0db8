//! The server's room service, by Twirp in protobuf: which rooms there are, their metadata, messages to everybody in one.

use std::time::Duration;

use livekit_protocol as proto;
use prost::Message;

use super::server::Server;
use super::{token, trust};
use crate::error::{Attempt, Error, ErrorKind, Result};
use crate::http;

/// The rooms of one server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RoomService {
    server: Server,
    base: String,
    /// A client of its own: a private authority is trusted for this server only.
    web: reqwest::Client,
    /// For error messages.
    whom: &'static str,
    timeout: Duration,
}

impl RoomService {
    /// The service of this server, named `whom` in error messages; a request may take as long as `timeout`. The error names the
    /// field of the server that is wrong.
    pub fn new(server: &Server, whom: &'static str, timeout: Duration) -> Result<Self> {
        let (endpoint, web) = (server.endpoint()?, http::client());
        let web = if endpoint.tls { web.tls_backend_preconfigured(trust::client_config(&server.site())?) } else { web };
        let base = format!("{}/twirp/livekit.RoomService", endpoint.http_url());
        Ok(Self { server: server.clone(), base, web: http::built(web)?, whom, timeout })
    }

    /// Asks for this room: the server's answer, whatever it is, a `ListRoomsResponse` if its status is 200. `Unavailable`
    /// without an answer.
    pub async fn list(&self, room: &str) -> Result<http::Answer> {
        let request = proto::ListRoomsRequest { names: vec![room.to_owned()] };
        self.call("ListRooms", token::lister(&self.server)?, &request).await
    }

    /// The room, if there is one of this name.
    pub async fn room(&self, room: &str) -> Attempt<Option<proto::Room>> {
        let answer = self.list(room).await?.taken(self.whom)?;
        let list = proto::ListRoomsResponse::decode(answer.body.as_slice())
            .map_err(|e| Error::new(ErrorKind::Unavailable, format!("{}: not a list of rooms: {e}", self.whom)))?;
        Ok(list.rooms.into_iter().find(|found| found.name == room))
    }

    /// Sets a room's metadata. False when the room is gone.
    pub async fn set_metadata(&self, room: &str, metadata: String) -> Attempt<bool> {
        let request = proto::UpdateRoomMetadataRequest { room: room.to_owned(), metadata };
        self.change("UpdateRoomMetadata", room, &request).await
    }

    /// Sends `data` to everybody in the room, reliably and without a topic; a client that knows the nonce (16 bytes) takes a
    /// repetition for the same message. False when the room is gone.
    pub async fn send_data(&self, room: &str, data: Vec<u8>, nonce: Vec<u8>) -> Attempt<bool> {
        let request = proto::SendDataRequest {
            room: room.to_owned(),
            data,
            kind: proto::data_packet::Kind::Reliable.into(),
            nonce,
            ..proto::SendDataRequest::default()
        };
        self.change("SendData", room, &request).await
    }

    async fn change(&self, method: &str, room: &str, request: &impl Message) -> Attempt<bool> {
        let answer = self.call(method, token::room_admin(&self.server, room)?, request).await?;
        // It was there a moment ago.
        if answer.status == reqwest::StatusCode::NOT_FOUND && answer.excerpt().contains("not_found") {
            return Ok(false);
        }
        answer.taken(self.whom).map(|_| true)
    }

    async fn call(&self, method: &str, token: String, request: &impl Message) -> Result<http::Answer> {
        let request = self
            .web
            .post(format!("{}/{method}", self.base))
            .timeout(self.timeout)
            .bearer_auth(token)
            .header("Content-Type", "application/protobuf")
            .body(request.encode_to_vec());
        http::send(request, self.whom).await
    }
}
