#!/bin/sh
# Makes every file of testdata/media again, with ffmpeg and espeak-ng. Takes about seven minutes on two cores.
# Usage: testdata/make-media.sh [beep|people|share|speech]…   (nothing named: all of them)
set -eu
cd "$(dirname "$0")"
out=media
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM
mkdir -p "$out"
ff() { ffmpeg -hide_banner -loglevel error -nostdin -y "$@"; }

# Encoder settings. A key frame every second or sooner ($gop frames): a PLI is served by waiting.
vp8()  { echo "-c:v libvpx -deadline realtime -cpu-used 5 -lag-in-frames 0 -auto-alt-ref 0 -error-resilient default -g $gop -keyint_min $gop -b:v $1 -maxrate $1 -bufsize $1 -f ivf"; }
vp9()  { echo "-c:v libvpx-vp9 -deadline realtime -cpu-used 7 -row-mt 1 -lag-in-frames 0 -g $gop -keyint_min $gop -b:v $1 -maxrate $1 -bufsize $1 -f ivf"; }
av1()  { echo "-c:v libaom-av1 -usage realtime -cpu-used 8 -row-mt 1 -lag-in-frames 0 -g $gop -keyint_min $gop -b:v $1 -f ivf"; }
h264() { echo "-c:v libx264 -profile:v baseline -level 3.1 -preset veryfast -tune zerolatency -g $gop -keyint_min $gop -sc_threshold 0 -b:v $1 -maxrate $1 -bufsize $1 -x264-params aud=1:repeat-headers=1:sliced-threads=0:threads=1 -f h264"; }

# ---- beep: a solid colour, white for the first 100 ms of every second; a tone for the same 100 ms ----
# The loop is one second long. Opus looks 120 samples ahead (lowdelay), so the source is that much early: what a
# decoder puts out starts exactly on the second. The first second of the file is lead-in, the reader skips it.
flash() { # colour fps white_frames
    echo "color=c=$1:r=$2:s=1280x720:d=1,drawbox=c=white:t=fill:enable='lt(n,$3)',format=yuv420p"
}
beep_video() { # name colour
    gop=15
    ff -f lavfi -i "$(flash "$2" 30 3)" -filter_complex "split=3[a][b][c];[b]scale=640:360[h];[c]scale=320:180[q]" \
        -map "[a]" $(vp8 150k) "$out/beep-$1-1280x720-vp8.ivf" \
        -map "[h]" $(vp8 80k) "$out/beep-$1-640x360-vp8.ivf" \
        -map "[q]" $(vp8 40k) "$out/beep-$1-320x180-vp8.ivf"
    ff -f lavfi -i "$(flash "$2" 30 3)" -filter_complex "scale=720:1280,split=3[a][b][c];[b]scale=360:640[h];[c]scale=180:320[q]" \
        -map "[a]" $(vp8 150k) "$out/beep-$1-720x1280-vp8.ivf" \
        -map "[h]" $(vp8 80k) "$out/beep-$1-360x640-vp8.ivf" \
        -map "[q]" $(vp8 40k) "$out/beep-$1-180x320-vp8.ivf"
    ff -f lavfi -i "$(flash "$2" 30 3)" -filter_complex "split=3[a][b][c];[b]scale=640:360[h];[c]scale=320:180[q]" \
        -map "[a]" $(h264 150k) "$out/beep-$1-1280x720.h264" \
        -map "[h]" $(h264 80k) "$out/beep-$1-640x360.h264" \
        -map "[q]" $(h264 40k) "$out/beep-$1-320x180.h264"
    ff -f lavfi -i "$(flash "$2" 30 3)" $(vp9 150k) "$out/beep-$1-1280x720-vp9.ivf"
    ff -f lavfi -i "$(flash "$2" 30 3)" $(av1 150k) "$out/beep-$1-1280x720-av1.ivf"
}
beep_tone() { # hertz
    ff -f lavfi -i "aevalsrc='0.5*sin(2*PI*$1*(t+0.0025))*lt(mod(t+0.0025\,1)\,0.1)':s=48000:d=3.2" \
        -c:a libopus -application lowdelay -frame_duration 20 -b:a 48k -vbr on "$out/beep-$1hz.ogg"
}
beep() {
    beep_video red 0xC80000;    beep_tone 500
    beep_video green 0x00A000;  beep_tone 800
    beep_video blue 0x0000DC;   beep_tone 1100
    beep_video yellow 0xD2D200; beep_tone 1400
    beep_video cyan 0x00BEBE;   beep_tone 1700
    beep_video orange 0xE67800; beep_tone 2000
    gop=5
    ff -f lavfi -i "$(flash 0xC800C8 15 2)" -vf scale=1920:1080 $(vp8 300k) "$out/beep-magenta-1920x1080-vp8.ivf"
}

