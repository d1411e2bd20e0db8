//! The real livekit-server on free loopback ports.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use livekit_api::access_token::{AccessToken, VideoGrants};
use tempfile::TempDir;

/// A server of one test's own. It holds a lock that all live tests of this machine share, because real-time media
/// tests that run side by side on few cores spoil each other's figures; those that do little but wait stand side by side.
/// Killed when dropped; its log is printed when the test panics.
pub struct LiveKit {
    /// `ws://127.0.0.1:port`.
    pub url: String,
    /// The one key it knows.
    pub api_key: String,
    /// That key's secret.
    pub api_secret: String,
    /// Of the HTTP and signalling API.
    pub port: u16,
    /// Its one UDP port for media.
    pub udp: u16,
    config: String,
    child: Option<Child>,
    folder: TempDir,
    _turn: File,
}

impl LiveKit {
    /// Rooms are closed 20 s after the last person left, as on a default server.
    pub fn start() -> Self {
        Self::start_with(20)
    }

    /// `timeout`: seconds an empty room stays open.
    pub fn start_with(timeout: u32) -> Self {
        Self::configured(timeout, "")
    }

    /// For a test that records audio alone and mostly waits: other such tests may run at the same time.
    pub fn beside_others() -> Self {
        Self::beside_others_with(20, "")
    }

    /// The same, for rooms and with YAML as in [`LiveKit::configured`].
    pub fn beside_others_with(timeout: u32, more: &str) -> Self {
        Self::holding(shared(), timeout, 0, more)
    }

    /// As [`LiveKit::start_with`], with more YAML at the end of its configuration.
    pub fn configured(timeout: u32, more: &str) -> Self {
        let turn = lock_file();
        turn.lock().expect("the lock of the live tests");
        Self::holding(turn, timeout, 0, more)
    }

    /// One that takes media over TCP too, for a test as in [`LiveKit::beside_others`]. The server binds that port on every
    /// interface; no setting changes that.
    pub fn start_over_tcp() -> Self {
        let tcp = free_port(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr());
        Self::holding(shared(), 20, tcp, "")
    }

    fn holding(turn: File, timeout: u32, tcp: u16, more: &str) -> Self {
        let port = free_port(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr());
        let udp = free_port(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr());
        let (api_key, api_secret) = ("live-tests".to_owned(), "a secret of thirty-two letters, or more".to_owned());
        let config = format!(
            "port: {port}\n\
             bind_addresses: [127.0.0.1]\n\
             rtc: {{ tcp_port: {tcp}, udp_port: {udp}, node_ip: 127.0.0.1, use_external_ip: false,\n\
             \x20 enable_loopback_candidate: true, interfaces: {{ includes: [lo] }} }}\n\
             keys: {{ {api_key}: '{api_secret}' }}\n\
             room: {{ empty_timeout: {timeout}, departure_timeout: {timeout} }}\n\
             logging: {{ level: info }}\n\
             {more}"
        );
        let mut server = Self {
            url: format!("ws://127.0.0.1:{port}"),
            api_key,
            api_secret,
            port,
            udp,
            config,
            child: None,
            folder: TempDir::new().expect("a temporary folder"),
            _turn: turn,
        };
        server.launch();
        server
    }

    /// Ends the server without notice.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills it and starts it again on the same ports; it has forgotten every room.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Calls LiveKit's egress API, here or at whoever else serves it at `http://…`.
    pub fn egress(&self, at: &str, method: &str, body: &serde_json::Value) -> Result<serde_json::Value, ureq::Error> {
        let grants = VideoGrants { room_record: true, ..VideoGrants::default() };
        self.twirp(at, &format!("livekit.Egress/{method}"), grants, body)
    }

    /// Where it answers over HTTP.
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Creates a room that nobody is in.
    pub fn create_room(&self, room: &str) {
        let grants = VideoGrants { room_create: true, ..VideoGrants::default() };
        self.ask("CreateRoom", grants, &serde_json::json!({ "name": room }));
    }

    /// Calls LiveKit's RoomService.
    pub fn ask(&self, method: &str, grants: VideoGrants, body: &serde_json::Value) -> serde_json::Value {
        self.call(method, grants, body).unwrap_or_else(|error| panic!("RoomService.{method}: {error}"))
    }

    fn call(
        &self,
        method: &str,
        grants: VideoGrants,
        body: &serde_json::Value,
    ) -> Result<serde_json::Value, ureq::Error> {
        self.twirp(&self.http(), &format!("livekit.RoomService/{method}"), grants, body)
    }

    fn twirp(
        &self,
        at: &str,
        method: &str,
        grants: VideoGrants,
        body: &serde_json::Value,
    ) -> Result<serde_json::Value, ureq::Error> {
        let token = AccessToken::with_api_key(&self.api_key, &self.api_secret).with_grants(grants).to_jwt();
        ureq::post(format!("{at}/twirp/{method}"))
            .header("Authorization", format!("Bearer {}", token.expect("a token")))
            .send_json(body)
            .and_then(|mut answer| answer.body_mut().read_json())
    }

    /// Starts it again on the same ports, after [`LiveKit::kill`].
    pub fn launch(&mut self) {
        let binary = super::tool("livekit-server").unwrap_or_else(|| PathBuf::from("livekit-server"));
        let log = File::options().append(true).create(true).open(self.log_path()).expect("a log file");
        let mut child = Command::new(&binary)
            .args(["--config-body", &self.config])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("livekit-server is missing: run `make tools` ({binary:?}: {error})"));
        let began = Instant::now();
        while !self.answers() {
            let ended = child.try_wait().expect("the server's state");
            if ended.is_some() || began.elapsed() > Duration::from_secs(30) {
                let _ = child.kill();
                panic!("livekit-server does not answer ({ended:?}):\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(child);
    }

    /// It lists its rooms, which is more than that it listens.
    fn answers(&self) -> bool {
        self.call("ListRooms", VideoGrants { room_list: true, ..VideoGrants::default() }, &serde_json::json!({}))
            .is_ok()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for LiveKit {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            eprintln!("--- livekit-server, what worried it ---");
            let worries = log.lines().filter(|line| !line.contains("\tINFO\t"));
            worries.for_each(|line| eprintln!("{}", line.chars().take(300).collect::<String>()));
        }
    }
}

fn shared() -> File {
    let turn = lock_file();
    turn.lock_shared().expect("the lock of the live tests");
    turn
}

fn lock_file() -> File {
    File::create(std::env::temp_dir().join("greffier-live-tests.lock")).expect("a lock file")
}

fn free_port(bind: impl Fn() -> std::io::Result<std::net::SocketAddr>) -> u16 {
    bind().expect("a free loopback port").port()
}
