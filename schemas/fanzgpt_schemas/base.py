"""The shape every contract model shares: camelCase on the wire, frozen in memory, tolerant when read."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

JsonObject = dict[str, JsonValue]

LARGEST_INTEGER: Final = 2**53 - 1  # the largest that every JSON reader keeps exact; fits PostgreSQL's bigint

RequestId = Annotated[str, Field(min_length=1, max_length=128)]
UserId = Annotated[str, Field(min_length=1, max_length=256)]
Text = Annotated[str, Field(min_length=1, max_length=100_000)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]


def _written_out(value: object) -> object:
    # `30` could be seconds from now, seconds or milliseconds since 1970: a guess would expire somebody's request.
    if not isinstance(value, str | datetime) or (isinstance(value, str) and value[4:5] != "-"):
        raise ValueError("must be a date and time with an offset (RFC 3339), such as 2026-12-31T18:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]


class Model(BaseModel):
    """Readers ignore fields they do not know; `encode` and `new_request` refuse them, so nobody writes one."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    def wire(self) -> dict[str, Any]:
        """The JSON object as it travels: camelCase, without fields that were not given."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
