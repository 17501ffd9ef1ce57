"""Have a text spoken, and print where the recording is.

    python examples/speak.py "Good morning, everyone!" Nova

The link is signed and expires; it leads to the gateway that FANZ_GPT_URL names (docs/howto/make-speech.md).
"""

import asyncio
import os
import sys

from fanzgpt_producers import GenerationClient, RequestFailed


async def speak(text: str, voice: str) -> int:
    """Print the recording's address; the exit code says whether there is one."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    asked = {"text": text, "voice": voice, "format": "mp3"}
    async with GenerationClient(bootstrap_servers=servers, source="examples/speak") as client:
        try:
            answer = await client.generate("voice-synthesis", user_id="example-user", input=asked, timeout=60)
        except RequestFailed as error:
            print(f"{error.event.reason}: {error.event.detail}", file=sys.stderr)
            return 1
    print(answer.output["audioUrl"])
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(speak(*sys.argv[1:3])))
