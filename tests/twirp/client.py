"""LiveKit's Python server SDK in use: URL, key, secret; prints what each step gave, as one JSON object."""

import asyncio
import json
import sys

from google.protobuf.json_format import MessageToDict
from livekit import api


def shown(message):
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


async def main(url, key, secret):
    steps = {}

    async def step(name, call):
        try:
            message = await call
            steps[name] = shown(message)
            return message
        except api.TwirpError as error:
            steps[name] = {"code": error.code, "status": error.status, "message": error.message}

    async with api.LiveKitAPI(url, key, secret) as livekit:
        egress = livekit.egress

        def start(room):
            output = api.EncodedFileOutput(file_type=api.EncodedFileType.MP4, filepath=f"{room}.mp4")
            request = api.RoomCompositeEgressRequest(room_name=room, layout="speaker-light", file_outputs=[output])
            return egress.start_room_composite_egress(request)

        def listed():
            return egress.list_egress(api.ListEgressRequest(egress_id=info.egress_id))

        info = await step("start", start("sdk"))
        if info:
            await step("list", listed())
            layout = api.UpdateLayoutRequest(egress_id=info.egress_id, layout="grid")
            await step("update_layout", egress.update_layout(layout))
            await step("stop", egress.stop_egress(api.StopEgressRequest(egress_id=info.egress_id)))
            while (await step("complete", listed())).items[0].status != api.EgressStatus.EGRESS_COMPLETE:
                await asyncio.sleep(0.02)
            await step("stop_again", egress.stop_egress(api.StopEgressRequest(egress_id=info.egress_id)))
            await step("unknown", egress.stop_egress(api.StopEgressRequest(egress_id="EG_none")))
            await step("nowhere", start("nowhere"))
            await step("web", egress.start_web_egress(api.WebEgressRequest(url="https://example.org")))
    print(json.dumps(steps))


asyncio.run(main(*sys.argv[1:]))
