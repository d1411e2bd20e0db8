//! psrpc over a real Redis: our server and our client, and each alone against bytes written by hand.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod documents;
mod link;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use greffier::error::{Error, ErrorKind};
use greffier::psrpc::frame::{ClaimRequest, ClaimResponse, FrameBody, Msg, RequestFrame, Response, open, seal};
use greffier::psrpc::{
    Bus, CallOptions, Method, PsrpcClient, PsrpcServer, Selection, ServiceKind, Serving, Settings, Subscription,
    channel,
};
use greffier::secret::Secret;
use prost::Message as _;
use support::redis::Redis;

const LONG: Duration = Duration::from_secs(20);

/// Like `StartEgress`, but with time for a machine that does other things too.
const BEST: CallOptions = CallOptions {
    timeout: LONG,
    selection: Selection { enough: 1.0, timeout: None, after_first: Some(Duration::from_secs(2)) },
};

fn bus(redis: &Redis) -> Bus {
    Bus::start(Settings::at(&redis.address()).unwrap())
}

fn raw(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Serves `Test.Do` by answering `<who> did <what>`, and counts.
async fn serve(bus: &Bus, who: &'static str, kind: ServiceKind) -> (Serving, Arc<AtomicUsize>) {
    serve_by(&PsrpcServer::new(bus.clone()), who, kind).await
}

async fn serve_by(server: &PsrpcServer, who: &'static str, kind: ServiceKind) -> (Serving, Arc<AtomicUsize>) {
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let mut serving = server.serve(Method::new("Test", "Do", ""), kind, move |what: Bytes| {
        count.fetch_add(1, Ordering::SeqCst);
        async move { Ok(raw(&format!("{who} did {}", String::from_utf8_lossy(&what)))) }
    });
    serving.ready().await;
    (serving, done)
}

/// What another implementation would send, byte for byte under the test's control.
struct ByHand {
    bus: Bus,
    inbox: Subscription,
}

impl ByHand {
    async fn listen(bus: &Bus, channels: &[String]) -> Self {
        let inbox = bus.subscribe(channels.to_vec());
        inbox.subscribed().wait_for(|yes| *yes).await.unwrap();
        Self { bus: bus.clone(), inbox }
    }

    /// Listens as the client `CLI_hand` of the service `Test`: bids are 0, answers 1.
    async fn client(bus: &Bus) -> Self {
        Self::listen(bus, &[channel::claim("Test", "CLI_hand"), channel::response("Test", "CLI_hand")]).await
    }

    async fn send(&self, channel: String, payload: Bytes) {
        self.bus.publish(channel, payload).await.unwrap();
    }

    async fn ask(&self, request: &RequestFrame) {
        self.send(channel::request("Test", "Do", ""), seal(request)).await;
    }

    async fn grant(&self, request_id: &str, server_id: &str) {
        let grant = ClaimResponse { request_id: request_id.into(), server_id: server_id.into() };
        self.send(channel::grant("Test", "Do", ""), seal(&grant)).await;
    }

    async fn next<B: FrameBody>(&mut self, place: usize) -> B {
        let (from, payload) = tokio::time::timeout(LONG, self.inbox.next()).await.expect("a message").unwrap();
        assert_eq!(from, place);
        open(payload).unwrap()
    }
}

/// Nanoseconds since 1970.
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

fn request(id: &str, valid_for: Duration) -> RequestFrame {
    RequestFrame {
        request_id: id.into(),
        client_id: "CLI_hand".into(),
        expiry: now() + i64::try_from(valid_for.as_nanos()).unwrap(),
        raw_request: raw(id),
        ..RequestFrame::default()
    }
}

fn packed<B: FrameBody>(body: &B) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&body.encode_to_vec()).unwrap();
    let type_url = format!("type.googleapis.com/internal.{}", B::NAME);
    Msg { type_url, value: encoder.finish().unwrap().into(), compression: 1, ..Msg::default() }.encode_to_vec().into()
}

