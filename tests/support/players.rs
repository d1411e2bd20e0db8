//! What players make of an MP4 at a URL: its length, and whether they come to a place in it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

/// A fragmented MP4 as a recorder writes it, 20 s of picture and audio, larger than two parts of an upload; and the same
/// with the head that it has while it grows, because its sink cannot go back.
pub fn fragmented(path: &Path, early: &Path) {
    let chain = "videotestsrc num-buffers=500 pattern=snow ! video/x-raw,format=I420,width=640,height=360,framerate=25/1 ! \
        x264enc bframes=0 bitrate=6000 speed-preset=ultrafast key-int-max=50 ! h264parse ! mux. \
        audiotestsrc num-buffers=940 ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! aacparse ! mux. \
        mp4mux name=mux fragment-duration=1000 !";
    let chain = chain.split_whitespace().collect::<Vec<_>>().join(" ");
    let script = format!(
        "set -eu -o pipefail; gst-launch-1.0 -q {chain} filesink location={}; gst-launch-1.0 -q {chain} fdsink fd=1 | cat > {}",
        path.display(),
        early.display()
    );
    let done = Command::new("bash").args(["-c", &script]).status().expect("bash");
    assert!(done.success(), "gst-launch-1.0 is missing: run `make debian`");
}

/// Seconds that ffmpeg says it plays, and whether it decodes a picture at `at` seconds without complaint.
pub fn ffmpeg(url: &str, at: f64) -> (String, bool) {
    let probe = ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", url];
    let length = Command::new("ffprobe").args(probe).output().expect("ffprobe is missing: run `make debian`");
    let at = at.to_string();
    let one = ["-v", "error", "-ss", &at, "-i", url, "-frames:v", "1", "-f", "framecrc", "-"];
    let one = Command::new("ffmpeg").args(one).output().expect("ffmpeg is missing: run `make debian`");
    let picture =
        one.stderr.is_empty() && String::from_utf8_lossy(&one.stdout).lines().any(|line| line.starts_with("0,"));
    (String::from_utf8_lossy(&length.stdout).trim().to_owned(), picture)
}

/// Seconds that GStreamer says it plays, and whether it comes to `at` seconds.
pub fn gstreamer(file: &Path, at: u64) -> (String, bool) {
    gst::init().expect("GStreamer");
    let chain =
        format!("filesrc location={} ! qtdemux name=d d.video_0 ! h264parse ! fakesink sync=false", file.display());
    let pipeline = gst::parse::launch(&chain).expect("a pipeline");
    let bus = pipeline.bus().expect("its bus");
    let arrived = || {
        let kinds = [gst::MessageType::AsyncDone, gst::MessageType::Error];
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(30), &kinds);
        message.is_some_and(|message| message.type_() == gst::MessageType::AsyncDone)
    };
    pipeline.set_state(gst::State::Paused).expect("it starts");
    let prerolled = arrived();
    let length = pipeline.query_duration::<gst::ClockTime>();
    let at = gst::ClockTime::from_seconds(at);
    let sought = pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, at).is_ok() && arrived();
    let position = pipeline.query_position::<gst::ClockTime>();
    pipeline.set_state(gst::State::Null).expect("it stops");
    let length = length.map_or_else(|| "none".to_owned(), |length| format!("{:.2}", length.mseconds() as f64 / 1000.0));
    (length, prerolled && sought && position.is_some_and(|position| position >= at))
}

/// What Chromium makes of it: `duration`, `seeked` to `at` seconds, `playing` on from there; or an error.
pub fn chromium(url: &str, at: f64) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
    let port = listener.local_addr().expect("its address").port();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = folder.path().join("page.html");
    let script = format!(
        "const v = document.createElement('video'); v.muted = true; document.body.append(v);\n\
         const said = []; const tell = () => fetch('http://127.0.0.1:{port}/' + encodeURIComponent(said.join(' ')), {{mode: 'no-cors'}});\n\
         v.onerror = () => {{ said.push('error ' + v.error.message); tell(); }};\n\
         v.onloadedmetadata = () => {{ said.push('duration ' + v.duration.toFixed(2)); v.currentTime = {at}; }};\n\
         v.onseeked = () => {{ said.push('seeked ' + v.currentTime); v.play(); }};\n\
         v.ontimeupdate = () => {{ if (v.currentTime > {at} + 1) {{ said.push('playing'); v.ontimeupdate = null; tell(); }} }};\n\
         setTimeout(() => {{ said.push('stuck'); tell(); }}, 20000);\n\
         v.src = {};",
        serde_json::json!(url)
    );
    std::fs::write(&page, format!("<body><script>{script}</script>")).expect("the page");
    let mut child = Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-port=0",
            "--autoplay-policy=no-user-gesture-required",
        ])
        .args(["--disable-background-networking", "--no-first-run", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromium is missing: run `make debian`");
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut line = String::new();
        let _ = BufReader::new(&stream).read_line(&mut line);
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        let _ = sender.send(line);
    });
    let said = receiver.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| "GET /nothing".to_owned());
    let _ = child.kill();
    let _ = child.wait();
    let said = said.split_whitespace().nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    percent_encoding::percent_decode_str(&said).decode_utf8_lossy().into_owned()
}
