"""The shape every contract model shares: camelCase on the wire, frozen in memory, tolerant when read."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

JsonObject = dict[str, JsonValue]

RequestId = Annotated[str, Field(min_length=1, max_length=128)]
UserId = Annotated[str, Field(min_length=1, max_length=256)]
Text = Annotated[str, Field(min_length=1, max_length=100_000)]
Label = Annotated[str, Field(min_length=1, max_length=200)]


class Model(BaseModel):
    """Readers ignore fields they do not know; writers are checked with `extra="forbid"` by the codec."""

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
