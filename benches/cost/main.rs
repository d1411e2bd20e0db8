//! What a recording costs beside what it must cost: core (CPU seconds, user and system, of the whole process per second of
//! media) and memory of each variant, measured side by side in one run. It prints and never judges: a shared machine is noisy.
//!
//! `cargo bench --bench cost -- [--rounds N] [--threads] [limit|ours|compositor|record|audio …]`, or `-- --holds`: how many
//! recordings the machine holds.
#![allow(clippy::print_stdout, reason = "the table is the product")]

mod holds;
mod live;
mod meter;
mod ours;
mod plain;
mod scene;
#[allow(dead_code, reason = "the live tests use the rest")]
#[path = "../../tests/support/server.rs"]
mod server;
mod table;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use meter::Reading;

/// Media of one measurement; of it [`meter::WINDOW`] is measured.
const MEDIA: Duration = Duration::from_secs(20);

/// A way to make the recording, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// Everything decoded, the finished picture and audio encoded, nothing in between.
    Limit,
    /// Reading the finished picture and audio, which `Limit` does besides.
    Read,
    /// This project's pipeline, fed without a network.
    Ours,
    /// The same through GStreamer's `compositor`.
    Compositor,
    /// `greffier record` in a room of a LiveKit server.
    Record,
    /// `greffier record --audio-only` in the same room.
    Audio,
}

impl Variant {
    const ALL: [Self; 6] = [Self::Limit, Self::Read, Self::Ours, Self::Compositor, Self::Record, Self::Audio];

    fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Read => "read",
            Self::Ours => "ours",
            Self::Compositor => "compositor",
            Self::Record => "record",
            Self::Audio => "audio",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }
}

/// What the command line asks for.
struct Wish {
    variants: Vec<Variant>,
    rounds: usize,
    threads: bool,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    let mut wish = Wish { variants: Vec::new(), rounds: 3, threads: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--child" => return child(&arguments.next().unwrap_or_default()),
            "--holds" => {
                std::fs::create_dir_all(folder()).expect("a folder below target/ that can be written");
                holds::run();
                return ExitCode::SUCCESS;
            }
            "--threads" => wish.threads = true,
            "--rounds" => wish.rounds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(wish.rounds),
            name => match Variant::named(name) {
                Some(variant) => wish.variants.push(variant),
                None => {
                    let names = Variant::ALL.map(Variant::name).join(", ");
                    eprintln!(
                        "cost: there is no variant {name:?}; give some of {names}, --rounds N --threads or --holds"
                    );
                    return ExitCode::from(64);
                }
            },
        }
    }
    if wish.variants.is_empty() {
        wish.variants = Variant::ALL.to_vec();
    }
    // Reading is subtracted from the limit.
    if wish.variants.contains(&Variant::Limit) && !wish.variants.contains(&Variant::Read) {
        wish.variants.push(Variant::Read);
    }
    run(&wish);
    ExitCode::SUCCESS
}

fn run(wish: &Wish) {
    let wants = |variant| wish.variants.contains(&variant);
    std::fs::create_dir_all(folder()).expect("a folder below target/ that can be written");
    if wants(Variant::Limit) || wants(Variant::Read) {
        println!("making the finished picture once");
        spawn("prepare", false);
        plain::unpack();
    }
    let mut table = table::Table::default();
    for round in 0..wish.rounds {
        println!("round {} of {}", round + 1, wish.rounds);
        let mut order = wish.variants.clone();
        // What warms the machine up or down is not always the same.
        if round % 2 == 1 {
            order.reverse();
        }
        let mut results = Vec::new();
        let mut room = None;
        for variant in order {
            let result = match variant {
                Variant::Limit | Variant::Read | Variant::Ours | Variant::Compositor => {
                    spawn(variant.name(), wish.threads)
                }
                Variant::Record | Variant::Audio => {
                    let room = room.get_or_insert_with(live::Room::open);
                    let (reading, times) = room.record(variant == Variant::Audio, wish.threads);
                    println!("  {:<11}{times}", variant.name());
                    reading
                }
            };
            println!("  {:<11}{result}", variant.name());
            results.push((variant, result));
        }
        table.add(results);
    }
    plain::tidy();
    println!("\n{table}");
}

/// Does one variant in this process and prints its reading.
fn child(name: &str) -> ExitCode {
    let reading = match (name, Variant::named(name)) {
        ("prepare", _) => ours::run(&plain::finished(), 50_000),
        (_, Some(Variant::Limit)) => plain::limit(),
        (_, Some(Variant::Read)) => plain::read(),
        (_, Some(Variant::Ours)) => ours::run(&folder().join("ours.mp4"), 3000),
        (_, Some(Variant::Compositor)) => plain::compositor(),
        (_, Some(Variant::Record | Variant::Audio) | None) => return ExitCode::from(64),
    };
    println!("{}", reading.line());
    ExitCode::SUCCESS
}

/// Does one variant in a process of its own.
fn spawn(name: &str, threads: bool) -> Reading {
    let this = std::env::current_exe().expect("a program knows its own path");
    let mut command = Command::new(this);
    command.args(["--child", name]).stdin(Stdio::null()).stderr(Stdio::inherit());
    if threads {
        command.env(meter::THREADS, "1");
    }
    let output = command.output().expect("this program can start itself");
    assert!(output.status.success(), "{name} failed with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let mut reading = None;
    for line in text.lines() {
        match Reading::parse(line) {
            Some(found) => reading = Some(found),
            None => println!("    {line}"),
        }
    }
    reading.unwrap_or_else(|| panic!("{name} printed no reading"))
}

/// Where our files are: below target/.
fn folder() -> PathBuf {
    release().join("bench-cost")
}

/// `target/release`: cargo puts benches into its `deps`.
fn release() -> PathBuf {
    let this = std::env::current_exe().expect("a program knows its own path");
    this.ancestors().nth(2).map(PathBuf::from).expect("target/release/deps/cost")
}

/// A tool that `make tools` installs; the server's file asks for it.
fn tool(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("GREFFIER_TOOLS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools"), PathBuf::from);
    Some(folder.join(name)).filter(|path| path.exists())
}
