"""Headers: a mapping from names to values, which remembers that a name can have several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Union

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
_NOT_A_VALUE = re.compile("[\0\r\n]|[^\0-\xff]")  # each character is one byte

HeadersInit = Union["Headers", Mapping[str, str], Iterable[tuple[str, str]], None]


def _name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"not a header name: {name!r}")
    return name.lower()


def _value(value: str) -> str:
    value = value.strip("\t\r\n ")
    if _NOT_A_VALUE.search(value):
        raise ValueError("not a header value")
    return value


class Headers(MutableMapping[str, str]):
    """Names are compared without case. `headers["x"]` joins several values with a comma; setting replaces all."""

    def __init__(self, init: HeadersInit = None) -> None:
        self._pairs: list[tuple[str, str]] = []
        if isinstance(init, Headers):
            self._pairs = list(init._pairs)
        elif init is not None:
            for name, value in init.items() if isinstance(init, Mapping) else init:
                self.add(name, value)

    @classmethod
    def _from_host(cls, pairs: list[tuple[str, str]]) -> Headers:
        headers = cls()
        headers._pairs = pairs
        return headers

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __setitem__(self, name: str, value: str) -> None:
        pair = (_name(name), _value(value))
        self._pairs = [old for old in self._pairs if old[0] != pair[0]]
        self._pairs.append(pair)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        name = _name(name)
        self._pairs = [old for old in self._pairs if old[0] != name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(dict(self._pairs))

    def __repr__(self) -> str:
        # Values may be secrets.
        return f"<Headers {', '.join(self)}>"

    def add(self, name: str, value: str) -> None:
        """Adds a value beside those that the name has."""
        self._pairs.append((_name(name), _value(value)))

    def get_all(self, name: str) -> list[str]:
        """All values of a name, one by one: for `set-cookie`, which cannot be joined."""
        name = _name(name)
        return [value for key, value in self._pairs if key == name]

    def pairs(self) -> list[tuple[str, str]]:
        """All names and values, in order."""
        return list(self._pairs)
