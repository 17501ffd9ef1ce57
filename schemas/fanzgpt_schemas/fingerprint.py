"""What a request asks for, in sixteen bytes."""

from hashlib import blake2b

import orjson

from fanzgpt_schemas.requests import GenerationRequested


def fingerprint(request: GenerationRequested) -> bytes:
    """A digest of type, input, options and conversation: equal for the same question, however it was spelled.

    Defaults are left out, so that a field that a later release adds does not change what was asked before it.
    Who asks, under which id and until when is not part of it; nor are metadata and the policy for lost calls.
    """
    asked = {
        "type": request.type,
        "input": request.input.model_dump(exclude_none=True, exclude_defaults=True),
        "options": request.options.model_dump(exclude_none=True, exclude_defaults=True),
        "conversationId": request.conversation_id,
    }
    return blake2b(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
