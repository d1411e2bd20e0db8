//! A hostile network in front of a LiveKit server on this machine, for people: point a recorder at it and change the weather.
//!
//! `cargo run --example hostile_network -- 7880 7882` (signalling and UDP port of the server), then one line at a time:
//! `media up|down|both|none`, `signalling on|off`, `cable in|out`, `delay MS`, `loss THOUSANDTHS`.

#![allow(clippy::print_stdout, reason = "it is talked to on a terminal")]

#[path = "../tests/support/network.rs"]
mod network;

use std::io::BufRead;
use std::sync::atomic::Ordering::Relaxed;

const USAGE: &str = "usage: hostile_network SIGNALLING_PORT UDP_PORT [SEED]; \
                     the server must announce 127.0.0.1 (rtc.node_ip) and one UDP port (rtc.udp_port)";

fn main() -> Result<(), String> {
    let numbers: Vec<u64> = std::env::args().skip(1).map_while(|text| text.parse().ok()).collect();
    let (&[signalling, media] | &[signalling, media, _]) = numbers.as_slice() else { return Err(USAGE.to_owned()) };
    let port = |number: u64| u16::try_from(number).map_err(|_| USAGE.to_owned());
    let network = network::Network::start(port(signalling)?, port(media)?, numbers.get(2).copied().unwrap_or(1));
    println!("the recorder's url: {}", network.url);
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["media", "both"] => network.media(true, true),
            ["media", "up"] => network.media(true, false),
            ["media", "down"] => network.media(false, true),
            ["media", "none"] => network.media(false, false),
            ["signalling", "on"] => network.signalling(true),
            ["signalling", "off"] => network.signalling(false),
            ["cable", "in"] => network.cable(true),
            ["cable", "out"] => network.cable(false),
            ["delay", ms] => network.weather.udp_delay_ms.store(ms.parse().unwrap_or(0), Relaxed),
            ["loss", parts] => network.weather.udp_loss.store(parts.parse().unwrap_or(0), Relaxed),
            _ => {
                println!("media up|down|both|none, signalling on|off, cable in|out, delay MS, loss THOUSANDTHS");
                continue;
            }
        }
        println!("ok {line}");
    }
    Ok(())
}
