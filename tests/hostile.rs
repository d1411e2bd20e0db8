//! Guests who misbehave: Red is a good guest and must be recorded as if alone, the others do what the test says.
//!
//! Whatever they do, the recording lasts to its stop and decodes from end to end. Of each of them everything must be there
//! that was sent as a decoder can use it: the sample room tells which beeps that were.

#![allow(clippy::print_stdout, reason = "the figures of a run are its evidence")]

mod support;

use support::attempts;
use support::content::{Area, Audio, Clock, Colour, Picture, Recording, missing};
use support::publisher::{Kind, Publisher};
use support::recorder::{Recorder, Take};
use support::server::LiveKit;

use Colour::{Blue, Green, Red, Yellow};

/// The `speaker` layout in 1280×720: Red on the stage, Green alone in the filmstrip.
const STAGE: Area = Area::new(320, 90, 960, 540);
const TILE: Area = Area::new(0, 270, 320, 180);
/// The first second is for subscribing, and for the first key frame to come.
const SETTLED: f64 = 1.0;
/// A beep that begins this near to the end may be cut off.
const CUT_OFF: f64 = 0.2;
/// A delay that has gone is caught up with within this, seconds.
const CATCHING_UP: f64 = 2.0;
/// A hostile beep may stand so far from when it was said or, if it was late, from when it came.
const NEAR: f64 = 0.15;
/// A camera that is sane again is seen within this time: a key frame, and a subscription that is tried again.
const BACK: f64 = 3.0;
/// What lies may cost in memory, MiB.
const MEMORY: f64 = 100.0;
/// What a long day's other cameras, codecs and microphones take on top, and what the allocator keeps of that, MiB: it grows for
/// three minutes, and then stands. A bomb takes gigabytes.
const LONG_DAY_MEMORY: f64 = 300.0;
/// Audio between beeps: silence, and the noise of an encoder.
const SILENCE: f64 = 0.005;
/// How often a scenario that failed is played; who is repeated is counted.
const TRIES: usize = 2;

/// One scenario: what is said to Green, and when (seconds after the recorder's start; several commands are separated by
/// semicolons). A command is told in the middle of a second of the wall clock, so that it cuts no beep.
#[derive(Clone, Copy)]
struct Scenario<'a> {
    room: &'a str,
    people: usize,
    options: &'a [&'a str],
    before: &'a [&'a str],
    script: &'a [(f64, &'a str)],
    end: f64,
}

const USUAL: Scenario = Scenario { room: "hostile", people: 2, options: &[], before: &[], script: &[], end: 9.0 };

/// Plays the scenario and judges it, again when that failed, until it passes or the last try fails.
fn play(scenario: &Scenario, judge: impl Fn(&Day)) {
    try_to_play(TRIES, scenario, judge);
}

fn try_to_play(tries: usize, scenario: &Scenario, judge: impl Fn(&Day)) {
    let day = || {
        let day = Day::of(scenario);
        day.clean_guest_is_whole();
        judge(&day);
    };
    attempts::play(tries, day);
}

/// A recording of two guests, and what the hostile one told of itself.
struct Day {
    take: Take,
    picture: Picture,
    audio: Audio,
    end: f64,
    /// Wall time of the hostile beeps that were sent whole: by whom, when they were said, and when they left.
    sent: Vec<(u64, f64, f64)>,
    /// Wall time at which somebody's microphone began anew.
    renewed: Vec<(u64, f64)>,
    /// Wall time at which somebody's microphone got another delay.
    delayed: Vec<(u64, f64)>,
    /// MiB more at the worst moment than before the script.
    memory: f64,
}

