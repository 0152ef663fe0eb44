#!/usr/bin/env python3
"""Builds a component from a Python module: python build.py MODULE.py -o OUT.wasm

What the module defines at its top level says what it becomes: `fetch` a handler, `on_request` and `on_response` a filter,
`tail` a tail. It runs once, when it is built; the component is a snapshot of the interpreter after that.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SDK = Path(__file__).resolve().parent
WIT = SDK.parent.parent / "wit"

# The functions of each kind of component: how the export is written, and what it calls.
EXPORTS = {
    "fetch": "async def handle(self, request): return await serve.handle(user.fetch, request)",
    "tail": "async def tail(self, events): return await serve.tail(user.tail, events)",
    "on_request": "def on_request(self, request): return serve.on_request(user.on_request, request)",
    "on_response": "def on_response(self, request, response): return serve.on_response(user.on_response, request, response)",
}
WORLDS = {
    ("fetch",): "handler",
    ("tail",): "tail",
    ("on_request",): "request-filter",
    ("on_response",): "response-filter",
    ("on_request", "on_response"): "filter",
}
# Two interfaces are called `store`; these are their modules' names in every world.
NAMES = ("wasi:config/store@0.2.0-rc.1=config_store", "wasi:keyvalue/store@0.2.0-draft=kv_store")


def kinds(source: str) -> tuple[str, ...]:
    """Which of the functions that the host may call the module defines."""
    defined = {node.name for node in ast.parse(source).body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return tuple(name for name in EXPORTS if name in defined)


def build(module: Path, output: Path) -> None:
    """Writes the component."""
    found = kinds(module.read_text())
    if found not in WORLDS:
        raise SystemExit(f"{module}: define one of fetch, tail, or on_request and on_response (found: {', '.join(found) or 'none'})")
    if module.stem in sys.stdlib_module_names:
        raise SystemExit(f"{module}: this is the name of a module of Python itself")
    # Of the interpreter that runs this, of the one that `make handlers-all` sets up, or of the system.
    places = [Path(sys.executable).parent, SDK.parents[2] / "target/python/bin", os.environ.get("PATH", os.defpath)]
    program = shutil.which("componentize-py", path=os.pathsep.join(map(str, places)))
    if program is None:
        raise SystemExit(f"componentize-py is missing: pip install -r {SDK / 'requirements.txt'}")
    world = WORLDS[found]
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        entry = [
            "import importlib, wit_world",
            "from proxy_everything import _serve as serve",
            f"user = importlib.import_module({module.stem!r})",
            "class WitWorld(wit_world.WitWorld):",
            *(f"    {EXPORTS[name]}" for name in found),
        ]
        Path(scratch, "handler_entry.py").write_text("\n".join(entry) + "\n")
        names = [word for name in NAMES if world in ("handler", "tail") or "config" in name for word in ("--import-interface-name", name)]
        folders = [word for folder in (scratch, SDK, module.resolve().parent) for word in ("-p", str(folder))]
        command = [program, "-q", "-d", str(WIT), "-w", world, *names, "componentize", *folders, "handler_entry"]
        # Not in our own folder: the default for modules is the current one.
        done = subprocess.run([*command, "-o", str(output.resolve())], cwd=scratch, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", type=Path, help="the module's file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the component")
    arguments = parser.parse_args()
    build(arguments.module, arguments.output)
