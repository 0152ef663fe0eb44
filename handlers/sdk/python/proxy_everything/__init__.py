"""What a handler in Python works with.

`fetch`, requests and responses; the names that the policy granted are on the `env` that a handler receives, what it may
know about the exchange on `ctx`. Only exists inside a component: `build.py` makes one.
"""

from .context import Context
from .env import Env, GrantError
from .filter import Deny, Edit, Reply, RequestHead, ResponseHead
from .headers import Headers
from .message import Body, Request, Response

try:
    from .http import FetchError, fetch, fetch_all
    from .stores import Bucket, KeyValue, Object
    from .tail import Event, Line
except ImportError:
    pass  # A filter can neither fetch nor keep things: its world has no such imports.

__all__ = [
    "Body",
    "Bucket",
    "Context",
    "Deny",
    "Edit",
    "Env",
    "Event",
    "FetchError",
    "GrantError",
    "Headers",
    "KeyValue",
    "Line",
    "Object",
    "Reply",
    "Request",
    "RequestHead",
    "Response",
    "ResponseHead",
    "fetch",
    "fetch_all",
]
