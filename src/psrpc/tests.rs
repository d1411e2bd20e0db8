//! The codec and the decisions, held against recorded traffic and against anything at all.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::choice::{Choice, Decision, Selection};
use super::claim::{Chosen, ClaimStep, Claims, Reading};
use super::frame::{
    Any, ClaimRequest, ClaimResponse, FrameBody, Msg, RequestFrame, Response, Unreadable, lock_key, open, seal,
};
use super::{channel, code};

/// One message of `testdata/psrpc`.
struct Captured {
    name: String,
    channel: String,
    lock_key: Option<String>,
    /// What is in the envelope, as another decoder read it.
    envelope: Value,
    payload: Bytes,
}

impl Captured {
    fn is(&self) -> &str {
        self.envelope["is"].as_str().unwrap()
    }

    fn open<B: FrameBody>(&self) -> B {
        open(self.payload.clone()).unwrap_or_else(|why| panic!("{}: {why}", self.name))
    }
}

fn captured() -> Vec<Captured> {
    let mut all = Vec::new();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/psrpc")).unwrap() {
        for line in fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let [name, _from, channel, lock, envelope, hex] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("six columns: {line}")
            };
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            all.push(Captured {
                name: name.to_owned(),
                channel: channel.to_owned(),
                lock_key: (lock != "-").then(|| lock.to_owned()),
                envelope: serde_json::from_str(envelope).unwrap(),
                payload: (0..hex.len()).step_by(2).map(byte).collect(),
            });
        }
    }
    assert!(all.len() > 150, "only {} messages", all.len());
    all
}

/// As protojson writes it: 64-bit numbers as text, nothing for what is empty.
fn shown(is: &str, fields: &[(&str, Value)]) -> Value {
    let empty = |value: &Value| *value == json!("") || *value == json!("0") || *value == json!(false);
    let fields =
        fields.iter().filter(|(_, value)| !empty(value)).map(|(name, value)| (name.to_string(), value.clone()));
    Value::Object([("is".to_owned(), json!(is))].into_iter().chain(fields).collect())
}

#[test]
fn every_recorded_message_is_read_and_written_the_same() {
    for one in captured() {
        let (read, written) = match one.is() {
            "Request" => {
                let m: RequestFrame = one.open();
                assert!(!m.raw_request.is_empty() && !m.multi && m.metadata.is_empty(), "{}", one.name);
                let times = [("sent_at", json!(m.sent_at.to_string())), ("expiry", json!(m.expiry.to_string()))];
                let ids = [("request_id", json!(m.request_id)), ("client_id", json!(m.client_id))];
                (shown("Request", &[ids, times].concat()), seal(&m))
            }
            "Response" => {
                let m: Response = one.open();
                let ids = [("request_id", json!(m.request_id)), ("server_id", json!(m.server_id))];
                let error = [("error", json!(m.error)), ("code", json!(m.code))];
                let sent = [("sent_at", json!(m.sent_at.to_string()))];
                (shown("Response", &[&ids[..], &error, &sent].concat()), seal(&m))
            }
            "ClaimRequest" => {
                let m: ClaimRequest = one.open();
                let ids = [("request_id", json!(m.request_id)), ("server_id", json!(m.server_id))];
                (shown("ClaimRequest", &[&ids[..], &[("affinity", json!(m.affinity))]].concat()), seal(&m))
            }
            "ClaimResponse" => {
                let m: ClaimResponse = one.open();
                let ids = [("request_id", json!(m.request_id)), ("server_id", json!(m.server_id))];
                (shown("ClaimResponse", &ids), seal(&m))
            }
            other => panic!("{}: {other}", one.name),
        };
        assert_eq!(read, one.envelope, "{}", one.name);
        assert_eq!(written, one.payload, "{}", one.name);
    }
}

