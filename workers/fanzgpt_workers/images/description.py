"""What can be said of an image without a model: its type, its size and its colours. The stand-in where none can see."""

import asyncio
from io import BytesIO
from typing import Final

from fanzgpt_workers.errors import Refused
from fanzgpt_workers.ports import Completion, Image, ProviderCall

NAME: Final = "stand-in"
MODEL: Final = "image-facts-1"
_SIDE: Final = 64
_COLOURS: Final = 3
_NAMED: Final = {
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
    "white": (255, 255, 255),
    "red": (220, 40, 40),
    "orange": (240, 140, 30),
    "yellow": (240, 220, 60),
    "green": (60, 160, 70),
    "turquoise": (60, 190, 190),
    "blue": (50, 90, 200),
    "violet": (130, 70, 180),
    "pink": (240, 150, 180),
    "brown": (120, 75, 40),
    "beige": (225, 205, 170),
}


async def describe(call: ProviderCall) -> Completion:
    """The facts as an answer: the same words for the same image. Raises Refused where the call has no image."""
    image = next((turn.image for turn in call.prompt.turns if turn.image is not None), None)
    if image is None or not image.data:
        raise Refused("the stand-in describes images, and this call has none")
    try:
        text = await asyncio.to_thread(facts, image)
    except Exception as error:
        raise Refused(f"the image cannot be decoded: {type(error).__name__}") from error
    return Completion(text=text, model=MODEL, response_id=None, finish_reason="stop", usage=None)


def facts(image: Image) -> str:
    """The words: type, size, shape, light and the colours that take most of it. Decodes the image."""
    from PIL import Image as Pillow  # noqa: PLC0415  # only where images are read

    with Pillow.open(BytesIO(image.data)) as opened:
        width, height = opened.size
        opened.draft("RGB", (_SIDE, _SIDE))  # a JPEG is then decoded at a fraction of its size
        small = opened.convert("RGB").resize((_SIDE, _SIDE), Pillow.Resampling.BOX)
    light = round(sum(small.convert("L").tobytes()) / (_SIDE * _SIDE) / 255 * 100)
    counted = small.quantize(_COLOURS, method=Pillow.Quantize.MEDIANCUT).convert("RGB").getcolors(_SIDE * _SIDE) or []
    told = ", ".join(
        f"{_name(colour)} #{bytes(colour).hex()} ({round(count / (_SIDE * _SIDE) * 100)} %)"
        for count, colour in sorted(((n, _rgb(c)) for n, c in counted), reverse=True)
    )
    shape = "square" if width == height else "landscape" if width > height else "portrait"
    kind = image.media_type.removeprefix("image/").upper()
    return (
        f"No model looked at this image: these are facts read from its file. {kind}, {width} x {height} pixels, "
        f"{shape}; mean brightness {light} %; colours: {told}."
    )


def _rgb(colour: object) -> tuple[int, int, int]:
    red, green, blue = colour if isinstance(colour, tuple) else (0, 0, 0)
    return int(red), int(green), int(blue)


def _name(colour: tuple[int, int, int]) -> str:
    def distance(name: str) -> int:
        return sum((a - b) ** 2 for a, b in zip(colour, _NAMED[name], strict=True))

    return min(_NAMED, key=distance)
