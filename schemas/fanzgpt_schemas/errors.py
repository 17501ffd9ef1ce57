"""What can be wrong with a message, in words its sender can act on.

ContractError
├── NotJson            the value is empty or is not JSON text
├── NotAnEvent         the JSON is not the event that was expected: field by field
│   └── UnknownType    `type` names no generation type
└── RegistryError      topics.yaml is wrong (fanzgpt_schemas.topics)
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One field and what is wrong with it: `input.topic: Field required`."""

    field: str
    reason: str

    def __str__(self) -> str:
        """Render as one line."""
        return f"{self.field}: {self.reason}"


class ContractError(ValueError):
    """The message breaks the contract; the same bytes will always break it, so it is never retried."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        """Keep the violations as values; the text joins them."""
        self.violations = violations
        super().__init__("; ".join(map(str, violations)))


class NotJson(ContractError):
    """The value is empty, not UTF-8, not JSON, nested too deeply, or holds NaN or a lone surrogate."""


class NotAnEvent(ContractError):
    """The value is JSON, but fields are missing, wrong, too long or not storable, or it is of another version."""


class UnknownType(NotAnEvent):
    """`type` names no generation type of this contract."""
