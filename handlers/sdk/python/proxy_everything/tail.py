"""What tails hear: exchanges after they are over."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Line:
    """What a handler wrote; `level` is debug, info, warn or error."""

    handler: str
    level: str
    message: str


@dataclass
class Event:
    """One exchange."""

    json: str
    logs: list[Line]

    @cached_property
    def record(self) -> dict[str, Any]:
        """The audit record."""
        return json.loads(self.json)
