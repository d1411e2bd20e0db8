"""Publishes people who flash and beep once a second into a LiveKit room, with libwebrtc (PyPI `livekit`).

Everybody's camera is one flat colour that turns white for 100 ms at every whole second of the wall clock; everybody's
microphone gives a tone of its own for 100 ms from the same moment. Who "speaks" also hums, so that the server's
speaker detection picks that person. Pictures and sound are cut from one clock.

`ready` is printed once everybody publishes. From then on lines on stdin are commands, answered with `ok <command>` or
`error <command>: <why>` on stdout (the language of examples/sample_room):
mute camera N | unmute camera N | mute mic N | unmute mic N | speak N | speak nobody |
share on | share off | leave N | join N | quit
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time

import numpy as np
from livekit import rtc

# (colour, tone in Hz, name) of each participant, in order; the test's `Colour` has the same table.
PEOPLE = [
    ((200, 0, 0), 500, "Rosa Red"),
    ((0, 160, 0), 800, "Greta Green"),
    ((0, 0, 200), 1100, "Bo Blue"),
    ((200, 200, 0), 1400, "Yan Yellow"),
]
SHARE_COLOUR = (200, 0, 200)
CAMERA = (640, 360, 15)  # width, height, frames a second: 15 divides the second, so a frame starts exactly on it
SHARE = (1280, 720, 15)
MARK = 0.1  # seconds of white, seconds of tone
RATE = 48_000
CHUNK = RATE // 100
BEEP_LEVEL = 0.14  # four beeps and a hum stay below full scale
HUM_LEVEL = 0.30  # at its loudest; about -13 dBFS RMS, where the server's default threshold is -35
HUM_HZ = 200  # 100 Hz apart from every tone, or a multiple: the test tells them apart exactly
# Seconds by which sound is handed over before its moment. libwebrtc cannot be told when sound was captured: it stamps a
# packet of 20 ms by when its second half was handed over. Measured at the receiver, in RTP, with a lead of 10 ms: by
# sender reports a beep begins 19 ms after its second (6.5 ms of that are Opus' delay) and a flash 6 to 9 ms before it, so
# by the reports the picture is 26 ms early, while by arrival both come within 15 ms of each other. This lead lies
# between: 16 ms early by the reports, about as much late by arrival.
AUDIO_LEAD = 0.020

# The wall clock as the monotonic one sees it: it never jumps during a test.
EPOCH = time.time() - time.monotonic()


def now():
    return time.monotonic() + EPOCH


async def until(moment):
    """Sleeps until `moment`, returns at once when it has passed: what is late is caught up, never skipped."""
    pause = moment - now()
    if pause > 0:
        await asyncio.sleep(pause)


def flat(width, height, colour):
    """One I420 picture in one colour (BT.601, limited range, as libwebrtc's own converters make it)."""
    r, g, b = (c / 255 for c in colour)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    planes = [
        np.full(width * height, round(16 + 219 * y), np.uint8),
        np.full(width * height // 4, round(128 + 224 * (b - y) / 1.772), np.uint8),
        np.full(width * height // 4, round(128 + 224 * (r - y) / 1.402), np.uint8),
    ]
    return rtc.VideoFrame(width, height, rtc.VideoBufferType.I420, np.concatenate(planes).tobytes())


def sound(tone):
    """100 chunks of one second, without and with the hum: the tone starts with chunk 0."""
    at = np.arange(RATE) / RATE
    fade = RATE // 1000
    shape = np.zeros(RATE)
    shape[: int(MARK * RATE)] = 1
    shape[:fade] = np.linspace(0, 1, fade)
    shape[int(MARK * RATE) - fade : int(MARK * RATE)] = np.linspace(1, 0, fade)
    noise = np.random.default_rng(tone).uniform(-1, 1, RATE) * 0.0005  # a live microphone is never quite silent
    quiet = BEEP_LEVEL * shape * np.sin(2 * np.pi * tone * at) + noise
    # A voice is never even, and the server tells of speakers only when somebody's level (the loudest of 400 ms, in steps
    # of an eighth) has changed.
    loud = quiet + HUM_LEVEL * (0.5 + 0.5 * np.cos(2 * np.pi * at)) * np.sin(2 * np.pi * HUM_HZ * at)
    return [[(s[i : i + CHUNK] * 32767).astype(np.int16) for i in range(0, RATE, CHUNK)] for s in (quiet, loud)]


def token(key, secret, room, index):
    """A LiveKit access token (a JWT signed with HMAC-SHA256)."""

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {
        "iss": key,
        "sub": f"person-{index}",
        "name": PEOPLE[index][2],
        "nbf": int(time.time()) - 10,
        "exp": int(time.time()) + 3600,
        "video": {"roomJoin": True, "room": room, "canPublish": True, "canSubscribe": False},
    }
    body = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + b"." + part(json.dumps(claims).encode())
    return (body + b"." + part(hmac.new(secret.encode(), body, hashlib.sha256).digest())).decode()


async def film(source, shape, colour):
    """Feeds a video source for ever: a frame on every multiple of the frame time."""
    width, height, fps = shape
    plain, white = flat(width, height, colour), flat(width, height, (255, 255, 255))
    n = int(now() * fps) + 1
    while True:
        await until(n / fps)
        # 1 ms of slack: n / fps is not exact.
        frame = white if n / fps % 1 + 0.001 < MARK or n / fps % 1 > 0.999 else plain
        source.capture_frame(frame, timestamp_us=round((n / fps - EPOCH) * 1e6))
        n += 1


class Person:
    def __init__(self, index, options):
        self.index, self.options = index, options
        self.speaks = False
        self.room, self.tracks, self.tasks = None, {}, []

    async def join(self):
        o = self.options
        self.room = rtc.Room()
        secret = token(o.api_key, o.api_secret, o.room, self.index)
        await self.room.connect(o.url, secret, rtc.RoomOptions(auto_subscribe=False))
        if not o.no_video:
            source = await self.publish_video("camera", rtc.TrackSource.SOURCE_CAMERA, CAMERA, 800_000)
            self.tasks.append(asyncio.create_task(film(source, CAMERA, PEOPLE[self.index][0])))
        if not o.no_audio:
            # No queue of its own: what is handed over is sent at once, so the pace is ours alone.
            source = rtc.AudioSource(RATE, 1, queue_size_ms=0)
            self.tracks["mic"] = rtc.LocalAudioTrack.create_audio_track("mic", source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=o.dtx)
            await self.room.local_participant.publish_track(self.tracks["mic"], options)
            self.tasks.append(asyncio.create_task(self.talk(source)))

    async def publish_video(self, name, kind, shape, bitrate):
        source = rtc.VideoSource(shape[0], shape[1])
        track = self.tracks[name] = rtc.LocalVideoTrack.create_video_track(name, source)
        options = rtc.TrackPublishOptions(
            source=kind,
            simulcast=False,
            video_codec=getattr(rtc.VideoCodec, self.options.codec.upper()),
            video_encoding=rtc.VideoEncoding(max_bitrate=bitrate, max_framerate=shape[2]),
        )
        await self.room.local_participant.publish_track(track, options)
        return source

    async def talk(self, source):
        chunks = sound(PEOPLE[self.index][1])
        n = int(now() * 100) + 1
        while True:
            await until(n / 100 - AUDIO_LEAD)
            data = chunks[self.speaks][n % 100]
            await source.capture_frame(rtc.AudioFrame(data.tobytes(), RATE, 1, CHUNK))
            n += 1

    async def share(self, on):
        if on:
            source = await self.publish_video("share", rtc.TrackSource.SOURCE_SCREENSHARE, SHARE, 1_500_000)
            self.sharing = asyncio.create_task(film(source, SHARE, SHARE_COLOUR))
            self.tasks.append(self.sharing)
        else:
            await self.room.local_participant.unpublish_track(self.tracks.pop("share").sid)
            self.sharing.cancel()

    async def leave(self):
        for task in self.tasks:
            task.cancel()
        await self.room.disconnect()
        self.tracks, self.tasks = {}, []


async def obey(words, people):
    """One command; raises what went wrong."""
    match words:
        case [("mute" | "unmute") as verb, ("camera" | "mic") as what, n]:
            track = people[int(n)].tracks[what]
            track.mute() if verb == "mute" else track.unmute()
        case ["speak", who]:
            for person in people:
                person.speaks = str(person.index) == who
        case ["share", "on" | "off" as state]:
            await people[0].share(state == "on")
        case ["leave", n]:
            await people[int(n)].leave()
        case ["join", n]:
            await people[int(n)].join()
        case _:
            raise ValueError("unknown command")


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--url", "--api-key", "--api-secret", "--room"):
        parser.add_argument(name, required=True)
    parser.add_argument("--participants", type=int, default=3)
    parser.add_argument("--codec", choices=["vp8", "vp9", "h264", "av1"], default="vp8")
    parser.add_argument("--no-video", action="store_true")
    parser.add_argument("--no-audio", action="store_true")
    # Off by default: with it the encoder takes a steady hum for background noise and stops sending it.
    parser.add_argument("--dtx", action="store_true")
    options = parser.parse_args()

    people = [Person(i, options) for i in range(options.participants)]
    await asyncio.gather(*(person.join() for person in people))
    print("ready", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().strip():
        if line == "quit":
            break
        try:
            await obey(line.split(), people)
            print(f"ok {line}", flush=True)
        except Exception as why:  # whatever it is, the test that asked must hear of it
            print(f"error {line}: {why!r}", flush=True)
    await asyncio.gather(*(person.leave() for person in people if person.tasks), return_exceptions=True)
    print("ok quit", flush=True)


asyncio.run(main())
