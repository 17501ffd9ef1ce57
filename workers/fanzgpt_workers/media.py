"""Images, wired from the settings: who looks at them and how they are come by."""

from collections.abc import Mapping

from fanzgpt_workers.core.routing import STAND_IN
from fanzgpt_workers.images.addresses import AddressPolicy
from fanzgpt_workers.images.description import MODEL as IMAGE_FACTS
from fanzgpt_workers.images.fetching import FetchBounds, ImageFetcher
from fanzgpt_workers.images.pictures import RequestedPictures
from fanzgpt_workers.images.reading import ImageBounds
from fanzgpt_workers.ports import Objects
from fanzgpt_workers.settings import MediaSettings, ProviderSettings


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
    return {"image-analysis": {name: seeing[name] for name in sorted(seeing, key=lambda name: name != first)}}