#[tokio::test]
async fn the_best_bid_wins_and_only_it_works() {
    let redis = Redis::start();
    let (first, second) = (bus(&redis), bus(&redis));
    let (_half, half_done) = serve(&first, "half", ServiceKind::claim(|_| 0.5)).await;
    let client = PsrpcClient::new(&bus(&redis), "Test");
    assert_eq!(client.call("Do", "", raw("a"), &BEST).await.unwrap(), "half did a");
    {
        let (_whole, whole_done) = serve(&second, "whole", ServiceKind::claim(|_| 1.0)).await;
        for n in 0..20 {
            assert_eq!(client.call("Do", "", raw(&n.to_string()), &BEST).await.unwrap(), format!("whole did {n}"));
        }
        assert_eq!(whole_done.load(Ordering::SeqCst), 20);
    }
    assert_eq!(half_done.load(Ordering::SeqCst), 1);
    assert_eq!(client.call("Do", "", raw("b"), &BEST).await.unwrap(), "half did b");
}

#[tokio::test]
async fn who_is_outbid_is_told() {
    let redis = Redis::start();
    let (first, second) = (bus(&redis), bus(&redis));
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let outbid = ServiceKind::claim_or_lose(|_| 0.5, move |raw: Bytes| tell.send(raw).unwrap());
    let (_half, _) = serve(&first, "half", outbid).await;
    let client = PsrpcClient::new(&bus(&redis), "Test");
    assert_eq!(client.call("Do", "", raw("mine"), &BEST).await.unwrap(), "half did mine");
    let (_more, _) = serve(&second, "more", ServiceKind::claim(|_| 0.6)).await;
    assert_eq!(client.call("Do", "", raw("theirs"), &BEST).await.unwrap(), "more did theirs");
    let heard = tokio::time::timeout(LONG, told.recv()).await.expect("it is told").unwrap();
    assert_eq!(heard, "theirs", "and not of what it won");
}

