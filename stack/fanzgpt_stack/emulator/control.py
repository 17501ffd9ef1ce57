"""`/emulator/...`: what a test asks the emulator itself."""

from collections.abc import Callable
from urllib.parse import parse_qs

import orjson
from pydantic import ValidationError

from fanzgpt_stack.emulator.batch_jobs import BatchFaults
from fanzgpt_stack.emulator.bill import Bill
from fanzgpt_stack.emulator.http_requests import HttpRequest
from fanzgpt_stack.emulator.limits import Limits
from fanzgpt_stack.emulator.replies import Reply, whole
from fanzgpt_stack.emulator.scripts import Script, ScriptRefused, read_script
from fanzgpt_stack.emulator.signatures import signature_of, signatures_in
from fanzgpt_stack.emulator.traffic import Traffic

PREFIX = "/emulator/"


class Control:
    """The routes, all answered at once."""

    def __init__(self, *, bill: Bill, script: Script, limits: Limits, traffic: Traffic, batches: BatchFaults) -> None:
        self._bill = bill
        self._script = script
        self._limits = limits
        self._traffic = traffic
        self._batches = batches
        self._routes: dict[tuple[str, str], Callable[[HttpRequest], Reply]] = {
            ("GET", "bill"): self._show_bill,
            ("DELETE", "bill"): self._clear_bill,
            ("GET", "script"): self._show_script,
            ("POST", "script"): self._add_rules,
            ("DELETE", "script"): self._clear_script,
            ("GET", "stats"): self._show_stats,
            ("DELETE", "stats"): self._clear_stats,
            ("GET", "verify"): self._verify,
            ("POST", "batches"): self._set_batches,
        }

    def reply(self, request: HttpRequest) -> Reply:
        """The reply to a request below `/emulator/`."""
        route = self._routes.get((request.method, request.path.removeprefix(PREFIX)))
        if route is None:
            offered = ", ".join(f"{method} {PREFIX}{name}" for method, name in self._routes)
            return _json({"error": f"there are: {offered}"}, status=404)
        return route(request)

    def _show_bill(self, request: HttpRequest) -> Reply:
        if parse_qs(request.query).get("lines") == ["1"]:
            return whole(200, self._bill.content(), content_type="application/jsonl")
        return _json(self._bill.totals())

    def _clear_bill(self, request: HttpRequest) -> Reply:
        self._bill.clear()
        return self._show_bill(request)

    def _show_script(self, _: HttpRequest) -> Reply:
        return _json(self._script.document())

    def _add_rules(self, request: HttpRequest) -> Reply:
        try:
            self._script.add(read_script(request.body))
        except ScriptRefused as error:
            return _json({"error": str(error)}, status=400)
        return self._show_script(request)

    def _clear_script(self, request: HttpRequest) -> Reply:
        self._script.clear()
        return self._show_script(request)

    def _show_stats(self, _: HttpRequest) -> Reply:
        return _json(self._traffic.document())

    def _clear_stats(self, request: HttpRequest) -> Reply:
        self._traffic.clear()
        self._limits.refill()
        return self._show_stats(request)

    def _set_batches(self, request: HttpRequest) -> Reply:
        try:
            told = BatchFaults.model_validate_json(request.body)
        except ValidationError as error:
            return _json({"error": str(error)}, status=400)
        for name in told.model_fields_set:
            setattr(self._batches, name, getattr(told, name))
        return _json(self._batches.model_dump())

    def _verify(self, request: HttpRequest) -> Reply:
        """Whether a text was written here and, where these are given, for this request and attempt."""
        asked = parse_qs(request.query, keep_blank_values=True)
        signatures = signatures_in(asked.get("text", [""])[0])
        told: dict[str, object] = {"emulated": bool(signatures), "signatures": signatures}
        if "request_id" in asked:
            expected = signature_of(asked["request_id"][0], asked.get("attempt_id", [""])[0])
            told["matches"] = expected in signatures
        return _json(told)


def _json(document: object, *, status: int = 200) -> Reply:
    return whole(status, orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