impl Day {
    fn of(scenario: &Scenario) -> Self {
        let server = LiveKit::start();
        let all_but_red: Vec<_> = (1..scenario.people).map(|who| who.to_string()).collect();
        let everybody = ["--hostile", &all_but_red.join(",")];
        let options = [&everybody, scenario.options].concat();
        let mut room = Publisher::start(Kind::SampleRoom, &server, scenario.room, scenario.people, &options);
        room.tell("speak 0");
        for command in scenario.before {
            room.tell(command);
        }
        let file = format!("{}.mp4", scenario.room);
        let mut recorder = Recorder::start(&server, scenario.room, &file, &["--layout", "speaker"]);
        recorder.wait_until(2.0);
        let (before, _) = recorder.memory();
        for (at, commands) in scenario.script {
            recorder.wait_until_middle(*at);
            for command in commands.split(';') {
                room.tell(command.trim());
            }
        }
        recorder.wait_until(scenario.end);
        let memory = recorder.memory().1 - before;
        let take = recorder.stop(Vec::new());
        let recording = Recording::open(&take.file);
        let (picture, audio) = (recording.picture(), recording.audio());
        // Not the number of frames: a machine that does not keep up leaves some out.
        let end = recording.duration;
        println!("{:.2} s recorded, {:.2} s to finish, {memory:.0} MiB more", recording.duration, take.ending);
        // It joins within two seconds, on a busy machine too.
        let least = scenario.end - 2.5;
        assert!(recording.duration >= least, "{} s of {} s", recording.duration, scenario.end);
        let seen = picture.times().last().copied().unwrap_or(0.0);
        assert!((audio.duration() - end).abs() < 0.15, "{} s of sound, {end} s in all", audio.duration());
        assert!((seen - end).abs() < 0.5, "{seen} s of picture, {end} s in all");
        assert_eq!(audio.holes, [], "holes in the sound");
        let whole = |event: &serde_json::Value| {
            let (said, left) = (event["beep"].as_f64()?, event["left"].as_f64()?);
            (event["whole"] == true).then_some((event["who"].as_u64()?, said, left))
        };
        let anew = |event: &serde_json::Value| {
            let order = event["order"].as_str()?;
            let anew = order.starts_with("name") || order.starts_with("encrypt mic");
            anew.then_some((event["who"].as_u64()?, event["done"].as_f64()?))
        };
        let delayed = |event: &serde_json::Value| {
            let another = event["order"].as_str()?.starts_with("delay mic");
            another.then_some((event["who"].as_u64()?, event["done"].as_f64()?))
        };
        let events = room.events();
        for event in events.iter().filter(|event| event["order"].is_string()) {
            println!("{event}");
        }
        let (sent, renewed) = (events.iter().filter_map(whole).collect(), events.iter().filter_map(anew).collect());
        let delayed = events.iter().filter_map(delayed).collect();
        Self { take, picture, audio, end, sent, renewed, delayed, memory }
    }

    /// 99 % of the beeps of Red are there, which is all of them in a short film, and Red is seen all the time.
    fn clean_guest_is_whole(&self) {
        let beeps = self.audio.beeps(500);
        let lost = missing(&beeps, self.phase(), SETTLED, self.end - CUT_OFF);
        let seen = self.seen(STAGE, Red);
        println!("clean guest: {} beeps, missing {lost:?}; seen {:.1} %", beeps.len(), seen * 100.0);
        assert!(lost.len() * 100 <= beeps.len(), "the clean guest's beeps: missing {lost:?} of {beeps:?}");
        assert!(seen >= 0.99, "the clean guest is seen {:.1} % of the time", seen * 100.0);
    }

    /// What Green sent whole is heard, where it was said or where it came.
    fn hostile_audio_is_whole(&self) {
        self.is_heard(1, Green);
    }

    /// 95 % of what this guest sent whole is heard, but for the time in which a new microphone is subscribed to. When a delay has
    /// gone, what was late is caught up with in pauses and quiet moments: until then audio stands as late as before.
    fn is_heard(&self, who: u64, colour: Colour) {
        let (lost, due) = self.unheard(who, colour);
        assert!(lost.len() * 20 <= due, "{} of {due} missing: {lost:.2?}", lost.len());
    }

    /// What this guest sent whole and is not heard: when it was said and when it left, in the file; and of how many.
    fn unheard(&self, who: u64, colour: Colour) -> (Vec<(f64, f64)>, usize) {
        let clock = Clock::new(self.take.stopped, self.end, self.phase());
        let settling = |said: f64| self.renewed.iter().any(|(w, at)| *w == who && (0.0..BACK).contains(&(said - at)));
        let catching_up =
            |said: f64| self.delayed.iter().any(|(w, at)| *w == who && (0.0..CATCHING_UP).contains(&(said - at)));
        let mut due: Vec<(f64, f64, bool)> = self
            .sent
            .iter()
            .filter(|(sender, said, _)| *sender == who && !settling(*said))
            .map(|(_, said, left)| (clock.in_file(*said), clock.in_file(*left), catching_up(*said)))
            .filter(|(said, left, _)| *said >= SETTLED && *left < self.end - 1.0)
            .collect();
        assert!(due.len() >= 3, "a test without beeps: {:?}", self.sent);
        let mut beeps = self.audio.beeps(colour.tone().expect("a person"));
        let heard = format!("{beeps:?}");
        // Each of the file is one of those sent: whoever is due first takes the first.
        due.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (mut lost, mut late) = (Vec::new(), 0.0_f64);
        for (said, left, catching_up) in &due {
            let latest = if *catching_up { left.max(said + late) } else { *left };
            match beeps.iter().position(|t| (said - NEAR..=latest + NEAR).contains(t)) {
                Some(nth) => late = beeps.remove(nth) - said,
                None => lost.push((*said, *left)),
            }
        }
        println!("hostile guest {who}: {} of {} beeps missing: {lost:.2?}; heard {heard}", lost.len(), due.len());
        (lost, due.len())
    }

