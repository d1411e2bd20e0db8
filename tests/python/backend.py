"""A backend of the drop-in and Twirp tests: LiveKit's own Python server SDK, one JSON command per line, one JSON answer per line."""

import asyncio
import json
import sys
import time

from google.protobuf.json_format import MessageToDict, ParseDict
from livekit import api

REQUESTS = {
    "start": ("start_room_composite_egress", api.RoomCompositeEgressRequest),
    "start_web": ("start_web_egress", api.WebEgressRequest),
    "stop": ("stop_egress", api.StopEgressRequest),
    "list": ("list_egress", api.ListEgressRequest),
    "update_layout": ("update_layout_egress", api.UpdateLayoutRequest),
}


def shown(message):
    return MessageToDict(
        message,
        preserving_proto_field_name=True,
        use_integers_for_enums=True,
        always_print_fields_with_no_presence=True,
    )


def method_of(egress, name):
    # Newer versions may call it otherwise.
    return getattr(egress, name, None) or getattr(egress, name.removesuffix("_egress"))


async def perform(livekit, receiver, command):
    name, body = command["do"], command["with"]
    if name == "verify":
        return shown(receiver.receive(body["body"], body["authorization"]))
    method, request = REQUESTS[name]
    return shown(await method_of(livekit.egress, method)(ParseDict(body, request())))


async def answer(livekit, receiver, command):
    began = time.monotonic()
    try:
        result = {"ok": await perform(livekit, receiver, command)}
    except api.TwirpError as error:
        result = {"error": {"code": error.code, "message": error.message, "status": getattr(error, "status", None)}}
    except Exception as error:  # noqa: BLE001: the test says what it makes of it
        result = {"error": {"code": type(error).__name__, "message": str(error), "status": None}}
    result |= {"id": command["id"], "ms": round((time.monotonic() - began) * 1000)}
    print(json.dumps(result), flush=True)


async def main(url, key, secret):
    receiver = api.WebhookReceiver(api.TokenVerifier(key, secret))
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with api.LiveKitAPI(url, key, secret) as livekit:
        running = set()
        while line := await lines.readline():
            task = asyncio.create_task(answer(livekit, receiver, json.loads(line)))
            running.add(task)
            task.add_done_callback(running.discard)


asyncio.run(main(*sys.argv[1:]))
