"""What filters work on: heads alone.

`on_request(head, env, ctx)` and `on_response(request, head, env, ctx)` return None to let it pass, or one of `Edit`,
`Reply` and `Deny`. They are plain functions and can wait for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .headers import Headers, HeadersInit


@dataclass
class RequestHead:
    """A request without its body. Changing it changes nothing: return an `Edit`."""

    method: str
    scheme: str
    authority: str
    path: str
    headers: Headers

    @property
    def url(self) -> str:
        """The URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


@dataclass
class ResponseHead:
    """A response without its body."""

    status: int
    headers: Headers


@dataclass
class Edit:
    """It goes on, changed: first those of `remove` go, then each name of `set` loses its values and gets these."""

    set: HeadersInit = None
    remove: list[str] = field(default_factory=list)
    path: str | None = None


@dataclass
class Reply:
    """The workload gets this. In `on_request`, nothing is sent."""

    body: str | bytes = b""
    status: int = 200
    headers: HeadersInit = None


@dataclass
class Deny:
    """The workload is refused, with this reason if there is one."""

    reason: str | None = None
