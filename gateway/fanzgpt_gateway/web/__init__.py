"""HTTP: what a call passes on its way in, and what it finds there."""

from typing import Final

PREFIX: Final = "/api/v1"
"""Where the contract's endpoints are."""
