"""Images and speech, wired from the settings: who looks and speaks, and where what is large is kept."""

from collections.abc import Callable, Mapping
from datetime import datetime

from fanzgpt_schemas.requests import VoiceSynthesisRequested
from fanzgpt_workers.core.routing import STAND_IN
from fanzgpt_workers.errors import InputRefused
from fanzgpt_workers.images.addresses import AddressPolicy
from fanzgpt_workers.images.description import MODEL as IMAGE_FACTS
from fanzgpt_workers.images.fetching import FetchBounds, ImageFetcher
from fanzgpt_workers.images.pictures import RequestedPictures
from fanzgpt_workers.images.reading import ImageBounds
from fanzgpt_workers.media_ports import Objects
from fanzgpt_workers.ports import Prompt, Provider
from fanzgpt_workers.settings import MediaSettings, ProviderSettings
from fanzgpt_workers.speech.keeping import KeptSpeech
from fanzgpt_workers.speech.rules import SpeechRules
from fanzgpt_workers.speech.tones import MODEL as TONES


def pictures(media: MediaSettings, uploads: Objects | None) -> RequestedPictures:
    """Where images come from; `uploads` None where there is no object store."""
    policy = AddressPolicy(
        schemes=frozenset(media.image_schemes), hosts=frozenset(media.image_hosts), inside=media.image_networks
    )
    return RequestedPictures(
        fetcher=ImageFetcher(policy, FetchBounds(most_bytes=media.image_max_bytes, seconds=media.image_fetch_seconds)),
        bounds=ImageBounds(most_bytes=media.image_max_bytes, most_pixels=media.image_max_pixels),
        delivery=media.image_delivery,
        at_once=media.image_at_once,
        uploads=uploads,
    )


def own_models(media: MediaSettings, ai: ProviderSettings) -> Mapping[str, Mapping[str, str]]:
    """For the types that not every provider serves: those that do, the default one first, each with its model."""
    seeing = {str(name): model for name, model in ai.reachable.items()}
    first = media.image_provider or ai.default_provider
    if first == STAND_IN:
        seeing[STAND_IN] = IMAGE_FACTS
    if first in seeing and first != STAND_IN:
        seeing[first] = media.image_model or seeing[first]
    speaking: dict[str, str] = {}
    if media.speech_provider == STAND_IN:
        speaking[STAND_IN] = TONES
    if "openai" in ai.reachable:
        speaking["openai"] = media.speech_model
    return {
        "image-analysis": {name: seeing[name] for name in sorted(seeing, key=lambda name: name != first)},
        "voice-synthesis": speaking,
    }


def objects(media: MediaSettings, now: Callable[[], datetime]) -> Objects | None:
    """The object store; None where none is set up. Raises ConfigurationError for one that cannot be opened."""
    if media.object_store_url is None:
        return None
    from fanzgpt_workers.object_store import open_objects  # noqa: PLC0415  # only where there is a store

    secret = media.signing_key.get_secret_value() if media.signing_key else None
    return open_objects(media.object_store_url, gateway_url=media.gateway_url, secret=secret, now=now)


def spoken(media: MediaSettings, store: Objects | None) -> Callable[[VoiceSynthesisRequested], Prompt]:
    """What is to be spoken for a request; raises InputRefused where there is nowhere to keep it."""
    is_stand_in = media.speech_provider == STAND_IN
    rules = SpeechRules(
        voices=frozenset() if "*" in media.speech_voices else frozenset(media.speech_voices),
        most_characters=media.speech_characters,
        default_format="wav" if is_stand_in else "mp3",
    )

    def prompt(event: VoiceSynthesisRequested) -> Prompt:
        if store is None:
            raise InputRefused("voice-synthesis: there is no object store here to keep speech in (OBJECT_STORE_URL)")
        return rules.prompt(event)

    return prompt


def kept(provider: Provider, media: MediaSettings, store: Objects | None, now: Callable[[], datetime]) -> Provider:
    """The provider, with what it speaks kept in the store."""
    return provider if store is None else KeptSpeech(provider, store, now=now, link_seconds=media.link_seconds)
