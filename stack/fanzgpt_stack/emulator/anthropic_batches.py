"""Anthropic's message batches on the wire (API reference, "Message Batches")."""

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs

import orjson

from fanzgpt_stack.emulator.batch_jobs import Item, ItemEnd, Job, Jobs
from fanzgpt_stack.emulator.calls import member
from fanzgpt_stack.emulator.http_requests import HttpRequest
from fanzgpt_stack.emulator.replies import Reply, json_reply, whole

WINDOW_SECONDS: Final = 24 * 3600
_PATH: Final = "/v1/messages/batches"
_ROUTE: Final = re.compile(rf"{_PATH}(?:/([\w-]+))?(?:/(results|cancel))?")
_CUSTOM_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class AnthropicBatches:
    """`/v1/messages/batches`. There is no metadata: a batch is known by its id, and by the ids of its items."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def reply(self, request: HttpRequest) -> Reply | None:
        """The reply; None for a request that is not about batches."""
        route = _ROUTE.fullmatch(request.path)
        if route is None:
            return None
        account = request.header(b"x-api-key") or ""
        match request.method, *route.groups():
            case "POST", None, None:
                return self._create(request, account)
            case "GET", None, None:
                return self._list(request, account)
            case "GET" | "POST", str(name), what:
                job = self._jobs.job(_number(name), account)
                if job is None:
                    return _error(404, "not_found_error", f"No batch {name}")
                if request.method == "POST" and what == "cancel":
                    self._jobs.call_off(job)
                elif what == "results":
                    if job.ended is None:
                        return _error(404, "not_found_error", "The batch has no results yet.")
                    return whole(200, b"".join(map(_line, job.ends)), content_type="application/x-jsonl")
                return json_reply(_batch(job, request))
            case _:
                return _error(405, "invalid_request_error", "Method Not Allowed")

    def _create(self, request: HttpRequest, account: str) -> Reply:
        try:
            asked = member(orjson.loads(request.body), "requests")
        except orjson.JSONDecodeError:
            asked = None
        items = [_item(each) for each in asked] if isinstance(asked, list) else []
        known = [item for item in items if item is not None]
        if not known or len({item.custom_id for item in known}) != len(items):
            return _error(400, "invalid_request_error", "requests: each needs a custom_id of its own and params")
        job, heard = self._jobs.create(known, account=account, metadata={})
        return json_reply(_batch(job, request)) if heard else Reply(head=b"", parts=(), ending="reset")

    def _list(self, request: HttpRequest, account: str) -> Reply:
        query = parse_qs(request.query)
        jobs = self._jobs.newest_first(account)
        after = query.get("after_id", [None])[0]
        if after is not None:
            jobs = [job for job in jobs if job.number < _number(after)]
        limit = int(query.get("limit", ["20"])[0])
        data = [_batch(job, request) for job in jobs[:limit]]
        return json_reply(
            {
                "data": data,
                "has_more": len(jobs) > limit,
                "first_id": data[0]["id"] if data else None,
                "last_id": data[-1]["id"] if data else None,
            }
        )


def _item(asked: object) -> Item | None:
    custom_id, params = member(asked, "custom_id"), member(asked, "params")
    if not isinstance(custom_id, str) or not isinstance(params, dict) or not _CUSTOM_ID.fullmatch(custom_id):
        return None
    return Item(custom_id=custom_id, path="/v1/messages", body=params)


def _batch(job: Job, request: HttpRequest) -> dict[str, object]:
    name = f"msgbatch_emu{job.number:012}"
    counts = {
        "processing": 0 if job.ended is not None else len(job.items),
        "succeeded": job.count("succeeded"),
        "errored": job.count("errored"),
        "canceled": job.count("cancelled"),
        "expired": job.count("expired"),
    }
    results = None if job.ended is None else f"http://{request.header(b'host')}{_PATH}/{name}/results"
    return {
        "id": name,
        "type": "message_batch",
        "processing_status": "in_progress" if job.ended is None else "ended",
        "request_counts": counts,
        "created_at": _instant(job.created),
        "expires_at": _instant(job.created + WINDOW_SECONDS),
        "ended_at": None if job.ended is None else _instant(job.ended),
        "cancel_initiated_at": None if job.called_off is None else _instant(job.called_off),
        "archived_at": None,
        "results_url": results,
    }


def _line(end: ItemEnd) -> bytes:
    result: dict[str, object]
    match end.fate:
        case "succeeded":
            result = {"type": "succeeded", "message": end.body}
        case "errored" if end.refusal is not None:
            result = {"type": "errored", "error": orjson.loads(end.refusal.body)}
        case "cancelled":
            result = {"type": "canceled"}
        case _:
            result = {"type": "expired"}
    return orjson.dumps({"custom_id": end.custom_id, "result": result}, option=orjson.OPT_APPEND_NEWLINE)


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _number(name: str) -> int:
    digits = name.removeprefix("msgbatch_emu")
    return int(digits) if digits.isdigit() else 0


def _error(status: int, kind: str, message: str) -> Reply:
    return whole(status, orjson.dumps({"type": "error", "error": {"type": kind, "message": message}}))