#[tokio::test]
async fn of_equal_bids_one_wins() {
    let redis = Redis::start();
    let (first, second) = (bus(&redis), bus(&redis));
    let (_one, one_done) = serve(&first, "one", ServiceKind::claim(|_| 0.5)).await;
    let (_two, two_done) = serve(&second, "two", ServiceKind::claim(|_| 0.5)).await;
    let client = PsrpcClient::new(&bus(&redis), "Test");
    let calls = (0..30).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { client.call("Do", "", raw(&n.to_string()), &BEST).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(one_done.load(Ordering::SeqCst) + two_done.load(Ordering::SeqCst), 30);
}

#[tokio::test]
async fn who_cannot_win_is_told_in_the_words_of_the_go_library() {
    let redis = Redis::start();
    let bus = bus(&redis);
    let client = PsrpcClient::new(&bus, "Test");
    let nobody = client.call("Do", "", raw(""), &CallOptions::best(LONG)).await.unwrap_err();
    assert_eq!((nobody.kind, nobody.message.as_str()), (ErrorKind::Unavailable, "no response from servers"));
    let (_unwilling, done) = serve(&bus, "unwilling", ServiceKind::claim(|_| -1.0)).await;
    let (_zero, zero_done) = serve(&bus, "zero", ServiceKind::claim(|_| 0.0)).await;
    let zero = client.call("Do", "", raw(""), &CallOptions::best(LONG)).await.unwrap_err();
    let expected = (ErrorKind::Unavailable, "no servers available (received 1 responses)");
    assert_eq!((zero.kind, zero.message.as_str()), expected);
    assert_eq!(done.load(Ordering::SeqCst) + zero_done.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_queue_gives_each_request_to_one_server() {
    let redis = Redis::start();
    let (first, second) = (bus(&redis), bus(&redis));
    let (_one, one_done) = serve(&first, "one", ServiceKind::Queue).await;
    let (_two, two_done) = serve(&second, "two", ServiceKind::Queue).await;
    let client = PsrpcClient::new(&bus(&redis), "Test");
    for n in 0..50 {
        client.call("Do", "", raw(&n.to_string()), &CallOptions::patient(LONG, LONG)).await.unwrap();
    }
    assert_eq!(one_done.load(Ordering::SeqCst) + two_done.load(Ordering::SeqCst), 50);
    // The same bytes once more, as after a lost acknowledgement: one bid for the two of them.
    let mut hand = ByHand::client(&first).await;
    let twice = request("REQ_twice", LONG);
    hand.ask(&twice).await;
    hand.ask(&twice).await;
    hand.ask(&request("REQ_next", LONG)).await;
    let (one, two): (ClaimRequest, ClaimRequest) = (hand.next(0).await, hand.next(0).await);
    let mut bids = [one.request_id.as_str(), two.request_id.as_str()];
    bids.sort_unstable();
    assert_eq!(bids, ["REQ_next", "REQ_twice"]);
}

#[tokio::test]
async fn no_work_before_the_grant_after_the_expiry_or_twice() {
    let redis = Redis::start();
    let bus = bus(&redis);
    let (_serving, done) = serve(&bus, "server", ServiceKind::claim(|_| 1.0)).await;
    let mut hand = ByHand::client(&bus).await;
    hand.ask(&request("REQ_late", Duration::ZERO)).await;
    hand.send(channel::request("Test", "Do", ""), Bytes::from_static(b"\xff not a message")).await;
    hand.ask(&request("REQ_a", LONG)).await;
    hand.ask(&request("REQ_a", LONG)).await;
    hand.ask(&request("REQ_b", LONG)).await;
    let a: ClaimRequest = hand.next(0).await;
    assert_eq!((a.request_id.as_str(), a.affinity), ("REQ_a", 1.0));
    let b: ClaimRequest = hand.next(0).await;
    assert_eq!(b.request_id, "REQ_b");
    assert_eq!(done.load(Ordering::SeqCst), 0);
    hand.grant("REQ_a", "SRV_other").await;
    hand.grant("REQ_a", &a.server_id).await;
    hand.grant("REQ_unknown", &a.server_id).await;
    hand.grant("REQ_b", &b.server_id).await;
    hand.grant("REQ_b", &b.server_id).await;
    let answer: Response = hand.next(1).await;
    assert_eq!((answer.request_id.as_str(), answer.raw_response), ("REQ_b", raw("server did REQ_b")));
    assert_eq!(answer.server_id, b.server_id);
    hand.ask(&request("REQ_c", LONG)).await;
    let c: ClaimRequest = hand.next(0).await;
    hand.grant("REQ_c", &c.server_id).await;
    let answer: Response = hand.next(1).await;
    assert_eq!(answer.request_id, "REQ_c");
    assert_eq!(done.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_bid_is_forgotten_when_the_request_expires() {
    let redis = Redis::start();
    let bus = bus(&redis);
    // The server's clock is ahead by this many nanoseconds: what expires is decided here, and not by how fast the machine is.
    let ahead = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&ahead);
    let server = PsrpcServer::with_clock(bus.clone(), move || now() + clock.load(Ordering::SeqCst));
    let (_serving, done) = serve_by(&server, "server", ServiceKind::claim(|_| 1.0)).await;
    let mut hand = ByHand::client(&bus).await;
    hand.ask(&request("REQ_short", LONG)).await;
    let short: ClaimRequest = hand.next(0).await;
    assert_eq!(short.request_id, "REQ_short");
    ahead.store(i64::try_from(LONG.as_nanos()).unwrap(), Ordering::SeqCst);
    hand.grant("REQ_short", &short.server_id).await;
    // Later than the grant on the same connection: when it is done, the grant has been read.
    hand.ask(&request("REQ_next", 3 * LONG)).await;
    let next: ClaimRequest = hand.next(0).await;
    hand.grant("REQ_next", &next.server_id).await;
    let answer: Response = hand.next(1).await;
    assert_eq!(answer.request_id, "REQ_next");
    assert_eq!(done.load(Ordering::SeqCst), 1, "what has expired is not done");
}

#[tokio::test]
async fn errors_arrive_with_kind_and_text() {
    let redis = Redis::start();
    let bus = bus(&redis);
    let kinds = [
        ErrorKind::InvalidArgument,
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::Unauthenticated,
        ErrorKind::PermissionDenied,
        ErrorKind::FailedPrecondition,
        ErrorKind::ResourceExhausted,
        ErrorKind::Unavailable,
        ErrorKind::DeadlineExceeded,
        ErrorKind::DataLoss,
        ErrorKind::Unimplemented,
        ErrorKind::Internal,
    ];
    let method = Method::new("Test", "Fail", "a topic");
    let mut serving = PsrpcServer::new(bus.clone()).serve(method, ServiceKind::Queue, move |raw: Bytes| async move {
        match raw.first() {
            Some(&n) => Err(Error::new(kinds[usize::from(n)], format!("error {n}"))),
            None => panic!("the handler breaks"),
        }
    });
    serving.ready().await;
    let client = PsrpcClient::new(&bus, "Test");
    for (n, kind) in kinds.into_iter().enumerate() {
        let request = Bytes::from(vec![u8::try_from(n).unwrap()]);
        let error = client.call("Fail", "a topic", request, &CallOptions::patient(LONG, LONG)).await.unwrap_err();
        assert_eq!(error, Error::new(kind, format!("error {n}")));
    }
    let error = client.call("Fail", "a topic", Bytes::new(), &CallOptions::patient(LONG, LONG)).await.unwrap_err();
    assert_eq!(error, Error::new(ErrorKind::Internal, "Fail: internal error, see the log"));
}

#[tokio::test]
async fn a_request_is_read_once_for_bid_and_work() {
    let redis = Redis::start();
    let bus = bus(&redis);
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    let method = Method::new("Test", "Do", "").map(move |raw: Bytes| {
        counted.fetch_add(1, Ordering::Relaxed);
        raw.len()
    });
    let kind = ServiceKind::claim(|length: &usize| if *length == 3 { 1.0 } else { -1.0 });
    let mut serving =
        PsrpcServer::new(bus.clone()).serve(method, kind, |length| async move { Ok(raw(&length.to_string())) });
    serving.ready().await;
    let client = PsrpcClient::new(&bus, "Test");
    assert_eq!(client.call("Do", "", raw("abc"), &BEST).await.unwrap(), raw("3"));
    assert_eq!(reads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_the_handler_could_not_decode_is_answered_at_once() {
    let redis = Redis::start();
    let bus = bus(&redis);
    let method = Method::new("Test", "Do", "").reads::<ClaimRequest>();
    let mut serving =
        PsrpcServer::new(bus.clone()).serve(method, ServiceKind::claim(|_| 1.0), |_| async { Ok(Bytes::new()) });
    serving.ready().await;
    let client = PsrpcClient::new(&bus, "Test");
    let error = client.call("Do", "", raw("\x0b not protobuf"), &BEST).await.unwrap_err();
    assert_eq!(error, Error::new(ErrorKind::InvalidArgument, "Do: the request cannot be decoded"));
    let mut hand = ByHand::client(&bus).await;
    hand.ask(&request("REQ_hand", LONG)).await;
    let answer: Response = hand.next(1).await;
    assert_eq!(answer.code, "malformed_request");
    assert!(client.call("Do", "", Bytes::new(), &BEST).await.unwrap().is_empty());
}

#[tokio::test]
async fn everybody_answers_a_multi_call() {
    let redis = Redis::start();
    let (first, second) = (bus(&redis), bus(&redis));
    let (_one, _) = serve(&first, "one", ServiceKind::Multi).await;
    let (_two, _) = serve(&second, "two", ServiceKind::Multi).await;
    let client = PsrpcClient::new(&first, "Test");
    let answers = client.call_all("Do", "", raw("it"), Duration::from_secs(2)).await.unwrap();
    let mut answers = answers.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    answers.sort();
    assert_eq!(answers, ["one did it", "two did it"]);
}

#[tokio::test]
async fn topics_come_and_go_while_running() {
    let redis = Redis::start();
    let bus = bus(&redis);
    let server = PsrpcServer::new(bus.clone());
    let client = PsrpcClient::new(&bus, "EgressHandler");
    for id in ["EG_1", "EG_2"] {
        let method = Method::new("EgressHandler", "StopEgress", id);
        let mut serving = server.serve(method, ServiceKind::Queue, move |_| async move { Ok(raw(id)) });
        serving.ready().await;
        assert_eq!(client.call("StopEgress", id, Bytes::new(), &CallOptions::patient(LONG, LONG)).await.unwrap(), id);
    }
    let gone = client.call("StopEgress", "EG_1", Bytes::new(), &CallOptions::first(LONG)).await.unwrap_err();
    assert_eq!(gone.message, "no response from servers");
}

#[tokio::test]
async fn what_runs_is_answered_although_the_method_is_served_no_more() {
    let redis = Redis::start();
    let bus = bus(&redis);
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let (go_on, goes_on) = tokio::sync::watch::channel(false);
    let method = Method::new("Test", "Do", "");
    let mut serving = PsrpcServer::new(bus.clone()).serve(method, ServiceKind::Queue, move |_| {
        let (begun, mut goes_on) = (begun.clone(), goes_on.clone());
        async move {
            begun.send(()).await.unwrap();
            goes_on.wait_for(|yes| *yes).await.unwrap();
            Ok(raw("done"))
        }
    });
    serving.ready().await;
    let client = PsrpcClient::new(&bus, "Test");
    let call =
        tokio::spawn(async move { client.call("Do", "", Bytes::new(), &CallOptions::patient(LONG, LONG)).await });
    has_begun.recv().await.unwrap();
    drop(serving);
    go_on.send_replace(true);
    assert_eq!(call.await.unwrap().unwrap(), "done");
}

#[tokio::test]
async fn after_a_restart_of_redis_everything_is_subscribed_again() {
    let mut redis = Redis::start();
    let (serving_bus, calling_bus) = (bus(&redis), bus(&redis));
    let (_serving, _) = serve(&serving_bus, "server", ServiceKind::Queue).await;
    let client = PsrpcClient::new(&calling_bus, "Test");
    assert_eq!(client.call("Do", "", raw("a"), &CallOptions::patient(LONG, LONG)).await.unwrap(), "server did a");
    for round in 0..3 {
        redis.kill();
        for bus in [&serving_bus, &calling_bus] {
            bus.up().wait_for(|up| !*up).await.unwrap();
            assert_eq!(bus.ping().await.unwrap_err().kind, ErrorKind::Unavailable);
            assert_eq!(bus.publish("x".into(), raw("x")).await.unwrap_err().kind, ErrorKind::Unavailable);
        }
        // While it is away, a call waits and a method is added.
        let method = Method::new("Test", "New", &round.to_string());
        let mut new =
            PsrpcServer::new(serving_bus.clone()).serve(method, ServiceKind::Queue, |_| async { Ok(raw("new")) });
        let away = client.call("Do", "", raw("b"), &CallOptions::first(Duration::from_millis(50))).await.unwrap_err();
        assert_eq!((away.kind, away.message.as_str()), (ErrorKind::Unavailable, "Redis has not answered in time"));
        redis.launch();
        serving_bus.up().wait_for(|up| *up).await.unwrap();
        new.ready().await;
        assert_eq!(client.call("Do", "", raw("c"), &CallOptions::patient(LONG, LONG)).await.unwrap(), "server did c");
        let answer = client.call("New", &round.to_string(), Bytes::new(), &CallOptions::patient(LONG, LONG)).await;
        assert_eq!(answer.unwrap(), "new");
    }
}

#[tokio::test]
async fn newer_versions_may_compress() {
    let redis = Redis::start();
    let bus = bus(&redis);
    let (_serving, _) = serve(&bus, "server", ServiceKind::claim(|_| 1.0)).await;
    let mut hand = ByHand::client(&bus).await;
    hand.send(channel::request("Test", "Do", ""), packed(&request("REQ_gz", LONG))).await;
    let bid: ClaimRequest = hand.next(0).await;
    let grant = ClaimResponse { request_id: "REQ_gz".into(), server_id: bid.server_id };
    hand.send(channel::grant("Test", "Do", ""), packed(&grant)).await;
    let answer: Response = hand.next(1).await;
    assert_eq!(answer.raw_response, "server did REQ_gz");
}

#[tokio::test]
async fn a_newer_server_may_begin_without_a_grant_and_compress() {
    let redis = Redis::start();
    let bus = bus(&redis);
    let mut hand = ByHand::listen(&bus, &[channel::request("Test", "Do", ""), channel::grant("Test", "Do", "")]).await;
    let client = PsrpcClient::new(&bus, "Test");
    for bids in [true, false] {
        let call = client.clone();
        let call = tokio::spawn(async move { call.call("Do", "", raw("q"), &CallOptions::patient(LONG, LONG)).await });
        let requested: RequestFrame = hand.next(0).await;
        assert_eq!((requested.raw_request, requested.client_id.as_str()), (raw("q"), client.id()));
        let valid = Duration::from_nanos((requested.expiry - requested.sent_at).try_into().unwrap());
        assert!(valid <= LONG && valid > LONG / 2, "{valid:?}");
        let id = requested.request_id;
        if bids {
            let bid =
                ClaimRequest { request_id: id.clone(), server_id: "SRV_new".into(), affinity: 1.0, handling: true };
            hand.send(channel::claim("Test", client.id()), packed(&bid)).await;
        }
        let answer = Response { request_id: id, raw_response: raw("quick"), ..Response::default() };
        hand.send(channel::response("Test", client.id()), packed(&answer)).await;
        assert_eq!(call.await.unwrap().unwrap(), "quick");
    }
    // Had it granted anything, that would have come before this.
    hand.send(
        channel::grant("Test", "Do", ""),
        seal(&ClaimResponse { request_id: "end".into(), ..Default::default() }),
    )
    .await;
    let end: ClaimResponse = hand.next(1).await;
    assert_eq!(end.request_id, "end");
}

#[tokio::test]
async fn whoever_has_won_and_never_answers_is_a_timeout() {
    let redis = Redis::start();
    let bus = bus(&redis);
    let mut hand = ByHand::listen(&bus, &[channel::request("Test", "Do", "")]).await;
    let client = PsrpcClient::new(&bus, "Test");
    let to = channel::claim("Test", client.id());
    let options = CallOptions::first(Duration::from_secs(2));
    let call = tokio::spawn(async move { client.call("Do", "", raw("q"), &options).await });
    let requested: RequestFrame = hand.next(0).await;
    let bid =
        ClaimRequest { request_id: requested.request_id, server_id: "SRV_x".into(), affinity: 1.0, handling: false };
    hand.send(to, seal(&bid)).await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::DeadlineExceeded, "request timed out"));
}

#[tokio::test]
async fn messages_on_a_channel_keep_their_order() {
    let redis = Redis::start();
    let mut hand = ByHand::listen(&bus(&redis), &["order".to_owned()]).await;
    let bus = bus(&redis);
    for n in 0..500_u32 {
        bus.publish("order".to_owned(), n.to_be_bytes().to_vec().into()).await.unwrap();
    }
    for n in 0..500_u32 {
        assert_eq!(hand.inbox.next().await.unwrap().1, n.to_be_bytes().as_slice());
    }
}

#[tokio::test]
async fn a_lock_is_had_once_and_in_its_own_database() {
    let redis = Redis::start();
    let (first, second) = (bus(&redis), bus(&redis));
    assert!(first.lock(b"payload").await.unwrap());
    assert!(!second.lock(b"payload").await.unwrap());
    assert!(second.lock(b"other").await.unwrap());
    let third = Bus::start(Settings { db: 3, ..Settings::at(&redis.address()).unwrap() });
    assert!(third.lock(b"payload").await.unwrap());
}
