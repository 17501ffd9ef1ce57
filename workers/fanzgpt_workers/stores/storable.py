"""Text as PostgreSQL can hold it."""

from typing import overload


@overload
def storable(text: str) -> str: ...
@overload
def storable(text: None) -> None: ...
def storable(text: str | None) -> str | None:
    """The text with U+FFFD where PostgreSQL takes no character: NUL and lone surrogates.

    For words about a request (ids as somebody gave them, a provider's own message), never for what has to be kept to
    the byte: one provider's NUL must not keep a whole batch out of the ledger.
    """
    if text is None or (text.isascii() and "\x00" not in text):
        return text
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
