//! A real redis-server on a free loopback port.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A Redis of one test's own. Killed when dropped; its log is printed when the test panics.
pub struct Redis {
    /// On loopback.
    pub port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
    folder: TempDir,
}

impl Redis {
    /// Starts it and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// `arguments` as on the command line, such as `["--requirepass", "x"]`.
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut redis = Self::prepare();
        let dir = redis.folder.path().display().to_string();
        let port = redis.port.to_string();
        let own = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &dir];
        redis.arguments = own.iter().chain(arguments).map(|&argument| argument.to_owned()).collect();
        redis.launch();
        redis
    }

    /// A Sentinel that watches `master` under the name `main`.
    pub fn sentinel(master: &Self) -> Self {
        let mut sentinel = Self::prepare();
        let config = sentinel.folder.path().join("sentinel.conf");
        let (port, watched) = (sentinel.port, master.port);
        let text = format!("port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {watched} 1\n");
        std::fs::write(&config, text).expect("the Sentinel's configuration");
        sentinel.arguments = vec![config.display().to_string(), "--sentinel".to_owned()];
        sentinel.launch();
        sentinel
    }

    /// `host:port`, as LiveKit's configuration has it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it answers to this command.
    pub fn ask(&self, command: &[&str]) -> String {
        let address = self.address();
        let (_, port) = address.rsplit_once(':').expect("a port");
        let out = Command::new("redis-cli").args(["-p", port]).args(command).output();
        let out = out.expect("redis-cli is missing: apt-get install redis-tools");
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// Ends it without notice.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port; it has forgotten everything.
    pub fn launch(&mut self) {
        let log = File::options().append(true).create(true).open(self.folder.path().join("redis.log"));
        let log = log.expect("a log file");
        let mut child = Command::new("redis-server")
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server is missing: apt-get install redis-server ({error})"));
        let began = Instant::now();
        while !self.answers() {
            let ended = child.try_wait().expect("the state of redis-server");
            if ended.is_some() || began.elapsed() > Duration::from_secs(30) {
                let _ = child.kill();
                panic!("redis-server does not answer ({ended:?}):\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child = Some(child);
    }

    fn prepare() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self { port: free_port(), arguments: Vec::new(), child: None, folder }
    }

    /// It performs commands, or would for who has the password; one that is loading says so, and is not ready.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let mut answer = [0; 5];
        stream.write_all(b"PING\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && [*b"+PONG", *b"-NOAU"].contains(&answer)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("redis.log")).unwrap_or_default()
    }
}

/// A port on loopback that nobody listens on.
pub fn free_port() -> u16 {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    address.expect("a free loopback port").port()
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- redis-server ---\n{}", self.log());
        }
    }
}
