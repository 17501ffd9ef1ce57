"""From the Authorization header to a caller who may use the AI features, or to the contract's refusal."""

import logging
from dataclasses import dataclass
from typing import Final

from fanzgpt_gateway.auth.keyring import KeyRing
from fanzgpt_gateway.auth.tokens import TokenRefused, Tokens
from fanzgpt_gateway.refusals import BadToken, InvalidRequest, NoPermission, NoToken, Refusal
from fanzgpt_schemas.errors import Violation

log = logging.getLogger(__name__)

PERMISSION: Final = "ai:use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service, by the name of its key; it acts for whichever user it names."""

    name: str

    @property
    def premium(self) -> bool:
        """A service has no subscription; its users' are not known here."""
        return False

    def acts_for(self, user_id: str | None, *, required: bool) -> str:
        """The user of a call; the service itself where none is named and none has to be."""
        if user_id is None and required:
            raise InvalidRequest(Violation(field="userId", reason="Field required"))
        return user_id or f"service:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, as their token says."""

    user_id: str
    premium: bool

    def acts_for(self, user_id: str | None, *, required: bool) -> str:  # noqa: ARG002 - a token always names its user
        """The token's user; naming another one is refused, not overlooked."""
        if user_id is not None and user_id != self.user_id:
            raise Refusal(403, "Forbidden", "userId is not the user of the token; leave it out")
        return self.user_id


Caller = Service | User


class Authenticator:
    """Knows callers by what they present."""

    def __init__(self, keys: KeyRing, tokens: Tokens) -> None:
        """Keys are looked at first: they are no tokens, and a token is no key."""
        self._keys = keys
        self._tokens = tokens

    async def caller(self, authorization: str | None) -> Caller:
        """Who is calling.

        Raises:
            NoToken: nothing was presented, or under another scheme than Bearer.
            BadToken: it is no key of ours and no token of an issuer's.
            NoPermission: the token is good, and its user may not use AI.
        """
        scheme, _, presented = (authorization or "").partition(" ")
        presented = presented.strip()
        if scheme.lower() != "bearer" or not presented:
            raise NoToken
        service = self._keys.owner(presented)
        if service is not None:
            return Service(name=service)
        try:
            person = await self._tokens.person(presented)
        except TokenRefused as refused:
            log.info("token refused: %s", refused)
            raise BadToken from refused
        if PERMISSION not in person.permissions:
            raise NoPermission
        return User(user_id=person.user_id, premium=person.subscription == "premium")