    /// Green is there at the end.
    fn hostile_camera_is_back(&self) {
        let from = self.picture.seen(TILE);
        assert_eq!(self.picture.who_is_at(TILE, self.end - 0.3), Some(Green), "{from:?}");
    }

    /// A clean second begins, in the file.
    fn phase(&self) -> f64 {
        let beeps = self.audio.beeps(500);
        *beeps.iter().find(|t| **t >= SETTLED).expect("the clean guest is heard")
    }

    /// The share of the time after the settling in which somebody fills the area.
    fn seen(&self, area: Area, colour: Colour) -> f64 {
        let spans = self.picture.seen(area);
        let whole = self.end - SETTLED;
        let span = |span: &support::content::Span| (span.to - span.from.max(SETTLED)).max(0.0);
        spans.iter().filter(|s| s.colour == Some(colour)).map(span).sum::<f64>() / whole
    }

    /// Whether somebody is in any tile of a filmstrip of up to four at this moment.
    fn is_in_strip(&self, colour: Colour, time: f64) -> bool {
        (1..=4).any(|count| {
            (0..count).any(|i| {
                let tile = Area::new(0, (720 - 180 * count) / 2 + 180 * i, 320, 180);
                self.picture.who_is_at(tile, time) == Some(colour)
            })
        })
    }

    fn memory_is_bounded(&self) {
        self.memory_is_below(MEMORY);
    }

    fn memory_is_below(&self, most: f64) {
        assert!(self.memory <= most, "{:.0} MiB more", self.memory);
    }
}

/// Three guests whose microphones misbehave, each in its own way.
fn audio_survives(room: &str, script: &[(f64, &str)], end: f64) {
    play(&Scenario { room, people: 4, script, end, ..USUAL }, |day| {
        for (who, colour) in [(1, Green), (2, Blue), (3, Yellow)] {
            day.is_heard(who, colour);
        }
    });
}

#[test]
fn pauses_of_the_clock_lose_nothing() {
    // Short, longer and long ones.
    audio_survives("pauses", &[(2.0, "pause mic 1 300ms 7; pause mic 2 700ms 7; pause mic 3 1700ms 3")], 12.0);
}

#[test]
fn a_clock_that_pauses_once_drifts_or_jumps_loses_nothing() {
    // Jumps go forward: of those back, see below.
    let script = [
        // Audio whose packets lie 0.4 ms apart has another phase in each: of a higher tone the judge would hear nothing.
        (2.0, "drift mic 1 20000; pause mic 2 1200ms"),
        (2.5, "jump mic 3 +5s"),
        (5.5, "jump mic 3 +90s; drift mic 1 -20000"),
        (8.5, "jump mic 3 +300ms"),
    ];
    audio_survives("clocks", &script, 12.0);
}

#[test]
fn steps_of_delay_and_bursts_lose_nothing() {
    let script = [
        (2.5, "delay mic 1 700ms; delay mic 2 1200ms; hold mic 3 800ms"),
        (5.5, "hold mic 3 1500ms"),
        (7.5, "delay mic 1 0"),
    ];
    audio_survives("delays", &script, 12.0);
}

#[test]
fn malformed_audio_a_long_burst_loss_and_disorder_lose_nothing_else() {
    let script = [
        (2.0, "loss mic 3 3; duplicate mic 3 30; reorder mic 3 20; reorder camera 3 20; loss camera 3 2"),
        (2.2, "garbage mic 1 each 5"),
        (3.0, "hold mic 2 3s"),
        (4.2, "garbage mic 1 any 40"),
    ];
    audio_survives("disorder", &script, 12.0);
}

/// A camera of this codec sends malformed frames, and is seen again afterwards.
fn frames_survive(room: &str, codec: &str) {
    let script = [(2.0, "garbage camera 1 each 2"), (5.0, "garbage camera 1 any 30")];
    let scenario = Scenario { room, options: &["--codec", codec], script: &script, end: 6.5 + BACK, ..USUAL };
    play(&scenario, |day| {
        day.hostile_audio_is_whole();
        day.hostile_camera_is_back();
    });
}

