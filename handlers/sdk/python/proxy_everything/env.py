"""The names that the policy granted, as `env.NAME`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from componentize_py_types import Err
from wit_world.imports import config_store, context, rate_limit, secrets
from wit_world.imports.context import Kind


class GrantError(Exception):
    """A name that cannot be read now, or a store or limit that did not answer."""


class RateLimit:
    """A counter that many calls share."""

    def __init__(self, name: str) -> None:
        self._name = name

    def limit(self, key: str) -> bool:
        """Whether one more of this key is within the limit; if so it is counted."""
        try:
            return rate_limit.limit(self._name, key)
        except Err as error:
            raise GrantError(error.value) from None


@cache
def _bindings() -> dict[str, Kind]:
    return dict(context.bindings())


@cache
def _opened(name: str, kind: Kind) -> Any:
    if kind is Kind.RATE_LIMIT:
        return RateLimit(name)
    from . import stores  # A filter has none.

    return stores.Bucket(name) if kind is Kind.BLOBSTORE else stores.KeyValue(name)


class Env:
    """Secrets and settings are strings, stores a `KeyValue` or a `Bucket`, limits a `RateLimit`.

    Also a mapping: `env["NAME"]`, `"NAME" in env`.
    """

    def __getitem__(self, name: str) -> Any:
        kind = _bindings().get(name)
        if kind is None:
            raise KeyError(name)
        if kind is Kind.SECRET:
            # Read each time: it may have been rotated.
            value = secrets.get(name)
        elif kind is Kind.CONFIG:
            value = config_store.get(name)
        else:
            value = _opened(name, kind)
        if value is None:
            raise GrantError(f"{name} has no value now")
        return value

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the policy does not grant {name} to this handler") from None

    def __contains__(self, name: str) -> bool:
        return name in _bindings()

    def __iter__(self) -> Iterator[str]:
        return iter(_bindings())
