"""Where `print` and `logging` go: to the operator's log."""

from __future__ import annotations

import io
import logging
import sys

from wit_world.imports import log
from wit_world.imports.types import Level


class _Lines(io.TextIOBase):
    """A standard stream whose lines are words for the operator."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            log.write(self._level, line)
        return len(text)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            level = Level.ERROR
        elif record.levelno >= logging.WARNING:
            level = Level.WARN
        else:
            level = Level.INFO if record.levelno >= logging.INFO else Level.DEBUG
        log.write(level, self.format(record))


def install() -> None:
    """Puts ours in place of what leads nowhere."""
    sys.stdout, sys.stderr = _Lines(Level.INFO), _Lines(Level.WARN)
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(_Handler())
        root.setLevel(logging.INFO)