# ---- people: a painted head that nods, sways and speaks, ten seconds, every period divides ten ----
ellipse() { # file width height rgb
    ff -f lavfi -i "color=c=$4:s=$2x$3:d=0.04:r=25,format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*clip((1-hypot((X-W/2)/(W/2),(Y-H/2)/(H/2)))*W/6,0,1)'" -frames:v 1 "$1"
}
person() { # name background1 background2 shirt skin hair nods_per_10s   width height
    w=$8; h=$9; k=$(( (w < h ? w : h) ))
    ellipse "$tmp/body.png" $((k * 9 / 10)) $((k * 8 / 10)) "$4"
    ellipse "$tmp/hair.png" $((k * 46 / 100)) $((k * 56 / 100)) "$6"
    ellipse "$tmp/face.png" $((k * 40 / 100)) $((k * 50 / 100)) "$5"
    ellipse "$tmp/eye.png" $((k * 5 / 100)) $((k * 4 / 100)) 0x202020
    ellipse "$tmp/mouth.png" $((k * 14 / 100)) $((k * 3 / 100)) 0x802020
    ellipse "$tmp/open.png" $((k * 12 / 100)) $((k * 8 / 100)) 0x601010
    x="(W-w)/2+$k*0.04*sin(2*PI*t/5)"
    y="$h*0.40-h/2+$k*0.02*sin(2*PI*t*$7/10)"
    talk="gt(sin(2*PI*t*3.1)+sin(2*PI*t*1.3)\,0.2)"
    graph="[0:v]loop=loop=299:size=1,setpts=N/30/TB,format=yuv420p,noise=alls=6:allf=t[bg];\
[bg][1:v]overlay=x='(W-w)/2+$k*0.02*sin(2*PI*t/10)':y='$h*0.62':eval=frame[a];\
[a][2:v]overlay=x='$x':y='$y-$k*0.05':eval=frame[b];[b][3:v]overlay=x='$x':y='$y':eval=frame[c];\
[4:v]split[e1][e2];\
[c][e1]overlay=x='$x-$k*0.08':y='$y-$k*0.05':eval=frame:enable='gt(mod(t\,2.5)\,0.15)'[d];\
[d][e2]overlay=x='$x+$k*0.08':y='$y-$k*0.05':eval=frame:enable='gt(mod(t\,2.5)\,0.15)'[e];\
[e][5:v]overlay=x='$x':y='$y+$k*0.12':eval=frame:enable='not($talk)'[f];\
[f][6:v]overlay=x='$x':y='$y+$k*0.12':eval=frame:enable='$talk',format=yuv420p"
    # A picture that ends is shown on by overlay, so each is read once.
    ff -f lavfi -i "gradients=s=${w}x${h}:c0=$2:c1=$3:x0=0:y0=0:x1=$w:y1=$h:speed=0.00001:seed=1:r=30:d=0.03:n=2" \
        -i "$tmp/body.png" -i "$tmp/hair.png" -i "$tmp/face.png" -i "$tmp/eye.png" -i "$tmp/mouth.png" -i "$tmp/open.png" \
        -filter_complex "$graph" -t 10 -r 30 -c:v ffv1 -f matroska "$tmp/$1.mkv"
}
layers() { # input basename width height codec suffix
    w=$3; h=$4; gop=30
    ff -i "$1" -filter_complex "split=3[a][b][c];[b]scale=$((w / 2)):$((h / 2))[h];[c]scale=$((w / 4)):$((h / 4))[q]" \
        -map "[a]" $($5 600k) "$out/$2-${w}x${h}$6" \
        -map "[h]" $($5 200k) "$out/$2-$((w / 2))x$((h / 2))$6" \
        -map "[q]" $($5 80k) "$out/$2-$((w / 4))x$((h / 4))$6"
}
people() {
    person person0 0x8090A0 0x405060 0x2040A0 0xE0B090 0x302010 8 1280 720
    person person1 0xB0A890 0x605040 0x107050 0xC08A60 0x100C08 11 1280 720
    person person2 0x90A890 0x304838 0x903030 0x8A5A3C 0x181818 6 1280 720
    person person3 0xC0B8D0 0x584868 0x707070 0xF0C8A8 0x906030 9 1280 720
    person portrait 0xA0B0C0 0x506070 0x805020 0xD8A080 0x402818 7 720 1280
    for i in 0 1 2 3; do layers "$tmp/person$i.mkv" person$i 1280 720 vp8 -vp8.ivf; done
    layers "$tmp/portrait.mkv" portrait 720 1280 vp8 -vp8.ivf
    for i in 0 1; do
        layers "$tmp/person$i.mkv" person$i 1280 720 h264 .h264
        ff -i "$tmp/person$i.mkv" $(vp9 500k) "$out/person$i-1280x720-vp9.ivf"
        ff -i "$tmp/person$i.mkv" $(av1 450k) "$out/person$i-1280x720-av1.ivf"
    done
}

