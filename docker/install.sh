#!/bin/sh
# Installs one stage of docker/packages.txt into this Debian 12. Used by the Dockerfile, tried by docker/clean-room.sh.
#   install.sh build | ffmpeg    compilers and headers
#   install.sh run               libraries, plugins, fonts, GStreamer's registry, and nothing that a container does not need
set -eu
stage=$1
list="$(dirname "$0")/packages.txt"
column() { awk -v stage="$1" '$1 == stage { for (i = 2; i <= NF; i++) print $i }' "$list"; }
export DEBIAN_FRONTEND=noninteractive

apt-get update -q
# shellcheck disable=SC2046  # one word is one package
apt-get install -yq --no-install-recommends $(column "$stage")

if [ "$stage" = run ]; then
    # Plugins and libraries, out of packages that are not installed. status.d is where vulnerability scanners look for what
    # was put into an image without dpkg.
    mkdir -p /tmp/plugins /var/lib/dpkg/status.d
    chmod 777 /tmp/plugins # apt downloads as a user of its own
    awk '$1 == "plugin" || $1 == "library"' "$list" | while read -r kind package names; do
        (cd /tmp/plugins && apt-get download -q "$package")
        deb=$(echo "/tmp/plugins/${package}"_*.deb)
        dpkg-deb -f "$deb" > "/var/lib/dpkg/status.d/$package"
        set -- "./usr/share/doc/$package/copyright"
        set -f # a name may hold a *, which is for tar
        for name in $names; do
            case $kind in plugin) set -- "$@" "*/gstreamer-1.0/libgst$name.so" ;; *) set -- "$@" "*/$name" ;; esac
        done
        set +f
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C / --wildcards "$@"
    done
    ldconfig
    rm -rf /tmp/plugins

    # Made now, because the root is read-only later. Every element must be there and all its libraries must be found.
    registry=${GST_REGISTRY:?where GStreamer keeps its registry}
    mkdir -p "$(dirname "$registry")"
    for element in $(column element); do
        GST_REGISTRY_UPDATE=yes gst-inspect-1.0 --exists "$element" \
            || { echo "GStreamer element $element is missing"; exit 1; }
    done
    chmod 644 "$registry"

    # Licences stay; manuals, translations and what apt and dpkg leave behind do not.
    find /usr/share/doc -depth -type f ! -name copyright -delete
    find /usr/share/doc -depth -type l ! -name copyright -delete
    find /usr/share/doc -depth -type d -empty -delete
    rm -rf /usr/share/man /usr/share/info /usr/share/locale /usr/share/lintian /usr/share/gtk-doc
    rm -rf /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
fi

apt-get clean
rm -rf /var/lib/apt/lists/*
