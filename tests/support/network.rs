//! A hostile network between a recorder and its server: signalling and media pass through here, and can be cut either way,
//! delayed and lost, as a seed decides.
//!
//! It stands on loopback and needs no rights. Both sides are told of each other's addresses by signalling; on its way through
//! here the server's media port becomes ours, and the recorder's a dead one, so that no datagram goes around us. By hand:
//! `cargo run --example hostile_network -- --help`.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// The network. It goes on as long as the process.
pub struct Network {
    /// Where the recorder finds the server: `ws://127.0.0.1:port`.
    pub url: String,
    /// The weather, to be changed at any time.
    pub weather: Arc<Weather>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

/// What happens on the way.
#[derive(Default)]
pub struct Weather {
    /// No datagram reaches the server.
    pub udp_up_cut: AtomicBool,
    /// No datagram reaches the recorder.
    pub udp_down_cut: AtomicBool,
    /// Every datagram comes so much later, milliseconds.
    pub udp_delay_ms: AtomicU64,
    /// So many of a thousand datagrams are lost.
    pub udp_loss: AtomicU64,
    /// Signalling connections end at once, and so do new ones.
    signalling_cut: AtomicBool,
    /// Signalling connections stay open, and nothing passes, as when a cable is out.
    pub signalling_held: AtomicBool,
    /// State of the generator that decides which datagrams are lost.
    dice: AtomicU64,
}

impl Network {
    /// In front of the server whose APIs on loopback these are. The same seed loses the same datagrams.
    pub fn start(signalling: u16, media: u16, seed: u64) -> Self {
        let weather = Arc::new(Weather { dice: AtomicU64::new(seed | 1), ..Weather::default() });
        let front = as_long_as(media);
        let relay = front.local_addr().expect("its address").port();
        // Nobody listens here: bound, so that nobody else does.
        let nowhere = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let dead = nowhere.local_addr().expect("its address").port();
        let above = weather.clone();
        std::thread::spawn(move || {
            let _nowhere = nowhere;
            relay_media(&front, media, &above);
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let url = format!("ws://127.0.0.1:{}", listener.local_addr().expect("its address").port());
        let open = Arc::new(Mutex::new(Vec::new()));
        let (kept, above) = (open.clone(), weather.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if above.signalling_cut.load(Relaxed) {
                    continue;
                }
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, signalling)) else { continue };
                let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
                kept.lock().expect("not poisoned").extend([clone(&near), clone(&far)]);
                let (near2, far2) = (clone(&near), clone(&far));
                let (weather, weather2) = (above.clone(), above.clone());
                std::thread::spawn(move || up(near, far, dead, &weather));
                std::thread::spawn(move || down(far2, near2, media, relay, &weather2));
            }
        });
        Self { url, weather, open }
    }

    /// Datagrams pass to the server, and to the recorder, or do not.
    pub fn media(&self, up: bool, down: bool) {
        self.weather.udp_up_cut.store(!up, Relaxed);
        self.weather.udp_down_cut.store(!down, Relaxed);
    }

    /// Nothing passes either way, and nobody is notified; or everything does again.
    pub fn cable(&self, plugged: bool) {
        self.media(plugged, plugged);
        self.weather.signalling_held.store(!plugged, Relaxed);
    }

    /// Signalling connections are reset, and refused from now on; or taken again.
    pub fn signalling(&self, passes: bool) {
        self.weather.signalling_cut.store(!passes, Relaxed);
        if !passes {
            for stream in self.open.lock().expect("not poisoned").drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Weather {
    /// Whether one datagram is lost.
    fn loses(&self, cut: &AtomicBool) -> bool {
        cut.load(Relaxed) || self.roll() % 1000 < self.udp_loss.load(Relaxed)
    }

    /// Waits while nothing passes by signalling.
    fn hold(&self) {
        while self.signalling_held.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Xorshift: any generator does, as long as a seed repeats it.
    fn roll(&self) -> u64 {
        let mut x = self.dice.load(Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.dice.store(x, Relaxed);
        x
    }
}

/// Each address that sends to `front` gets a socket of its own towards the server.
fn relay_media(front: &UdpSocket, server: u16, weather: &Arc<Weather>) {
    let mut back: HashMap<SocketAddr, mpsc::Sender<(Instant, Vec<u8>)>> = HashMap::new();
    let mut buffer = [0; 2048];
    loop {
        let Ok((length, from)) = front.recv_from(&mut buffer) else { continue };
        let to_server = back.entry(from).or_insert_with(|| {
            let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
            far.connect((Ipv4Addr::LOCALHOST, server)).expect("loopback");
            let (near, weather) = (front.try_clone().expect("a second handle"), weather.clone());
            let (from_server, sending) =
                (far.try_clone().expect("a second handle"), delayed(move |b| drop(near.send_to(b, from))));
            std::thread::spawn(move || {
                let mut buffer = [0; 2048];
                loop {
                    let Ok(length) = from_server.recv(&mut buffer) else { continue };
                    if !weather.loses(&weather.udp_down_cut) {
                        let _ = sending.send((due(&weather), buffer[..length].to_vec()));
                    }
                }
            });
            delayed(move |bytes| drop(far.send(bytes)))
        });
        if !weather.loses(&weather.udp_up_cut) {
            let _ = to_server.send((due(weather), buffer[..length].to_vec()));
        }
    }
}

/// A socket whose port is written with as many digits: what passes through here keeps its length.
fn as_long_as(port: u16) -> UdpSocket {
    let ports = match port {
        10_000.. => 0..=0,
        1000.. => 2000..=9999,
        _ => panic!("a media port has four digits or five, not {port}"),
    };
    let mut bound = ports.filter_map(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok());
    bound.next().expect("a free loopback port")
}

fn due(weather: &Weather) -> Instant {
    Instant::now() + Duration::from_millis(weather.udp_delay_ms.load(Relaxed))
}

/// Sends each at its time, in order.
fn delayed(send: impl Fn(&[u8]) + Send + 'static) -> mpsc::Sender<(Instant, Vec<u8>)> {
    let (sender, queue) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        while let Ok((due, bytes)) = queue.recv() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            send(&bytes);
        }
    });
    sender
}

/// From the server: its media port is replaced by ours wherever it stands in a candidate.
fn down(mut from: TcpStream, mut to: TcpStream, media: u16, relay: u16, weather: &Weather) {
    let (old, new) = (format!("127.0.0.1 {media} typ"), format!("127.0.0.1 {relay} typ"));
    let (old, new) = (old.into_bytes(), new.into_bytes());
    let mut held = Vec::new();
    let mut buffer = [0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        held.extend_from_slice(&buffer[..length]);
        replace(&mut held, &old, &new);
        // What may be the beginning of a candidate waits for the rest.
        let tail = (1..old.len()).rev().find(|n| held.ends_with(&old[..*n])).unwrap_or(0);
        let rest = held.split_off(held.len() - tail);
        weather.hold();
        if to.write_all(&std::mem::replace(&mut held, rest)).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// From the recorder: its media port is replaced by a dead one. A client's frames are masked (RFC 6455, 5.3).
fn up(mut from: TcpStream, mut to: TcpStream, dead: u16, weather: &Weather) {
    let _ = carry_up(&mut from, &mut to, dead, weather);
    weather.hold();
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn carry_up(from: &mut TcpStream, to: &mut TcpStream, dead: u16, weather: &Weather) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.extend(byte);
    }
    weather.hold();
    to.write_all(&head)?;
    if !String::from_utf8_lossy(&head).to_ascii_lowercase().contains("upgrade: websocket") {
        std::io::copy(from, to)?;
        return Ok(());
    }
    loop {
        let mut head = vec![0; 2];
        from.read_exact(&mut head)?;
        let more = match head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut length = vec![0; more];
        from.read_exact(&mut length)?;
        let size = match more {
            0 => u64::from(head[1] & 0x7f),
            _ => length.iter().fold(0, |size, byte| size << 8 | u64::from(*byte)),
        };
        let mut mask = [0; 4];
        from.read_exact(&mut mask)?;
        let mut payload = vec![0; usize::try_from(size).map_err(std::io::Error::other)?];
        from.read_exact(&mut payload)?;
        let masked = |payload: &mut [u8]| payload.iter_mut().zip(mask.iter().cycle()).for_each(|(b, m)| *b ^= m);
        masked(&mut payload);
        bury(&mut payload, dead);
        masked(&mut payload);
        weather.hold();
        to.write_all(&[&head[..], &length, &mask, &payload].concat())?;
    }
}

/// Every host candidate of the text gets the dead port.
fn bury(text: &mut [u8], dead: u16) {
    let (port, before, after) = (dead.to_string().into_bytes(), b"127.0.0.1 ", b" typ host");
    let size = before.len() + port.len() + after.len();
    for at in 0..text.len().saturating_sub(size - 1) {
        let found = &mut text[at..at + size];
        if found.starts_with(before) && found.ends_with(after) {
            found[before.len()..before.len() + port.len()].copy_from_slice(&port);
        }
    }
}

fn replace(text: &mut [u8], old: &[u8], new: &[u8]) {
    for at in 0..text.len().saturating_sub(old.len() - 1) {
        if text[at..].starts_with(old) {
            text[at..at + old.len()].copy_from_slice(new);
        }
    }
}