#[test]
fn malformed_h264_loses_nothing_after_it() {
    frames_survive("h264", "h264");
}

#[test]
fn malformed_av1_loses_nothing_after_it() {
    frames_survive("av1", "av1");
}

#[test]
fn malformed_vp8_loses_nothing_after_it() {
    frames_survive("vp8", "vp8");
}

#[test]
fn malformed_vp9_loses_nothing_after_it() {
    frames_survive("vp9", "vp9");
}

/// Key frames that declare the largest size cost no memory, and the camera is seen again when it tells the truth.
fn sizes_are_bounded(room: &str, codec: &str, size: &str) {
    let lie = format!("size camera 1 {size}");
    let script = [(2.5, lie.as_str()), (5.5, "size camera 1 true")];
    let scenario = Scenario { room, options: &["--codec", codec], script: &script, end: 6.5 + BACK, ..USUAL };
    play(&scenario, |day| {
        day.memory_is_bounded();
        day.hostile_camera_is_back();
    });
}

#[test]
fn a_size_that_vp8_lies_about_is_refused() {
    sizes_are_bounded("bomb-vp8", "vp8", "16383x16383");
}

#[test]
fn a_size_that_vp9_lies_about_is_refused() {
    sizes_are_bounded("bomb-vp9", "vp9", "16383x16383");
}

#[test]
fn a_size_that_h264_lies_about_is_refused() {
    sizes_are_bounded("bomb-h264", "h264", "8192x8192");
}

#[test]
fn a_size_that_av1_lies_about_is_refused() {
    sizes_are_bounded("bomb-av1", "av1", "16000x16000");
}

#[test]
fn a_camera_that_changes_its_size_with_every_picture_is_seen() {
    let script = [(3.0, "size camera 1 changing")];
    let scenario = Scenario { room: "sizes", script: &script, end: 9.0, ..USUAL };
    play(&scenario, |day| {
        day.memory_is_bounded();
        day.hostile_camera_is_back();
    });
}

#[test]
fn who_is_encrypted_is_silent() {
    let script = [(3.0, "encrypt mic 1 on; encrypt camera 1 on")];
    let scenario = Scenario { room: "encrypted", script: &script, end: 9.0, ..USUAL };
    play(&scenario, |day| {
        // Between the beeps of Red, from when the microphone was published anew.
        let first = day.phase() + (5.0 - day.phase()).ceil();
        let quiet = (0..).map(|n| first + f64::from(n) + 0.3).take_while(|from| from + 0.5 < day.end);
        let loud: Vec<(f64, f64)> = quiet.map(|from| (from, day.audio.rms(from, from + 0.5))).collect();
        assert!(loud.iter().all(|(_, rms)| *rms < SILENCE), "(second, amplitude) between beeps: {loud:?}");
    });
}

#[test]
fn who_is_secretly_encrypted_ends_nothing() {
    let script = [(3.0, "scramble camera 1 on"), (5.0, "scramble camera 1 off")];
    play(&Scenario { room: "scrambled", script: &script, end: 6.0 + BACK, ..USUAL }, Day::hostile_camera_is_back);
}

#[test]
fn rare_key_frames_that_nobody_can_ask_for_are_waited_for() {
    let before = ["keys camera 1 rare"];
    let scenario = Scenario { room: "rare", before: &before, end: 14.5, ..USUAL };
    play(&scenario, |day| {
        assert!(day.seen(TILE, Green) > 0.1, "{:?}", day.picture.seen(TILE));
        day.hostile_camera_is_back();
    });
}

#[test]
fn a_codec_that_changes_on_a_track_is_followed() {
    let script = [(3.0, "switch 1 h264")];
    play(&Scenario { room: "switch", script: &script, end: 5.0 + BACK, ..USUAL }, |day| {
        day.hostile_audio_is_whole();
        day.hostile_camera_is_back();
    });
}

#[test]
fn a_second_camera_is_seen() {
    let scenario = Scenario { room: "second", before: &["second 1 on"], end: 8.0, ..USUAL };
    play(&scenario, |day| {
        let at = day.end - 0.5;
        assert!(day.is_in_strip(Green, at) && day.is_in_strip(Yellow, at), "both cameras of one guest");
    });
}

#[test]
fn tracks_of_unknown_source_are_seen_and_heard() {
    let scenario = Scenario { room: "unknown", before: &["unknown 1 on"], end: 8.0, ..USUAL };
    play(&scenario, |day| {
        let tone = Blue.tone().expect("a person");
        let lost = missing(&day.audio.beeps(tone), day.phase(), SETTLED, day.end - CUT_OFF);
        assert_eq!(lost, [0.0; 0], "heard at {:?}", day.audio.beeps(tone));
        assert!(day.is_in_strip(Blue, day.end - 0.5), "the picture of unknown source");
    });
}

