#!/bin/sh
# Builds the two codecs that greffier takes from FFmpeg, the H.264 decoder and the AAC encoder, from Debian's own source with
# Debian's fixes, into /ffmpeg. Debian's libavcodec59 knows everything, and brings 215 MB of libraries for it; this one has
# the same names, symbols and version, so Debian's GStreamer plugin loads it as its own.
set -eu
sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources
apt-get update -q
mkdir -p /tmp/ffmpeg /ffmpeg
cd /tmp/ffmpeg
apt-get source -q ffmpeg
cd ffmpeg-*/
triplet=$(gcc -dumpmachine)
./configure --prefix=/usr --libdir="/usr/lib/$triplet" --disable-everything --disable-autodetect --disable-programs \
    --disable-doc --disable-static --enable-shared --disable-avdevice --disable-swscale --disable-swresample \
    --disable-network --disable-debug --enable-decoder=h264 --enable-encoder=aac
make -j"$(nproc)"
make install-libs DESTDIR=/ffmpeg
strip --strip-unneeded "/ffmpeg/usr/lib/$triplet"/*.so.*.*.*
install -D -m 644 debian/copyright /ffmpeg/usr/share/doc/ffmpeg/copyright
# LGPL 2.1: who gets the image can get the source. This is the version.
dpkg-parsechangelog -S Version > /ffmpeg/usr/share/doc/ffmpeg/version
rm -rf /tmp/ffmpeg /var/lib/apt/lists/*
