"""The eight endpoints that ask."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from starlette.responses import Response

from fanzgpt_gateway.asking import Asking, Call, Question
from fanzgpt_gateway.streaming import Streaming
from fanzgpt_gateway.uploading import Uploading
from fanzgpt_gateway.web import PREFIX
from fanzgpt_gateway.web.answers import (
    Accepted,
    Answered,
    ChatResponseAnswer,
    ContentCalendarAnswer,
    ConversationStartersAnswer,
    ErrorBody,
    ImageAnalysisAnswer,
    PerformanceAnalysisAnswer,
    PersonalizedMessageAnswer,
    SocialPostAnswer,
    VoiceSynthesisAnswer,
)
from fanzgpt_gateway.web.bodies import (
    Asked,
    ChatResponseBody,
    ContentCalendarBody,
    ConversationStartersBody,
    ImageAnalysisBody,
    PerformanceAnalysisBody,
    PersonalizedMessageBody,
    SocialPostBody,
    VoiceSynthesisBody,
)
from fanzgpt_gateway.web.calls import CallOf
from fanzgpt_gateway.web.event_stream import EVENTS

ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorBody, "description": text}
    for status, text in {
        400: "The body is wrong, or holds a blocked term",
        401: "No token, or one that is not believed",
        403: "The user may not use AI, or the feature is switched off",
        408: "The body did not arrive in time",
        409: "The request was cancelled",
        413: "The body is too large",
        422: "The request was rejected, or its id was used before with other content",
        429: "The user's window is full",
        502: "The provider failed",
        503: "The request may not have been taken: repeat it under the same id",
        504: "The request's deadline passed",
    }.items()
}


def generation(asking: Asking, streaming: Streaming, uploading: Uploading, call_of: CallOf) -> APIRouter:
    """The routes, answered by `asking`, or piece by piece by `streaming`; images in a body are kept by `uploading`."""
    router = APIRouter(prefix=PREFIX, tags=["generation"])
    Arrived = Annotated[Call, Depends(call_of)]  # noqa: N806 - a type

    def answers(path: str, answer: type[Answered]) -> Callable[..., Any]:
        pending = {"model": Accepted, "description": "The answer takes longer; it will be at Location"}
        return router.post(path, response_model=answer, responses={200: EVENTS, 202: pending, **ERRORS})

    async def ask(body: Asked, call: Call) -> Response:
        question = Question(
            type=body.type,
            user_id=body.user_id,
            needs_user=body.needs_user,
            input=body.input(),
            options=body.options,
            conversation_id=body.conversation_id,
        )
        if call.watching is not None:
            return await streaming.ask(question, call, call.watching)
        return await asking.answer(question, call)

    @answers("/content/social-post", SocialPostAnswer)
    async def social_post(body: SocialPostBody, call: Arrived) -> Response:
        """A post about a topic, shaped for a platform."""
        return await ask(body, call)

    @answers("/content/personalized-message", PersonalizedMessageAnswer)
    async def personalized_message(body: PersonalizedMessageBody, call: Arrived) -> Response:
        """A message from a creator to one recipient."""
        return await ask(body, call)

    @answers("/chat/response", ChatResponseAnswer)
    async def chat_response(body: ChatResponseBody, call: Arrived) -> Response:
        """A reply to a message, given the conversation so far."""
        return await ask(body, call)

    @answers("/chat/starters", ConversationStartersAnswer)
    async def chat_starters(body: ConversationStartersBody, call: Arrived) -> Response:
        """Opening lines: exactly `count` of them, five by default."""
        return await ask(body, call)

    @answers("/creator/content-calendar", ContentCalendarAnswer)
    async def content_calendar(body: ContentCalendarBody, call: Arrived) -> Response:
        """A dated plan for a timeframe."""
        return await ask(body, call)

    @answers("/creator/performance-analysis", PerformanceAnalysisAnswer)
    async def performance_analysis(body: PerformanceAnalysisBody, call: Arrived) -> Response:
        """An analysis of the user's own figures."""
        return await ask(body, call)

    @answers("/media/analyze-image", ImageAnalysisAnswer)
    async def analyze_image(body: ImageAnalysisBody, call: Arrived) -> Response:
        """A look at one image."""
        return await ask(await _without_bytes(body, call, uploading), call)

    @answers("/voice/synthesize", VoiceSynthesisAnswer)
    async def synthesize(body: VoiceSynthesisBody, call: Arrived) -> Response:
        """Speech from text."""
        return await ask(body, call)

    return router


async def _without_bytes(body: ImageAnalysisBody, call: Call, uploading: Uploading) -> ImageAnalysisBody:
    """The body with its image kept, where the image is in it: no event carries one."""
    if not body.image_url.startswith("data:"):
        return body
    user = call.caller.acts_for(body.user_id, required=False)
    return body.model_copy(update={"image_url": await uploading.keep_data_url(body.image_url, user)})