#[test]
fn names_reach_no_terminal() {
    let script = [(3.0, "name 1 escapes"), (4.5, "name 1 joiners"), (6.0, "name 1 controls"), (7.5, "name 1 plain")];
    play(&Scenario { room: "names", script: &script, end: 9.0 + BACK, ..USUAL }, |day| {
        day.hostile_camera_is_back();
        let raw = day.take.log.chars().find(|c| c.is_control() && *c != '\n' && *c != '\r' && *c != '\t');
        assert_eq!(raw, None, "a control character of a name: {:?}", day.take.log);
    });
}

#[test]
fn a_flood_of_microphones_drowns_nobody() {
    let script = [(3.0, "flood 1 20"), (7.0, "flood 1 0")];
    play(&Scenario { room: "flood", script: &script, end: 9.5, ..USUAL }, Day::hostile_audio_is_whole);
}

#[test]
fn who_mutes_and_publishes_without_rest_is_seen_afterwards() {
    let script = [(2.5, "flap 1 15; churn 1 3")];
    play(&Scenario { room: "flap", script: &script, end: 7.0 + BACK, ..USUAL }, Day::hostile_camera_is_back);
}

/// Two guests misbehave at random. `GREFFIER_SEED` is another day, `GREFFIER_MINUTES` a longer one.
#[test]
fn a_random_day_is_whole() {
    let of = |key: &str, usual: &str| std::env::var(key).unwrap_or_else(|_| usual.to_owned());
    let (seed, minutes) = (of("GREFFIER_SEED", "7"), of("GREFFIER_MINUTES", "0.5"));
    let length: f64 = minutes.parse().expect("GREFFIER_MINUTES is a number");
    // It ends before its guests do: an empty room would end it.
    let options = ["--seed", &seed, "--minutes", &(length + 0.1).to_string()];
    let scenario = Scenario { room: "day", people: 3, options: &options, end: length * 60.0, ..USUAL };
    let tries = if length > 1.0 { 1 } else { TRIES };
    try_to_play(tries, &scenario, |day| {
        day.is_heard(1, Green);
        day.is_heard(2, Blue);
        day.memory_is_below(if length > 1.0 { LONG_DAY_MEMORY } else { MEMORY });
    });
}

/// What a kill may cost while audio that is late is waited for: the wait, a fragment of a second, the output's latency.
const LOST_BY_A_KILL: f64 = 4.0 + 1.0 + 1.5;

/// Everything waits for one guest's packets when the recorder is killed. `GREFFIER_KILLS` is how often.
#[test]
fn a_kill_while_audio_is_waited_for_loses_seconds() {
    let kills = std::env::var("GREFFIER_KILLS").map_or(1, |kills| kills.parse().expect("GREFFIER_KILLS is a number"));
    let mut lost: Vec<f64> = (0..kills).map(|nth| lost_by_a_kill(2.0 + 0.25 * f64::from(nth % 4))).collect();
    lost.sort_by(f64::total_cmp);
    println!("lost by a kill: {lost:.2?} s");
    assert!(lost.iter().all(|lost| (0.0..LOST_BY_A_KILL).contains(lost)), "{lost:.2?}");
}

/// Seconds between what came last and what is in the file, killed so long after packets were held for three seconds.
fn lost_by_a_kill(after: f64) -> f64 {
    let server = LiveKit::start();
    let mut room = Publisher::start(Kind::SampleRoom, &server, "killed", 2, &["--hostile", "1"]);
    room.tell("speak 0");
    let mut recorder = Recorder::start(&server, "killed", "killed.mp4", &["--layout", "speaker"]);
    recorder.wait_until_middle(3.0);
    // The beep of the next second is missing: that tells which second the file shows.
    let before = room.tell("pause mic 1 1200ms").floor();
    recorder.wait_until_middle(7.0);
    room.tell("hold mic 1 3s");
    std::thread::sleep(std::time::Duration::from_secs_f64(after));
    let killed = support::wall();
    recorder.kill();
    let recording = Recording::open(&recorder.output().with_file_name("killed.mp4.part"));
    let beeps = recording.audio().beeps(Green.tone().expect("a person"));
    let gap = beeps.windows(2).find(|pair| pair[1] - pair[0] > 1.5);
    let zero = before - gap.unwrap_or_else(|| panic!("no beep is missing: {beeps:.2?}"))[0];
    killed - (zero + recording.duration)
}
