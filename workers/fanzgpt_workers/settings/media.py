"""Images and speech: who looks and who speaks, what may be fetched, and where what is large is kept."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from fanzgpt_workers.settings.group import Group

MIB = 1024 * 1024


def _items(value: object) -> object:
    return tuple(item.strip().lower() for item in value.split(",") if item.strip()) if isinstance(value, str) else value


def _networks(value: object) -> object:
    items = _items(value)
    return tuple(ip_network(item) for item in items) if isinstance(items, tuple) else items


Items = Annotated[tuple[str, ...], BeforeValidator(_items)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]
Scheme = Literal["https", "http"]


class MediaSettings(Group):
    """Images that are looked at, speech that is made, and the store for both."""

    image_provider: Literal["openai", "anthropic", "stand-in"] | None = Field(
        None,
        alias="AI_IMAGE_PROVIDER",
        description="Who looks at images of requests that name no provider. Unset: AI_DEFAULT_PROVIDER. `stand-in` is "
        "no model: it tells size and colours, and marks its answers; the embedded stack sets it, since its model is "
        "blind.",
    )
    image_model: str | None = Field(
        None,
        alias="AI_IMAGE_MODEL",
        min_length=1,
        max_length=200,
        description="The model for images. Unset: the provider's own default, which can see at both makers.",
        examples=["gpt-4o"],
    )
    image_delivery: Literal["fetch", "pass"] = Field(
        "fetch",
        alias="IMAGE_DELIVERY",
        description="`fetch`: workers fetch images and send the bytes. `pass`: the provider is given the address after "
        "the same checks, and what it fetches later may be something else.",
    )
    image_max_bytes: int = Field(
        3_500_000,
        alias="IMAGE_MAX_BYTES",
        ge=1_000,
        le=50 * MIB,
        description="Largest image. 3.5 MB are under 5 MB in base64, which is Anthropic's limit.",
    )
    image_max_pixels: int = Field(
        40_000_000,
        alias="IMAGE_MAX_PIXELS",
        ge=1,
        le=500_000_000,
        description="Most pixels of an image, by its header. 40 million hold a phone's photograph.",
    )
    image_fetch_seconds: float = Field(
        10.0,
        alias="IMAGE_FETCH_SECONDS",
        ge=0.1,
        le=120,
        description="Seconds to fetch an image in, redirects included. 10 leave a caller's 30 for the model.",
    )
    image_at_once: int = Field(
        16,
        alias="IMAGE_AT_ONCE",
        ge=1,
        le=1_000,
        description="Images held in memory by one process, from their fetching to the end of their calls. 16 of the "
        "largest are about 250 MiB, copies included.",
    )
    image_schemes: Annotated[tuple[Scheme, ...], BeforeValidator(_items), Field(min_length=1)] = Field(
        ("https",),
        alias="IMAGE_URL_SCHEMES",
        description="Schemes images are fetched by, comma-separated: https, http. Plain http can be answered by anyone "
        "on the way.",
    )
    image_hosts: Items = Field(
        (),
        alias="IMAGE_URL_HOSTS",
        description="Hosts images are fetched from, comma-separated. Unset: every public one.",
        examples=["images.example.com"],
    )
    image_networks: Networks = Field(
        (),
        alias="IMAGE_URL_NETWORKS",
        description="Networks that images may come from although they are not public, on any port. None by default: "
        "whoever may ask could look into them.",
        examples=["10.20.0.0/24"],
    )

    speech_provider: Literal["openai", "stand-in"] = Field(
        "openai",
        alias="AI_SPEECH_PROVIDER",
        description="Who speaks. `openai`: whatever OPENAI_BASE_URL leads to. `stand-in` is no voice: it makes a short "
        "tune, and marks its answers; the embedded stack sets it, since its model is mute.",
    )
    speech_model: str = Field(
        "tts-1",
        alias="AI_SPEECH_MODEL",
        min_length=1,
        max_length=200,
        description="The model for speech of a request that names none. tts-1 is charged by character, so its cost is "
        "known.",
        examples=["gpt-4o-mini-tts"],
    )
    speech_voices: Items = Field(
        (
            *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer"),
            "verse",
        ),
        alias="AI_SPEECH_VOICES",
        description="Voices that may be asked for, comma-separated; the default is OpenAI's. `*` for any, where only "
        "the endpoint knows them.",
    )
    speech_characters: int = Field(
        4_096,
        alias="AI_SPEECH_CHARACTERS",
        ge=1,
        le=100_000,
        description="Longest text that is spoken at once. 4096 is OpenAI's limit.",
    )

    object_store_url: str | None = Field(
        None,
        alias="OBJECT_STORE_URL",
        pattern=r"^(file:///|s3://|gs://).+",
        description="Where speech and uploaded images are kept: a folder that workers and gateways share, an S3 or a "
        "GCS bucket, whose credentials are found as their own tools find them. Without it there is no speech.",
        examples=["s3://fanz-media/gpt"],
    )
    signing_key: SecretStr | None = Field(
        None,
        alias="MEDIA_SIGNING_KEY",
        min_length=16,
        description="Signs the links to what is kept in a folder: the gateway, which has the same key, serves them. "
        "Buckets sign their own.",
    )
    gateway_url: str = Field(
        "http://fanz-gpt-dev:3100",
        alias="FANZ_GPT_URL",
        pattern=r"^https?://\S+$",
        description="The gateway as those who are given such a link reach it.",
    )
    link_seconds: int = Field(
        86_400,
        alias="MEDIA_LINK_SECONDS",
        ge=60,
        le=604_800,
        description="Seconds for which a link to speech is valid. A day lets a page be opened again; a week is the "
        "most that S3 signs.",
    )