#[test]
fn channels_and_lock_keys_are_the_recorded_ones() {
    let mut locks = 0;
    for one in captured() {
        let parts = one.channel.split('|').collect::<Vec<_>>();
        let name = match parts[..] {
            [service, client, "CLAIM"] => channel::claim(service, client),
            [service, client, "RES"] => channel::response(service, client),
            [service, method, "REQ"] => channel::request(service, method, ""),
            [service, method, topic, "REQ"] => channel::request(service, method, topic),
            [service, method, "RCLAIM"] => channel::grant(service, method, ""),
            [service, method, topic, "RCLAIM"] => channel::grant(service, method, topic),
            _ => panic!("{}: {}", one.name, one.channel),
        };
        assert_eq!(name, one.channel);
        if let Some(key) = one.lock_key {
            assert_eq!(lock_key(&one.payload), key, "{}", one.name);
            locks += 1;
        }
    }
    assert_eq!(locks, 34);
}

#[test]
fn the_recorded_grants_make_the_recorded_servers_answer() {
    let all = captured();
    let (mut answered, mut granted) = (0, 0);
    let servers: Vec<String> =
        all.iter().filter(|one| one.is() == "ClaimRequest").map(|one| one.open::<ClaimRequest>().server_id).collect();
    for server in servers.iter().collect::<std::collections::BTreeSet<_>>() {
        let mut claims = Claims::new(server);
        for one in &all {
            match one.is() {
                "Request" => {
                    let request: RequestFrame = one.open();
                    let now = request.sent_at + 1;
                    let step = claims.request(request, now, |_| Reading::Bid(0.5, ()));
                    assert!(matches!(step, ClaimStep::Bid { .. }), "{}: {step:?}", one.name);
                }
                "ClaimResponse" => {
                    let grant: ClaimResponse = one.open();
                    let mine = grant.server_id == *server;
                    assert_eq!(matches!(claims.grant(&grant, 0), Some(Chosen::Us(..))), mine, "{}", one.name);
                    granted += usize::from(mine);
                    answered += usize::from(all.iter().any(|res| {
                        let answer = res.is() == "Response" && mine;
                        answer && res.open::<Response>().request_id == grant.request_id
                    }));
                }
                _ => {}
            }
        }
    }
    assert_eq!((granted, answered), (34, 34));
}

#[test]
fn the_client_would_have_chosen_as_the_go_client_did() {
    let all = captured();
    let now = Instant::now();
    let mut grants: HashMap<String, String> = HashMap::new();
    for one in all.iter().filter(|one| one.is() == "ClaimResponse") {
        let grant: ClaimResponse = one.open();
        grants.insert(grant.request_id, grant.server_id);
    }
    for (request, winner) in grants {
        let mut choice = Some(Choice::new(Selection::BEST, now, now + Duration::from_secs(10)));
        let mut chosen = None;
        for one in all.iter().filter(|one| one.is() == "ClaimRequest") {
            let bid: ClaimRequest = one.open();
            if bid.request_id == request
                && let Some(choosing) = &mut choice
                && let Decision::Grant(server) = choosing.bid(bid, now)
            {
                chosen = Some(server);
                choice = None;
            }
        }
        let chosen = chosen.or_else(|| match choice.take().map(Choice::elapsed) {
            Some(Decision::Grant(server)) => Some(server),
            _ => None,
        });
        assert_eq!(chosen, Some(winner), "{request}");
    }
}

#[test]
fn recorded_errors_keep_their_kind() {
    let mut seen = BTreeMap::new();
    for one in captured().iter().filter(|one| one.is() == "Response") {
        let answer: Response = one.open();
        if !answer.error.is_empty() {
            assert_eq!(code::of(code::kind(&answer.code)), answer.code);
            *seen.entry(answer.code).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["invalid_argument", "not_found", "unavailable"]);
}

fn packed<B: FrameBody>(body: &B) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&body.encode_to_vec()).unwrap();
    let type_url = format!("type.googleapis.com/internal.{}", B::NAME);
    let msg = Msg { type_url, value: encoder.finish().unwrap().into(), compression: 1, ..Msg::default() };
    msg.encode_to_vec().into()
}

