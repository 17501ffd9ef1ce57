"""Which questions may share an answer, and the name that makes two of them the same."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import blake2b

from fanzgpt_workers.core.routing import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """The generation types whose answers are shared."""

    types: AbstractSet[str]


def cache_key(
    *, generation_type: str, user_id: str, fingerprint: bytes, conversation_id: str | None, target: Target
) -> str | None:
    """`ai:{type}:{userId}:{inputHash}`, the ecosystem's key; None for a turn of a conversation, which is never shared.

    The hash is of everything that is asked (input and options) and of the model that is asked first, so that another
    model's answer is another answer. Users never share: the key has theirs.
    """
    if conversation_id is not None:
        return None
    asked = blake2b(fingerprint, digest_size=16)
    asked.update(str(target).encode())
    return f"ai:{generation_type}:{user_id}:{asked.hexdigest()}"
