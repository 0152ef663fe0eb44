"""What handlers keep: key-value stores and buckets. Plain calls, which wait where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from componentize_py_types import Err
from wit_world.imports import atomics, blobstore, kv_store, types

from .env import GrantError
from .message import Body

_PAGE = 1000  # objects


def _error(name: str, error: Err) -> GrantError:
    return GrantError(f"{name}: {getattr(error.value, 'value', None) or type(error.value).__name__}")


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


class KeyValue:
    """A key-value store that the policy granted."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bucket: kv_store.Bucket | None = None

    def _open(self) -> kv_store.Bucket:
        if self._bucket is None:
            self._bucket = kv_store.open(self._name)
        return self._bucket

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        try:
            return self._open().get(key)
        except Err as error:
            raise _error(self._name, error) from None

    def get_text(self, key: str) -> str | None:
        """The value as UTF-8, or None."""
        value = self.get(key)
        return None if value is None else value.decode()

    def put(self, key: str, value: str | bytes) -> None:
        """Keeps a value, in place of the one that was."""
        try:
            self._open().set(key, _bytes(value))
        except Err as error:
            raise _error(self._name, error) from None

    def delete(self, key: str) -> None:
        """Forgets a value, if there is one."""
        try:
            self._open().delete(key)
        except Err as error:
            raise _error(self._name, error) from None

    def increment(self, key: str, delta: int = 1) -> int:
        """Adds to a number, which is 0 if there is none yet, and returns the sum; nothing can come between."""
        try:
            return atomics.increment(self._open(), key, delta)
        except Err as error:
            raise _error(self._name, error) from None

    def keys(self) -> Iterator[str]:
        """All keys, fetched as they are asked for."""
        cursor = None
        while True:
            try:
                page = self._open().list_keys(cursor)
            except Err as error:
                raise _error(self._name, error) from None
            yield from page.keys
            cursor = page.cursor
            if cursor is None:
                return


@dataclass(frozen=True)
class Object:
    """What a bucket tells about an object. `size` is in bytes."""

    key: str
    size: int
    etag: str | None
    content_type: str | None
    modified: datetime

    @classmethod
    def _from_host(cls, found: blobstore.Object) -> Object:
        modified = datetime.fromtimestamp(found.modified / 1000, timezone.utc)
        return cls(found.key, found.size, found.etag, found.content_type, modified)


class Bucket:
    """Objects that the policy granted."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> tuple[Object, Body] | None:
        """The object and its bytes, which are streamed: a `Response` takes them as its body. None if there is none."""
        span = None if offset == 0 and length is None else blobstore.Span(offset, length)
        try:
            found = blobstore.get(self._name, key, span)
        except Err as error:
            raise _error(self._name, error) from None
        return None if found is None else (Object._from_host(found[0]), Body(found[1]))

    def head(self, key: str) -> Object | None:
        """What is known about the object, or None."""
        try:
            found = blobstore.head(self._name, key)
        except Err as error:
            raise _error(self._name, error) from None
        return None if found is None else Object._from_host(found)

    def put(self, key: str, value: str | bytes | Body, *, content_type: str | None = None) -> Object:
        """Keeps an object. A body that came from a request or response is passed on unread."""
        source = value._take() if isinstance(value, Body) else _bytes(value)
        if not isinstance(source, (bytes, types.Body)):
            raise TypeError("a body that is yet to be made cannot be kept")
        payload = types.Payload_Bytes(source) if isinstance(source, bytes) else types.Payload_Stream(source)
        try:
            return Object._from_host(blobstore.put(self._name, key, payload, content_type))
        except Err as error:
            raise _error(self._name, error) from None

    def delete(self, *keys: str) -> None:
        """Forgets objects; what does not exist counts as deleted."""
        try:
            blobstore.delete(self._name, list(keys))
        except Err as error:
            raise _error(self._name, error) from None

    def list(self, prefix: str = "") -> Iterator[Object]:
        """Objects whose keys begin so, in the order of their keys, fetched as they are asked for."""
        cursor = None
        while True:
            try:
                page = blobstore.list(self._name, prefix, _PAGE, cursor)
            except Err as error:
                raise _error(self._name, error) from None
            yield from map(Object._from_host, page.objects)
            cursor = page.cursor
            if cursor is None:
                return