#[test]
fn what_cannot_be_read_says_why() {
    let request = RequestFrame { request_id: "REQ_1".into(), ..RequestFrame::default() };
    assert_eq!(open::<RequestFrame>(packed(&request)), Ok(request.clone()));
    assert_eq!(open::<Response>(seal(&request)), Err(Unreadable::Type));
    assert_eq!(open::<RequestFrame>(Bytes::from_static(b"\xff\xff")), Err(Unreadable::Envelope));
    assert_eq!(open::<RequestFrame>(Bytes::new()), Err(Unreadable::Type));
    let msg = Msg::decode(seal(&request)).unwrap();
    let with = |change: fn(&mut Msg)| {
        let mut msg = msg.clone();
        change(&mut msg);
        open::<RequestFrame>(msg.encode_to_vec().into())
    };
    assert_eq!(with(|msg| msg.compression = 2), Err(Unreadable::Compression(2)));
    assert_eq!(with(|msg| msg.compression = 1), Err(Unreadable::Gzip));
    assert_eq!(with(|msg| msg.value = Bytes::from_static(b"\x08\x08")), Err(Unreadable::Body));
    assert_eq!(with(|msg| msg.type_url = "internal.Request".into()), Ok(request.clone()));
    // A bomb: small on the wire, too long once unpacked.
    let bomb = RequestFrame { raw_request: vec![0; super::frame::LONGEST].into(), ..RequestFrame::default() };
    let bomb = packed(&bomb);
    assert!(bomb.len() < 200_000);
    assert_eq!(open::<RequestFrame>(bomb), Err(Unreadable::TooLong));
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

prop_compose! {
    fn request()(request_id in ".*", client_id in ".*", sent_at: i64, expiry: i64, multi: bool,
        metadata in prop::collection::btree_map(".*", ".*", 0..3), raw_request in bytes(), skip_claim: bool) -> RequestFrame
    {
        RequestFrame { request_id, client_id, sent_at, expiry, multi, metadata, raw_request, skip_claim }
    }
}

prop_compose! {
    fn response()(request_id in ".*", server_id in ".*", sent_at: i64, error in ".*", code in ".*",
        raw_response in bytes(), details in prop::collection::vec((".*", bytes()), 0..3)) -> Response
    {
        let error_details = details.into_iter().map(|(type_url, value)| Any { type_url, value }).collect();
        Response { request_id, server_id, sent_at, error, code, raw_response, error_details }
    }
}

prop_compose! {
    fn bid()(request_id in ".*", server_id in ".*", affinity in prop::num::f32::ANY.prop_filter("equal to itself",
        |affinity| !affinity.is_nan()), handling: bool) -> ClaimRequest
    {
        ClaimRequest { request_id, server_id, affinity, handling }
    }
}

/// The fields of an encoded message, each with its key.
fn fields(mut encoded: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    while !encoded.is_empty() {
        let mut rest = encoded;
        let (number, wire) = prost::encoding::decode_key(&mut rest).unwrap();
        let context = prost::encoding::DecodeContext::default();
        prost::encoding::skip_field(wire, number, &mut rest, context).unwrap();
        fields.push(encoded[..encoded.len() - rest.len()].to_vec());
        encoded = rest;
    }
    fields
}

proptest! {
    #[test]
    fn every_message_survives_the_way(request in request(), response in response(), bid in bid()) {
        prop_assert_eq!(open::<RequestFrame>(seal(&request)), Ok(request.clone()));
        prop_assert_eq!(open::<Response>(seal(&response)), Ok(response.clone()));
        prop_assert_eq!(open::<ClaimRequest>(seal(&bid)), Ok(bid.clone()));
        prop_assert_eq!(open::<RequestFrame>(packed(&request)), Ok(request.clone()));
        let grant = ClaimResponse { request_id: request.request_id, server_id: response.server_id };
        prop_assert_eq!(open::<ClaimResponse>(seal(&grant)), Ok(grant));
    }

    #[test]
    fn the_order_of_fields_and_unknown_ones_do_not_matter(request in request(), unknown in bytes()) {
        let mut all = fields(&request.encode_to_vec());
        all.reverse();
        let mut value = Vec::new();
        prost::encoding::bytes::encode(99, &unknown, &mut value);
        value.extend(all.concat());
        let mut msg = fields(&Msg { value: value.into(), ..Msg::decode(seal(&request)).unwrap() }.encode_to_vec());
        msg.reverse();
        prop_assert_eq!(open::<RequestFrame>(msg.concat().into()), Ok(request));
    }

    #[test]
    fn nothing_makes_the_codec_panic(payload in bytes(), value in bytes(), compression in 0..3) {
        let type_url = "type.googleapis.com/internal.".to_owned();
        for name in ["", "Request", "Response", "ClaimRequest", "ClaimResponse"] {
            let msg = Msg { type_url: type_url.clone() + name, value: value.clone(), compression, ..Msg::default() };
            read_as_all(&msg.encode_to_vec().into());
        }
        read_as_all(&payload);
    }

    #[test]
    fn a_damaged_recording_makes_nothing_panic(
        which: prop::sample::Index, at: prop::sample::Index, to: u8, cut: prop::sample::Index)
    {
        let all = captured();
        let mut payload = which.get(&all).payload.to_vec();
        let at = at.index(payload.len());
        payload[at] = to;
        read_as_all(&payload.clone().into());
        payload.truncate(cut.index(payload.len()));
        read_as_all(&payload.into());
    }

    #[test]
    fn no_work_without_a_grant_before_it_twice_or_after_expiry(
        moves in prop::collection::vec((any::<bool>(), 0..6_u8, 0..40_i64, 0..8_i64), 0..80))
    {
        let mut claims = Claims::new("SRV_us");
        // Of each id: until when it may be granted to us.
        let mut may_work: HashMap<String, i64> = HashMap::new();
        let mut now = 0;
        for (asks, id, more, step) in moves {
            now += step;
            let request_id = id.to_string();
            if asks {
                let expiry = now + more - 5;
                let request = RequestFrame {
                    request_id: request_id.clone(), client_id: "CLI_x".into(), expiry, ..RequestFrame::default() };
                match claims.request(request, now, |_| Reading::Bid(1.0, ())) {
                    ClaimStep::Bid { bid, .. } => {
                        prop_assert!(now < expiry && bid.request_id == request_id);
                        may_work.insert(request_id, expiry);
                    }
                    ClaimStep::Drop(_) => {}
                    step @ (ClaimStep::Run(..) | ClaimStep::Malformed(_)) => prop_assert!(false, "{step:?}"),
                }
            } else {
                let ours = more % 3 > 0;
                let server_id = if ours { "SRV_us" } else { "SRV_other" }.to_owned();
                let grant = ClaimResponse { request_id: request_id.clone(), server_id };
                let worked = matches!(claims.grant(&grant, now), Some(Chosen::Us(..)));
                // Any grant ends the wait.
                let until = may_work.remove(&request_id);
                prop_assert_eq!(worked, ours && until.is_some_and(|until| now < until));
            }
        }
    }

    #[test]
    fn channel_names_have_as_many_parts_as_were_given(service in ".+", method in ".+", topic in ".+") {
        let name = channel::request(&service, &method, &topic);
        prop_assert_eq!(name.split('|').count(), 4);
        prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_+|".contains(c)));
    }
}

fn read_as_all(payload: &Bytes) {
    let _ = open::<RequestFrame>(payload.clone());
    let _ = open::<Response>(payload.clone());
    let _ = open::<ClaimRequest>(payload.clone());
    let _ = open::<ClaimResponse>(payload.clone());
}
