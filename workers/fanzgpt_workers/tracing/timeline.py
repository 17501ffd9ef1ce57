"""A request's way as moments in time: pure, from what was found."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from fanzgpt_schemas.events import REQUESTED_TOPIC
from fanzgpt_workers.records import Record
from fanzgpt_workers.stores.ledger_reports import AttemptReport, RequestReport
from fanzgpt_workers.tracing.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened to a request; `where` is the ledger, a topic's record, or a table."""

    at: datetime
    what: str
    where: str
    detail: str = ""


def timeline(evidence: Evidence) -> list[Moment]:
    """The moments in order of time; at one instant, cause before effect."""
    moments = [*map(_recorded, evidence.records)]
    if evidence.report is not None:
        moments += _of_ledger(evidence.report)
    moments += [Moment(at=row.at, what="row", where=row.table, detail=f"id {row.event_id}") for row in evidence.rows]
    return sorted(moments, key=lambda moment: (moment.at, _RANK.get(moment.what, len(_RANK))))


def missing(evidence: Evidence) -> list[str]:
    """What ought to be there by now and was not found, in words."""
    report = evidence.report
    if report is None:
        return ["the ledger does not know this request: not taken up yet, refused as no request, or pruned"]
    if report.state == "claimed":
        return [f"it has no ending yet; its owner was last heard of at {report.updated_at:%H:%M:%S} UTC"]
    lacking = []
    if report.published_at is None:
        lacking.append("its ending is saved and not yet marked as published")
    found = {value for record in evidence.records for name, value in record.headers if name == "ce_id"}
    lacking += [
        f"no record of its event on {event.topic}: still to be published, or past its retention"
        for event in evidence.announced
        if str(event.event_id).encode() not in found
    ]
    stored = {row.event_id for row in evidence.rows}
    lacking += [
        f"no row of its event on {event.topic} yet"
        for event in evidence.announced
        if event.topic in ("ai.generation.completed", "ai.analytics.event") and event.event_id not in stored
    ]
    return lacking


_RANK = {what: rank for rank, what in enumerate(("requested", "claimed", "called", "answered", "ended", "published"))}


def _of_ledger(report: RequestReport) -> Iterator[Moment]:
    owner = f"epoch {report.epoch}, owner {report.owner}"
    yield Moment(at=report.created_at, what="claimed", where="ledger", detail=owner)
    for attempt in report.attempts:
        yield from _called(attempt)
    if report.ended_at is not None:
        yield Moment(at=report.ended_at, what="ended", where="ledger", detail=report.state + _shared(report))
    if report.published_at is not None:
        yield Moment(at=report.published_at, what="published", where="ledger", detail="noted as published")


def _shared(report: RequestReport) -> str:
    if report.cached_from is None:
        return ""
    saved = "" if report.saved_usd is None else f", {report.saved_usd} USD saved"
    return f" with the answer to {report.cached_from}{saved}"


def _called(attempt: AttemptReport) -> Iterator[Moment]:
    name = f"call {attempt.ordinal}"
    yield Moment(
        at=attempt.started_at,
        what="called",
        where="ledger",
        detail=f"{name}: {attempt.provider} {attempt.model} ({attempt.cause})",
    )
    if attempt.ended_at is None:
        return
    told = [attempt.outcome or "", attempt.detail or ""]
    if attempt.input_tokens is not None:
        told.append(f"{attempt.input_tokens} + {attempt.output_tokens or 0} tokens")
    if attempt.input_tokens is not None:
        told.append("price not known" if attempt.cost_usd is None else f"{attempt.cost_usd} USD")
    if attempt.latency_ms is not None:
        told.append(f"{attempt.latency_ms} ms")
    told.append(attempt.finish_reason or "")
    yield Moment(
        at=attempt.ended_at, what="answered", where="ledger", detail=f"{name}: {', '.join(filter(None, told))}"
    )


def _recorded(record: Record) -> Moment:
    requested = record.origin.topic.startswith(REQUESTED_TOPIC)
    return Moment(
        at=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
        what="requested" if requested else "record",
        where=str(record.origin),
        detail=f"{record.size} bytes, key {(record.key or b'').decode('utf-8', 'backslashreplace')!r}",
    )
