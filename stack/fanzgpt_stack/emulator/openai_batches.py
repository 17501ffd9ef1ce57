"""OpenAI's files and batches on the wire (developers' API reference, "Batch" and "Files")."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

import orjson

from fanzgpt_stack.emulator.batch_jobs import Item, ItemEnd, Job, Jobs
from fanzgpt_stack.emulator.calls import member
from fanzgpt_stack.emulator.http_requests import HttpRequest
from fanzgpt_stack.emulator.openai_errors import invalid
from fanzgpt_stack.emulator.replies import Reply, json_reply, whole

WINDOW_SECONDS: Final = 24 * 3600
_ROUTE: Final = re.compile(r"/v1/(files|batches)(?:/([\w-]+))?(?:/(content|cancel))?")
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)')


class _Refused(Exception):
    """400 in the vendor's words."""


@dataclass(frozen=True, slots=True)
class _File:
    account: str
    content: bytes


class OpenAIBatches:
    """`/v1/files` and `/v1/batches`."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._files: dict[str, _File] = {}

    def reply(self, request: HttpRequest) -> Reply | None:
        """The reply; None for a request that is none of files or batches."""
        route = _ROUTE.fullmatch(request.path)
        if route is None:
            return None
        account = request.header(b"authorization") or ""
        try:
            match request.method, *route.groups():
                case "POST", "files", None, None:
                    return self._upload(request, account)
                case "GET", "files", str(name), "content":
                    return self._content(name, account)
                case "POST", "batches", None, None:
                    return self._create(request, account)
                case "GET", "batches", None, None:
                    return self._list(request, account)
                case "GET", "batches", str(name), None:
                    return self._shown(name, account)
                case "POST", "batches", str(name), "cancel":
                    return self._cancel(name, account)
                case _:
                    return invalid(404, f"Invalid URL ({request.method} {request.path})")
        except _Refused as error:
            return invalid(400, str(error))

    def _upload(self, request: HttpRequest, account: str) -> Reply:
        content = _uploaded(request)
        name = f"file-emu{len(self._files) + 1:012}"
        self._files[name] = _File(account, content)
        return json_reply(
            {
                "id": name,
                "object": "file",
                "bytes": len(content),
                "created_at": 0,
                "filename": "batch.jsonl",
                "purpose": "batch",
                "status": "processed",
            }
        )

    def _content(self, name: str, account: str) -> Reply:
        made = re.fullmatch(r"file-emu(output|error)(\d+)", name)
        if made is not None:
            job = self._jobs.job(int(made[2]), account)
            if job is None or job.ended is None:
                return invalid(404, f"No such File object: {name}")
            chosen = [end for end in job.ends if (end.fate == "succeeded") == (made[1] == "output")]
            return whole(200, b"".join(map(_line, chosen)), content_type="application/octet-stream")
        file = self._files.get(name)
        if file is None or file.account != account:
            return invalid(404, f"No such File object: {name}")
        return whole(200, file.content, content_type="application/octet-stream")

    def _create(self, request: HttpRequest, account: str) -> Reply:
        asked = _document(request.body)
        name, endpoint = member(asked, "input_file_id"), member(asked, "endpoint")
        file = self._files.get(str(name))
        if file is None or file.account != account:
            raise _Refused(f"Invalid 'input_file_id': {name}")
        if endpoint != "/v1/chat/completions" or member(asked, "completion_window") != "24h":
            raise _Refused("Invalid value for 'endpoint' or 'completion_window'.")
        told = member(asked, "metadata")
        metadata = {str(key): str(value) for key, value in told.items()} if isinstance(told, dict) else {}
        items = [_item(line, endpoint) for line in file.content.splitlines() if line.strip()]
        if not items or len({item.custom_id for item in items}) != len(items):
            raise _Refused("The batch is empty, or a custom_id is used twice.")
        job, heard = self._jobs.create(items, account=account, metadata=metadata, input_file=str(name))
        return json_reply(_batch(job)) if heard else Reply(head=b"", parts=(), ending="reset")

    def _list(self, request: HttpRequest, account: str) -> Reply:
        query = parse_qs(request.query)
        jobs = self._jobs.newest_first(account)
        after = query.get("after", [None])[0]
        if after is not None:
            jobs = [job for job in jobs if job.number < _number(after)]
        limit = int(query.get("limit", ["20"])[0])
        data = [_batch(job) for job in jobs[:limit]]
        return json_reply(
            {
                "object": "list",
                "data": data,
                "first_id": data[0]["id"] if data else None,
                "last_id": data[-1]["id"] if data else None,
                "has_more": len(jobs) > limit,
            }
        )

    def _shown(self, name: str, account: str) -> Reply:
        job = self._jobs.job(_number(name), account)
        return invalid(404, f"No batch found with id '{name}'.") if job is None else json_reply(_batch(job))

    def _cancel(self, name: str, account: str) -> Reply:
        job = self._jobs.job(_number(name), account)
        if job is None:
            return invalid(404, f"No batch found with id '{name}'.")
        if job.ended is not None:
            return invalid(409, "A batch that has ended cannot be cancelled.")
        self._jobs.call_off(job)
        return json_reply(_batch(job))


def _batch(job: Job) -> dict[str, object]:
    status = "in_progress" if job.ended is None else "completed" if job.called_off is None else "cancelled"
    succeeded = job.count("succeeded")
    return {
        "id": f"batch_emu{job.number:012}",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "errors": None,
        "input_file_id": job.input_file,
        "completion_window": "24h",
        "status": status,
        "output_file_id": f"file-emuoutput{job.number}" if succeeded else None,
        "error_file_id": f"file-emuerror{job.number}" if len(job.ends) > succeeded else None,
        "created_at": int(job.created),
        "in_progress_at": int(job.created),
        "expires_at": int(job.created) + WINDOW_SECONDS,
        "completed_at": None if job.ended is None else int(job.ended),
        "request_counts": {"total": len(job.items), "completed": succeeded, "failed": job.count("errored")},
        "metadata": dict(job.metadata) or None,
    }


def _line(end: ItemEnd) -> bytes:
    line: dict[str, object] = {"id": f"batch_req_{end.custom_id}", "custom_id": end.custom_id, "error": None}
    if end.fate == "succeeded":
        line["response"] = {"status_code": 200, "request_id": end.custom_id, "body": end.body}
    elif end.refusal is not None:
        body = orjson.loads(end.refusal.body)
        line["response"] = {"status_code": end.refusal.status, "request_id": end.custom_id, "body": body}
    else:
        line |= {"response": None, "error": {"code": f"batch_{end.fate}", "message": "This request was not executed."}}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _item(line: bytes, endpoint: str) -> Item:
    asked = _document(line)
    custom_id, body, url = member(asked, "custom_id"), member(asked, "body"), member(asked, "url")
    if not isinstance(custom_id, str) or not isinstance(body, dict) or url != endpoint:
        raise _Refused("Each line needs a custom_id, a body, and the batch's endpoint as its url.")
    return Item(custom_id=custom_id, path=endpoint, body=body)


def _uploaded(request: HttpRequest) -> bytes:
    """The file of a multipart form."""
    named = _BOUNDARY.search(request.header(b"content-type") or "")
    if named is None:
        raise _Refused("A file is uploaded as multipart/form-data.")
    parts: Sequence[bytes] = request.body.split(b"--" + named[1].encode())
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            return content.removesuffix(b"\r\n")
    raise _Refused("Missing required parameter: 'file'.")


def _document(text: bytes) -> object:
    try:
        document: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _Refused("We could not parse the JSON of your request.") from None
    return document


def _number(name: str) -> int:
    digits = name.removeprefix("batch_emu")
    return int(digits) if digits.isdigit() else 0
