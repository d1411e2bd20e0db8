//! Whoever is told over HTTP: a loopback server that keeps what it was sent and answers as the test says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// `/path`.
    pub path: String,
    /// By name, in lower case.
    pub headers: BTreeMap<String, String>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Sent {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}

/// A running receiver; its threads end with the test.
pub struct HttpReceiver {
    /// `http://127.0.0.1:port`.
    pub url: String,
    sent: Receiver<Sent>,
}

impl HttpReceiver {
    /// `answer` gives status and body.
    pub fn start(answer: impl Fn(&Sent) -> (u16, Vec<u8>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let (sender, sent) = channel();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, answer) = (sender.clone(), answer.clone());
                std::thread::spawn(move || {
                    let mut stream = BufReader::new(stream);
                    while let Some(one) = read(&mut stream) {
                        let (status, body) = answer(&one);
                        // First kept, then answered: whoever has the answer finds it here.
                        if sender.send(one).is_err() || reply(stream.get_mut(), status, &body).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, sent }
    }

    /// The next one.
    pub fn next(&self) -> Sent {
        self.sent.recv_timeout(Duration::from_secs(30)).expect("something is sent")
    }

    /// What is there already.
    pub fn so_far(&self) -> Vec<Sent> {
        self.sent.try_iter().collect()
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Sent> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some(Sent { path, headers, body })
}

fn reply(stream: &mut TcpStream, status: u16, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nLocation: /elsewhere\r\n\r\n", body.len())?;
    stream.write_all(body)
}
