"""Ask what is on an image.

    python examples/see.py https://example.com/photo.jpg "colours and mood"

The worker fetches it, from public https addresses alone unless its settings allow more (docs/howto/analyse-images.md).
"""

import asyncio
import os
import sys

from fanzgpt_producers import GenerationClient, RequestFailed


async def see(url: str, analysis_type: str) -> int:
    """Print the analysis; the exit code says whether there is one."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    asked = {"imageUrl": url, "analysisType": analysis_type}
    async with GenerationClient(bootstrap_servers=servers, source="examples/see") as client:
        try:
            answer = await client.generate("image-analysis", user_id="example-user", input=asked, timeout=60)
        except RequestFailed as error:
            # An address that may not be fetched is refused like anything else that is wrong with a request.
            print(f"{error.event.reason}: {error.event.detail}", file=sys.stderr)
            return 1
    print(answer.output["analysis"])
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(see(*sys.argv[1:3])))
