"""One thing that was looked at."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at and what is so; `remedy` says what to do where it is not well."""

    subject: str
    verdict: Literal["ok", "note", "wrong"]
    detail: str
    remedy: str | None = None


def ok(subject: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(subject=subject, verdict="ok", detail=detail)


def note(subject: str, detail: str, remedy: str | None = None) -> Finding:
    """It may be meant so."""
    return Finding(subject=subject, verdict="note", detail=detail, remedy=remedy)


def wrong(subject: str, detail: str, remedy: str) -> Finding:
    """It will not work like this."""
    return Finding(subject=subject, verdict="wrong", detail=detail, remedy=remedy)
