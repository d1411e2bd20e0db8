#!/usr/bin/env bash
# `make demo`: a LiveKit server, a sample room and the sidecar on this machine; a recording over HTTP, its whole life: start,
# stop, saved, letter, page; the file checked.
# Everything listens on loopback only, and nothing is left running: neither at the end, nor on Ctrl-C, nor on failure.
set -eu -o pipefail
cd "$(dirname "$0")/.."

target=${TARGET:-$PWD/target}
tools=${GREFFIER_TOOLS:-$PWD/target/tools}
seconds=${DEMO_SECONDS:-20}
out=$PWD/target/demo
room=demo
key=demokey
secret=$(head -c 24 /dev/urandom | base64 | tr -d '/+=')
pids=()

say() { printf '\n== %s\n' "$*"; }

fail() {
    printf '\nThe demo failed: %s\n' "$1" >&2
    [ -z "${2:-}" ] || { printf 'The last lines of %s:\n' "$2" >&2; tail -n 15 "$2" >&2; }
    exit 1
}

stop() {
    local pid n
    trap - EXIT INT TERM
    # The last one first: a server waits for its guests.
    for ((n = ${#pids[@]} - 1; n >= 0; n--)); do
        pid=${pids[n]}
        kill -TERM "$pid" 2>/dev/null || continue
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
        kill -KILL "$pid" 2>/dev/null || true
    done
}
trap 'code=$?; stop; exit $code' EXIT
trap 'exit 130' INT TERM

free_port() { # of this kind: tcp or udp
    python3 -c 'import socket,sys
s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM if sys.argv[1]=="udp" else socket.SOCK_STREAM)
s.bind(("127.0.0.1",0)); print(s.getsockname()[1])' "$1"
}

wait_for() { # what, log file, command…: until it succeeds, at most 20 s
    local what=$1 log=$2; shift 2
    for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
    fail "$what did not come up" "$log"
}

rm -rf "$out"; mkdir -p "$out/data"

say "LiveKit server"
port=$(free_port tcp)
"$tools/livekit-server" --config-body "
port: $port
bind_addresses: [127.0.0.1]
keys: {$key: $secret}
logging: {level: info}
rtc: {udp_port: $(free_port udp), tcp_port: 0, use_external_ip: false, node_ip: 127.0.0.1, enable_loopback_candidate: true, interfaces: {includes: [lo]}}
" >"$out/livekit-server.log" 2>&1 &
pids+=($!)
wait_for "livekit-server" "$out/livekit-server.log" curl -fs "http://127.0.0.1:$port/"
url=ws://127.0.0.1:$port
echo "$url"

say "A sample room: three people who take turns, and a shared screen"
export LIVEKIT_URL=$url LIVEKIT_API_KEY=$key LIVEKIT_API_SECRET=$secret
"$target/debug/examples/sample_room" --url "$url" --api-key "$key" --api-secret "$secret" --room "$room" \
    --participants 3 --share --no-stdin >"$out/sample_room.out" 2>"$out/sample_room.log" &
pids+=($!)
wait_for "the sample room" "$out/sample_room.log" grep -q '^ready' "$out/sample_room.out"
echo "room \"$room\""

say "Greffier"
api=$(free_port tcp)
"$target/debug/greffier" serve --listen "127.0.0.1:$api" --data-dir "$out/data" >"$out/greffier.log" 2>&1 &
greffier=$!
pids+=("$greffier")
wait_for "greffier serve" "$out/greffier.log" curl -fs "http://127.0.0.1:$api/health"
echo "http://127.0.0.1:$api, data in $out/data"

tree() { echo "$greffier"; pgrep -P "$greffier"; } # the sidecar and its recorders, each a process of its own
cpu() { for pid in $(tree); do cat "/proc/$pid/stat"; done | awk '{ sum += $14 + $15 } END { print sum }'; } # ticks of user + sys
memory() { for pid in $(tree); do cat "/proc/$pid/smaps_rollup"; done | awk '/^Pss:/ { sum += $2 } END { print int(sum / 1024) }'; }

say "POST /api/v1.0/rooms/$room/start-recording/"
before=$(cpu)
owner='{"email": "ada@example.org", "name": "Ada", "locale": "fr-FR", "time_zone": "Europe/Paris"}'
curl -sS --fail-with-body -X POST -H 'Content-Type: application/json' \
    -d "{\"mode\": \"screen_recording\", \"options\": {\"owner\": $owner, \"expires_in_days\": 30}}" \
    "http://127.0.0.1:$api/api/v1.0/rooms/$room/start-recording/" || fail "the recording did not start" "$out/greffier.log"
echo
for second in $(seq "$seconds"); do
    sleep 1
    bytes=$(find "$out/data/spool" -type f -name '*.part' -printf '%s\n' 2>/dev/null | sort -n | tail -1)
    printf '\r%3d s  %8s bytes on disk' "$second" "${bytes:-0}"
    kill -0 "$greffier" 2>/dev/null || fail "greffier ended" "$out/greffier.log"
done
after=$(cpu)
pss=$(memory)

say "POST /api/v1.0/rooms/$room/stop-recording/"
curl -sS --fail-with-body -X POST "http://127.0.0.1:$api/api/v1.0/rooms/$room/stop-recording/" || fail "the recording did not stop" "$out/greffier.log"
echo
recorded() { compgen -G "$out/data/recordings/*.mp4"; }
wait_for "the finished file" "$out/greffier.log" recorded
file=$(recorded)
"$target/debug/greffier" list --server "http://127.0.0.1:$api"
told() { curl -fs "http://127.0.0.1:$api/api/v1.0/recordings/" | grep -q '"status":"notification_succeeded"'; }
wait_for "the email" "$out/greffier.log" told

say "The email ($out/data/mail)"
letter=$(compgen -G "$out/data/mail/*.eml") || fail "there is no letter" "$out/greffier.log"
python3 -c 'import sys, email, email.policy
letter = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
for name in ("From", "To", "Subject", "Date", "Message-ID"): print(f"{name}: {letter[name]}")
print(); print(letter.get_body(("plain",)).get_content())' "$letter" | tee "$out/letter.txt"

say "The page behind the link in the email"
link=$(grep -o 'http://[^ >]*/recording/[^ >]*' "$out/letter.txt" | head -1)
page=$(curl -fsS "$link") || fail "the page does not answer: $link" "$out/greffier.log"
grep -q '<video' <<<"$page" || fail "the page shows no player: $link" "$out/greffier.log"
if command -v chromium >/dev/null; then
    chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,1000 --virtual-time-budget=4000 \
        --user-data-dir="$out/chromium" --screenshot="$out/page.png" "$link" >"$out/chromium.log" 2>&1 || true
    rm -rf "$out/chromium"
fi
echo "it has a player; ${out}/page.png shows it, where Chromium is installed"

say "Checking the file by decoding it"
probe() { ffprobe -v error -select_streams "$1" -show_entries "$2" -of csv=p=0 "$file"; }
video=$(probe v:0 stream=codec_name,profile,width,height,r_frame_rate)
audio=$(probe a:0 stream=codec_name,sample_rate,channels)
length=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$file")
errors=$(ffmpeg -nostdin -v error -i "$file" -f null - 2>&1 | head -5)
[ -z "$errors" ] || fail "decoding says: $errors"
[ "$video" = "h264,Main,1280,720,30/1" ] || fail "unexpected video stream: $video"
[ "${audio%%,*}" = aac ] || fail "unexpected audio stream: $audio"
awk -v l="$length" -v s="$seconds" 'BEGIN { exit !(l > s - 2 && l < s + 4) }' || fail "it lasts $length s instead of about $seconds s"
black=$(ffmpeg -nostdin -v info -i "$file" -vf blackdetect=d=0.2:pix_th=0.08 -an -f null - 2>&1 | grep -c 'black_start' || true)
[ "$black" = 0 ] || fail "it has black pictures"
loud=$(ffmpeg -nostdin -v info -i "$file" -af volumedetect -vn -f null - 2>&1 | sed -n 's/.*max_volume: \(.*\) dB/\1/p')
awk -v l="${loud:--99}" 'BEGIN { exit !(l > -40) }' || fail "it is silent (loudest sample: ${loud:-none} dB)"
ffmpeg -nostdin -v error -y -ss "$((seconds / 2))" -i "$file" -frames:v 1 "$out/frame.png"

say "Done"
echo "video      $video"
echo "audio      $audio, loudest sample $loud dB"
echo "length     $length s"
awk -v t="$((after - before))" -v hz="$(getconf CLK_TCK)" -v s="$seconds" -v m="$pss" \
    'BEGIN { printf "cost       %.2f core (CPU seconds per second of media, all its processes), %d MB (PSS, at the end)\n", t / hz / s, m }'
echo "recording  $file"
echo "a frame    $out/frame.png"
echo "email      $letter"
[ ! -f "$out/page.png" ] || echo "the page   $out/page.png"
echo "to watch   open it in a browser or any player, e.g.: ffplay '$file'"
