#!/bin/bash
# Asks the sidecar on its own port; for HEALTHCHECK and exec probes, since the image has no curl. A port that only the
# configuration file knows is not known here: set GREFFIER_LISTEN instead.
port=${GREFFIER_LISTEN##*:}
exec 3<>"/dev/tcp/127.0.0.1/${port:-7990}" || exit 1
printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 5 _ status _ <&3
[ "$status" = 200 ]
