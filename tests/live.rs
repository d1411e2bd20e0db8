//! Recordings of a real room on a real server, judged by what is in the file.
//!
//! Every scenario is played by two publishers that know nothing of each other: libwebrtc, and our own sample room.
//! `GREFFIER_KEEP=folder` keeps the files, for a person to look at.

#![allow(clippy::print_stdout, reason = "the figures of a run are its evidence")]

mod support;

use support::attempts;
use support::content::{Area, Audio, Clock, Colour, Picture, Recording, Span, Spread, cadence, missing};
use support::publisher::{Kind, Publisher};
use support::recorder::{Notified, Recorder, Take};
use support::server::LiveKit;

use Colour::{Blue, Green, Magenta, Red};

/// The `speaker` layout in 1280×720: the stage when there is a filmstrip beside it.
const STAGE: Area = Area::new(320, 90, 960, 540);
const WHOLE: Area = Area::new(0, 0, 1280, 720);
/// The first second is for subscribing, and for the first key frame to come.
const SETTLED: f64 = 1.0;
/// A beep that begins this near to the end may be cut off.
const CUT_OFF: f64 = 0.2;
/// The server tells of a speaker 0.3 to 0.7 s after he began, and does not say when that was; he is shown from half a second
/// before. So the picture may be ahead of him by this much, seconds; -0.06 to -0.17 were seen on an idle machine.
const EARLIEST: f64 = 0.2;
/// A change of speaker must be seen within this time.
const SPEAKER_SEEN: f64 = 0.6;
/// Any other change: a track that starts needs negotiation and a key frame.
const CHANGE_SEEN: f64 = 1.0;

/// Who joins publishes after that, and the publishers answer the command before they do.
const JOINED_SEEN: f64 = 2.0;

/// How often a scenario that failed is played; who is repeated is counted.
const TRIES: usize = 3;

fn play(scenario: impl Fn()) {
    attempts::play(TRIES, scenario);
}

