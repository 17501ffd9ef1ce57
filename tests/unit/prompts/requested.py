"""Requests to render prompts for."""

from pydantic import JsonValue

from fanzgpt_schemas.requests import REQUESTED, GenerationRequested

INPUTS: dict[str, dict[str, JsonValue]] = {
    "social-post": {"topic": "morning workout", "platform": "instagram"},
    "personalized-message": {"recipientId": "fan-7", "context": "birthday", "relationship": "fan"},
    "chat-response": {"message": "How was the show?"},
    "conversation-starters": {"context": "loves yoga", "count": 3},
    "content-calendar": {"timeframe": "1 week", "preferences": {"platforms": ["instagram"]}},
    "performance-analysis": {"timeframe": "last month", "figures": {"likes": 31}},
    "image-analysis": {"imageUrl": "https://example.org/a.jpg", "analysisType": "mood"},
}


def requested(generation_type: str, options: JsonValue = None, **changes: JsonValue) -> GenerationRequested:
    return REQUESTED.validate_python(
        {
            "requestId": "r-1",
            "userId": "u-1",
            "type": generation_type,
            "input": {**INPUTS.get(generation_type, {}), **changes},
            "options": options or {},
        }
    )
