"""What a handler may know about the exchange."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from functools import cached_property
from typing import Any

from wit_world.imports import context


class Context:
    """`ctx` of a handler or a filter."""

    def __init__(self) -> None:
        info = context.current()
        self.container_id: str = info.container_id
        """The instance's id."""
        self.class_name: str = info.class_name
        """The instance's class."""
        self.handler_name: str = info.handler_name
        """The name under which this component is configured."""
        self.matched: str = info.matched
        """The host pattern that chose this handler."""
        self.request_id: str = info.request_id
        """The id of this exchange in the audit record."""
        self.source: str = info.source
        """The workload's address and port."""
        self._params = info.params
        self._later: list[asyncio.Task[Any]] = []

    @cached_property
    def params(self) -> Any:
        """The handler's parameters, as the policy gives them; None if there are none."""
        return json.loads(self._params)

    def wait_until(self, work: Coroutine[Any, Any, Any]) -> None:
        """Work that goes on after the workload has its response. Not for filters."""
        self._later.append(asyncio.get_running_loop().create_task(work))