macro_rules! with_each_publisher {
    ($($scenario:ident),+ $(,)?) => {
        mod libwebrtc { $(#[test] fn $scenario() { super::play(|| super::$scenario(super::Kind::Python)); })+ }
        mod sample_room { $(#[test] fn $scenario() { super::play(|| super::$scenario(super::Kind::SampleRoom)); })+ }
    };
}

with_each_publisher!(
    the_stage_follows_the_speaker,
    a_share_takes_the_stage_and_leaves_it,
    who_leaves_is_gone_and_who_joins_is_seen,
    a_muted_camera_becomes_a_placeholder,
    nobody_publishes,
    audio_only,
);

fn the_stage_follows_the_speaker(kind: Kind) {
    let server = LiveKit::start();
    let mut room = Publisher::start(kind, &server, "speakers", 3, &[]);
    room.tell("speak 0");
    let recorder = Recorder::start(&server, "speakers", "speakers.mp4", &["--layout", "speaker"]);
    let film = Film::of(recorder.play(&mut room, &[(4.0, "speak 1"), (7.5, "speak 2")], 12.0));
    film.is_clean();
    let changes = film.stage(STAGE, &[Red, Green, Blue]);
    film.follows(changes[0], 0, SPEAKER_SEEN);
    film.follows(changes[1], 1, SPEAKER_SEEN);
    let middle = |span: (f64, f64)| f64::midpoint(span.0, span.1);
    assert_eq!(film.strip(2, middle((SETTLED, changes[0]))), [Some(Green), Some(Blue)]);
    assert_eq!(film.strip(2, middle((changes[0], changes[1]))), [Some(Red), Some(Blue)]);
    assert_eq!(film.strip(2, middle((changes[1], film.end()))), [Some(Red), Some(Green)]);
    film.everybody_is_heard(&[Red, Green, Blue]);
    film.is_in_sync(&[STAGE, tile(0, 2), tile(1, 2)]);
}

fn a_share_takes_the_stage_and_leaves_it(kind: Kind) {
    let server = LiveKit::start();
    let mut room = Publisher::start(kind, &server, "share", 2, &[]);
    room.tell("speak 0");
    let recorder = Recorder::start(&server, "share", "share.mp4", &["--layout", "speaker"]);
    let film = Film::of(recorder.play(&mut room, &[(4.0, "share on"), (7.5, "share off")], 11.5));
    film.is_clean();
    let changes = film.stage(STAGE, &[Red, Magenta, Red]);
    film.follows(changes[0], 0, CHANGE_SEEN);
    film.follows(changes[1], 1, CHANGE_SEEN);
    assert_eq!(film.strip(1, changes[0] - 0.5), [Some(Green)]);
    assert_eq!(film.strip(2, f64::midpoint(changes[0], changes[1])), [Some(Red), Some(Green)]);
    assert_eq!(film.strip(1, film.end() - 0.5), [Some(Green)]);
    film.everybody_is_heard(&[Red, Green]);
    film.is_in_sync(&[STAGE]);
}

fn who_leaves_is_gone_and_who_joins_is_seen(kind: Kind) {
    let server = LiveKit::start();
    let mut room = Publisher::start(kind, &server, "join", 2, &[]);
    room.tell("speak 0");
    let recorder = Recorder::start(&server, "join", "join.mp4", &["--layout", "speaker"]);
    let film = Film::of(recorder.play(&mut room, &[(4.0, "leave 1"), (7.0, "join 1")], 12.0));
    film.is_clean();
    film.stage(STAGE, &[Red]);
    // Alone, Red fills the picture, and with it the place where Green was. Who joins is there before the camera is.
    let mut changes = film.history(tile(0, 1), &[Some(Green), Some(Red), None, Some(Green)]);
    film.follows(changes[0], 0, CHANGE_SEEN);
    film.follows(changes.remove(2), 1, JOINED_SEEN);
    let corner = Area::new(0, 0, 320, 180);
    assert_eq!(film.picture.who_is_at(corner, f64::midpoint(changes[0], changes[1])), Some(Red), "the whole picture");
    film.everybody_is_heard(&[Red]);
    let beeps = film.audio.beeps(800);
    let (left, joined) = (film.told(0), film.told(1));
    assert_eq!(missing(&beeps, film.phase(), SETTLED, left - 0.2), [0.0; 0], "Green before leaving: {beeps:?}");
    assert_eq!(
        missing(&beeps, film.phase(), joined + JOINED_SEEN, film.end() - CUT_OFF),
        [0.0; 0],
        "Green again: {beeps:?}"
    );
    assert!(!beeps.iter().any(|t| (left + 0.3..joined - 0.5).contains(t)), "Green is away: {beeps:?}");
    film.is_in_sync(&[STAGE]);
}

fn a_muted_camera_becomes_a_placeholder(kind: Kind) {
    let server = LiveKit::start();
    let mut room = Publisher::start(kind, &server, "mute", 2, &[]);
    room.tell("speak 0");
    let recorder = Recorder::start(&server, "mute", "mute.mp4", &["--layout", "speaker"]);
    let film = Film::of(recorder.play(&mut room, &[(4.0, "mute camera 1"), (7.0, "unmute camera 1")], 10.5));
    film.is_clean();
    film.stage(STAGE, &[Red]);
    let changes = film.history(tile(0, 1), &[Some(Green), None, Some(Green)]);
    film.follows(changes[0], 0, CHANGE_SEEN);
    film.follows(changes[1], 1, CHANGE_SEEN);
    let middle = f64::midpoint(changes[0], changes[1]);
    let background = film.picture.mean_rgb(Area::new(0, 0, 300, 160), middle);
    let placeholder = film.picture.mean_rgb(tile(0, 1), middle);
    let difference: f64 = background.iter().zip(placeholder).map(|(a, b)| (a - b).abs()).sum();
    assert!(difference > 15.0, "a placeholder {placeholder:?} differs from the background {background:?}");
    film.everybody_is_heard(&[Red, Green]);
    film.is_in_sync(&[STAGE, tile(0, 1)]);
}

fn nobody_publishes(kind: Kind) {
    let server = LiveKit::start();
    let _room = Publisher::start(kind, &server, "quiet", 2, &["--no-video", "--no-audio"]);
    let options = ["--layout", "speaker", "--duration", "4s"];
    let mut recorder = Recorder::start(&server, "quiet", "quiet.mp4", &options);
    assert!(recorder.wait(15.0).success());
    let film = Film::of(recorder.take(Vec::new(), support::wall()));
    film.is_clean();
    assert!((film.recording.duration - 4.0).abs() < 0.15, "{} s", film.recording.duration);
    assert!(film.audio.rms(0.0, film.end()) < 1e-4, "silence");
    assert_eq!(film.picture.who_is_at(WHOLE, 2.0), None);
}

fn audio_only(kind: Kind) {
    let server = LiveKit::start();
    let mut room = Publisher::start(kind, &server, "words", 3, &["--no-video"]);
    room.tell("speak 0");
    let recorder = Recorder::start(&server, "words", "words.ogg", &["--audio-only"]);
    let take = recorder.play(&mut room, &[(4.0, "speak 1"), (7.0, "mute mic 2")], 10.5);
    let audio = audio_alone(&take);
    let phase = settled(&audio.beeps(500))[0];
    for colour in [Red, Green] {
        heard(&audio, colour, phase, audio.duration());
    }
    let muted = Clock::new(take.stopped, audio.duration(), phase).in_file(take.told[1].obeyed);
    heard(&audio, Blue, phase, muted);
    let late: Vec<f64> = audio.beeps(1100).into_iter().filter(|t| *t > muted + 0.3).collect();
    assert_eq!(late, [0.0; 0], "Blue is muted from {muted}");
}

/// An encoder that leaves out silence (DTX) leaves gaps in the stream, after which everything must be in its place.
/// Nobody hums here: after a pause in a hum libopus needs some packets to find a pure tone again.
#[test]
fn silence_that_is_not_sent_keeps_its_length() {
    play(dtx);
}

fn dtx() {
    let server = LiveKit::start();
    let _room = Publisher::start(Kind::Python, &server, "pauses", 3, &["--no-video", "--dtx"]);
    let take = Recorder::start(&server, "pauses", "pauses.ogg", &["--audio-only"]).run_for(9.0);
    let audio = audio_alone(&take);
    let phase = settled(&audio.beeps(500))[0];
    for colour in [Red, Green, Blue] {
        let beeps = audio.beeps(colour.tone().expect("a person"));
        assert_eq!(missing(&beeps, phase, SETTLED, audio.duration() - CUT_OFF), [0.0; 0], "{colour:?}: {beeps:?}");
        let steady = cadence(&settled(&beeps));
        println!("{colour:?}: cadence {steady:?}");
        // One packet: the first after a pause is faint, so the same beep may seem to begin with the second.
        assert!(steady.worst <= 0.020, "{colour:?}: {steady:?}, {beeps:?}");
    }
}

#[test]
fn an_empty_room_gives_a_film_of_nobody() {
    let server = LiveKit::start();
    server.create_room("empty");
    let film = Film::of(Recorder::start(&server, "empty", "empty.mp4", &["--layout", "speaker"]).run_for(5.0));
    film.is_clean();
    assert!(film.audio.rms(0.0, film.end()) < 1e-4, "silence");
}

#[test]
fn every_codec_is_seen() {
    play(codecs);
}

fn codecs() {
    let server = LiveKit::start();
    let mut room = Publisher::start(Kind::SampleRoom, &server, "codecs", 4, &[]);
    for command in ["codec 1 vp9", "codec 2 h264", "codec 3 av1", "speak 0"] {
        room.tell(command);
    }
    let recorder = Recorder::start(&server, "codecs", "codecs.mp4", &["--layout", "speaker"]);
    let film = Film::of(recorder.run_for(8.0));
    film.is_clean();
    let at = film.end() - 0.5;
    let mut seen = film.strip(3, at);
    seen.push(film.picture.who_is_at(STAGE, at));
    assert!(Colour::PEOPLE.iter().all(|colour| seen.contains(&Some(*colour))), "{seen:?}");
    film.everybody_is_heard(&Colour::PEOPLE);
    film.is_in_sync(&[STAGE, tile(0, 3), tile(1, 3), tile(2, 3)]);
}

/// The picture alone and audio alone in MP4 of one room, at the same time.
#[test]
fn one_track_alone_in_mp4() {
    play(|| {
        let server = LiveKit::start();
        let mut room = Publisher::start(Kind::Python, &server, "alone", 2, &[]);
        room.tell("speak 0");
        let audio = Recorder::start(&server, "alone", "sound.mp4", &["--audio-only"]);
        let picture = Recorder::start(&server, "alone", "picture.mp4", &["--video-only"]).run_for(6.0);
        let audio = audio.stop(Vec::new());
        let recording = Recording::open(&picture.file);
        assert!(recording.audio.is_none(), "{:?}", recording.audio);
        let video = recording.video.as_ref().expect("video");
        assert_eq!((video.codec.as_str(), video.profile.as_str()), ("h264", "Main"));
        assert!(video.is_cfr(30.0) && video.times.len() > 120, "{:?}", video.times);
        assert_eq!(recording.picture().who_is_at(STAGE, 4.0), Some(Red));
        let recording = Recording::open(&audio.file);
        assert!(recording.video.is_none(), "{:?}", recording.video);
        let audio = recording.audio.as_ref().expect("audio");
        assert_eq!((audio.codec.as_str(), audio.rate), ("aac", 48_000));
        let audio = recording.audio();
        let phase = *settled(&audio.beeps(500)).first().expect("Red is heard");
        for colour in [Red, Green] {
            heard(&audio, colour, phase, audio.duration());
        }
    });
}

/// The place of filmstrip tile `index` of `count`: 320×180 each, stacked at the left, centred as a group.
fn tile(index: usize, count: usize) -> Area {
    Area::new(0, (720 - 180 * count) / 2 + 180 * index, 320, 180)
}

/// Without the beeps of the first second: one may have been in progress when its track was subscribed to.
fn settled(beeps: &[f64]) -> Vec<f64> {
    beeps.iter().copied().filter(|t| *t >= SETTLED).collect()
}

/// The audio of a file that holds nothing else.
fn audio_alone(take: &Take) -> Audio {
    let recording = Recording::open(&take.file);
    assert!(recording.video.is_none(), "{:?}", recording.video);
    let audio = recording.audio.as_ref().expect("a stream of sound");
    assert_eq!((audio.codec.as_str(), audio.rate), ("opus", 48_000));
    let audio = recording.audio();
    assert_eq!(audio.holes, []);
    audio
}

/// Every beep of a person is there, and on time.
fn heard(audio: &Audio, colour: Colour, phase: f64, until: f64) {
    let beeps = audio.beeps(colour.tone().expect("a person"));
    assert_eq!(missing(&beeps, phase, SETTLED, until - CUT_OFF), [0.0; 0], "{colour:?} is missing; heard at {beeps:?}");
    let steady = cadence(&settled(&beeps));
    println!("{colour:?}: cadence {steady:?}");
    assert!(steady.p95 <= 0.002, "{colour:?}: {steady:?}, {beeps:?}");
}

/// A finished recording with picture, and what can be asked of it.
struct Film {
    take: Take,
    recording: Recording,
    picture: Picture,
    audio: Audio,
}

impl Film {
    fn of(take: Take) -> Self {
        let recording = Recording::open(&take.file);
        let (picture, audio) = (recording.picture(), recording.audio());
        println!("{:.2} s, finished {:.2} s after the stop at {:.3}", recording.duration, take.ending, take.stopped);
        Self { take, recording, picture, audio }
    }

    /// What holds for every film: the promised formats, constant rate, both streams whole and equally long, never black.
    fn is_clean(&self) {
        let video = self.recording.video.as_ref().expect("video");
        assert_eq!((video.codec.as_str(), video.profile.as_str()), ("h264", "Main"));
        assert_eq!((video.width, video.height, video.pixel_format.as_str()), (1280, 720, "yuv420p"));
        assert_eq!(video.colours, ["bt709", "bt709", "smpte170m"]);
        assert!(video.is_cfr(30.0), "not 30 even pictures a second from 0 on: {:?}", video.times);
        let gaps: Vec<f64> = video.keyframes.windows(2).map(|w| w[1] - w[0]).filter(|gap| *gap > 4.05).collect();
        assert_eq!(gaps, [0.0; 0], "key frames at least every 4 s");
        let audio = self.recording.audio.as_ref().expect("audio");
        assert_eq!((audio.codec.as_str(), audio.rate), ("aac", 48_000));
        assert!((self.audio.duration() - self.end()).abs() < 0.1, "{} s of sound", self.audio.duration());
        assert_eq!(self.audio.holes, []);
        assert_eq!(self.picture.black(WHOLE), [0.0; 0], "black pictures");
        assert!(self.take.ending <= 2.0, "finished {} s after the stop", self.take.ending);
    }

    /// Seconds of picture.
    fn end(&self) -> f64 {
        self.picture.times().len() as f64 / 30.0
    }

    /// When a second of the publishers' clock begins, in the file.
    fn phase(&self) -> f64 {
        *settled(&self.audio.beeps(500)).first().expect("Red is heard")
    }

    /// The moment of a command of the script, in the file.
    fn told(&self, command: usize) -> f64 {
        Clock::new(self.take.stopped, self.end(), self.phase()).in_file(self.take.told[command].obeyed)
    }

    /// A change comes soon enough after the command that causes it. The recorder shows a change of speaker from when it
    /// took place, not from when it was noticed, and may be mistaken by a little.
    fn follows(&self, change: f64, command: usize, within: f64) {
        let delay = change - self.told(command);
        let Notified { sent, obeyed: wall } = self.take.told[command];
        println!("command {command} at {wall:.3}: seen after {delay:.3} s, at {change:.3} s");
        assert!(
            (sent - wall - EARLIEST..=within).contains(&delay),
            "command {command} is seen after {delay:.3} s, at {change:.2} s"
        );
    }

    /// The area shows exactly these, one after the other; returns when each next one appeared. Before the first one
    /// it may be otherwise until things have settled.
    fn history(&self, area: Area, wanted: &[Option<Colour>]) -> Vec<f64> {
        let spans = self.picture.seen(area);
        let settled: Vec<_> = spans.iter().filter(|span| span.to > SETTLED).collect();
        let colours: Vec<_> = settled.iter().map(|span| span.colour).collect();
        assert_eq!(colours, wanted, "{area:?}: {spans:?}");
        settled[1..].iter().map(|span| span.from).collect()
    }

    /// The same for a place where there is always somebody.
    fn stage(&self, area: Area, wanted: &[Colour]) -> Vec<f64> {
        self.history(area, &wanted.iter().copied().map(Some).collect::<Vec<_>>())
    }

    /// Who is in the filmstrip of `count` tiles, in the order of the participants.
    fn strip(&self, count: usize, time: f64) -> Vec<Option<Colour>> {
        let mut seen: Vec<_> = (0..count).map(|i| self.picture.who_is_at(tile(i, count), time)).collect();
        seen.sort_by_key(|colour| Colour::PEOPLE.iter().position(|c| Some(*c) == *colour));
        seen
    }

    /// Every beep of these people, from the settling to the end.
    fn everybody_is_heard(&self, people: &[Colour]) {
        for colour in people {
            heard(&self.audio, *colour, self.phase(), self.end());
        }
    }

    /// Each flash of a person comes with the same person's beep, from the first second on; and of the seconds in which
    /// somebody is there, nine in ten flash.
    fn is_in_sync(&self, areas: &[Area]) {
        for area in areas {
            let flashes = self.picture.flashes(*area);
            let mut offsets = Vec::new();
            for flash in &flashes {
                let Some(tone) = self.picture.who_is_at(*area, *flash).and_then(Colour::tone) else { continue };
                let near = |beep: &f64| (beep - flash).abs() < 0.45;
                offsets.extend(self.audio.beeps(tone).into_iter().filter(near).map(|beep| flash - beep));
            }
            let offset = Spread::of(offsets.clone());
            println!("{area:?}: flash - beep {offset:?}");
            assert!(offset.p95 <= 0.040, "{area:?}: {offset:?} of {offsets:?}");
            let spans = self.picture.seen(*area);
            let stays = |second: &f64| {
                let whole = |span: &Span| span.from <= second - 0.3 && second + 0.5 <= span.to;
                spans.iter().any(|span| span.colour.and_then(Colour::tone).is_some() && whole(span))
            };
            let seconds: Vec<f64> =
                (0..).map(|n| self.phase() + f64::from(n)).take_while(|t| *t < self.end()).filter(stays).collect();
            let flashed = |second: &&f64| flashes.iter().any(|flash| (flash - *second).abs() < 0.3);
            let count = seconds.iter().filter(flashed).count();
            assert!(seconds.len() >= 3, "{area:?}: nobody stays: {spans:?}");
            assert!(count * 10 >= seconds.len() * 9, "{area:?}: flashes at {flashes:?}, but seconds at {seconds:?}");
        }
    }
}
