"""Ask for one post and wait for it.

    python examples/ask.py "morning workout" instagram

Needs `fanzgpt-producers` and, where the brokers are not on this machine, KAFKA_BOOTSTRAP_SERVERS.
"""

import asyncio
import os
import sys

from fanzgpt_producers import AnswerTimeout, GenerationClient, RequestFailed, RequestUnconfirmed


async def ask(topic: str, platform: str) -> int:
    """Print the post; the exit code says whether there is one."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    async with GenerationClient(bootstrap_servers=servers, source="examples/ask") as client:
        try:
            answer = await client.generate(
                "social-post", user_id="example-user", input={"topic": topic, "platform": platform}, timeout=60
            )
        except RequestUnconfirmed as error:
            # The only ending that leaves something to do: repeat it under the same id, and it is answered once.
            print(f"maybe not sent; repeat with request_id={error.request_id!r}", file=sys.stderr)
        except AnswerTimeout as error:
            print(f"no answer in time; `fanzgpt trace {error.request_id}` tells where it is", file=sys.stderr)
        except RequestFailed as error:
            print(f"{error.event.reason}: {error.event.detail}", file=sys.stderr)
        else:
            print(answer.output["post"])
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(ask(*sys.argv[1:3])))