# ---- share: four pages of text, three seconds each, and a pointer that moves; 1920x1080 at 15 fps ----
page() { # file title
    {
        echo "$2"; echo
        for l in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
            echo "$l.  $2, line $l: the quick brown fox, $((l * 137)) units, $((l * l * 31)) hours, done: $((l * 6))"
        done
    } > "$1"
}
share() {
    font=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
    graph="null"; n=0
    for title in "Quarterly report" "Roadmap" "Open questions" "Decisions taken"; do
        page "$tmp/page$n.txt" "$title"
        graph="$graph,drawtext=fontfile=$font:textfile=$tmp/page$n.txt:x=120:y=90:fontsize=38:line_spacing=14:fontcolor=0x202428:expansion=none:enable='gte(t\,$((n * 3)))*lt(t\,$((n * 3 + 3)))'"
        n=$((n + 1))
    done
    ellipse "$tmp/pointer.png" 28 28 0xD03020
    gop=15
    ff -f lavfi -i "color=c=0xF8F8F4:s=1920x1080:r=15:d=12" -i "$tmp/pointer.png" \
        -filter_complex "[0:v]drawbox=w=iw:h=60:c=0x3060A0:t=fill,$graph[p];[p][1:v]overlay=x='960+500*sin(2*PI*t/6)':y='540+300*sin(2*PI*t/4)':eval=frame,format=yuv420p" \
        -t 12 $(vp8 1100k) "$out/share-1920x1080-vp8.ivf"
}

# ---- speech: four voices; beside each file the RFC 6464 level of every 20 ms packet, one number a line ----
say() { # number voice text
    espeak-ng -v "$2" -s 155 -w "$tmp/$1.wav" "$3"
    ff -i "$tmp/$1.wav" -af "aresample=48000,loudnorm=I=-18:TP=-2,aresample=48000,apad=pad_dur=0.2,asetnsamples=n=960:p=1" -ac 1 -c:a pcm_s16le "$tmp/$1-48k.wav"
    ff -i "$tmp/$1-48k.wav" -c:a libopus -application voip -frame_duration 20 -b:a 32k "$out/speech$1.ogg"
    ff -i "$out/speech$1.ogg" -af "asetnsamples=n=960:p=1,astats=metadata=1:reset=1,ametadata=print:key=lavfi.astats.Overall.RMS_level:file=$tmp/$1.txt" -f null -
    awk -F= '/RMS_level/ { v = ($2 == "-inf") ? 127 : int(0.5 - $2); if (v < 0) v = 0; if (v > 127) v = 127; print v }' "$tmp/$1.txt" > "$out/speech$1.levels"
}
speech() {
    say 0 en-us+m3 "Good morning everybody. Let us begin with the report of last week. The recorder now joins the room by itself, and the file can be played while it is still growing. I will share my screen in a moment."
    say 1 en-gb+f3 "Thank you. I have two questions about the schedule. First, who reviews the layout before Friday? And second, do we keep the grid for meetings with more than nine people?"
    say 2 en-us+f4 "I can take the review. The numbers look better than I expected, so we could try the larger room tomorrow afternoon, and compare both pictures side by side."
    say 3 en-gb+m7 "From my side there is nothing new, except that the storage was full on Tuesday. It is solved now. The next step is a test with a slow network and many listeners."
}

if [ $# -eq 0 ]; then set -- beep people share speech; fi
for part in "$@"; do "$part"; done
du -sh "$out"
