"""Sources -> unchecked-hash `.pyc` files (PEP 552), the same bytes in every process of one Python version.

Stands alone: the standard library only, nothing of ours, so that the image's own interpreter can run this file's text
(`python -I -S -c TEXT ROOT`, relative paths on standard input, frames on standard output: see `main`).
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from types import CodeType

TAG = sys.implementation.cache_tag


def compiled(source: bytes, image_path: str) -> bytes | None:
    """The `.pyc` of `source`, which is at `image_path` inside; None where it is no valid source."""
    import warnings  # noqa: PLC0415 - only while compiling

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            code = compile(source, image_path, "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    held = _held(code)
    # Flags 1: checked against nothing, named by the hash of the source (PEP 552).
    data = (
        importlib.util.MAGIC_NUMBER + b"\1\0\0\0" + importlib.util.source_hash(source) + marshal.dumps(code)
    )
    del held
    return data


def _held(code: CodeType) -> list[object]:
    """References to every object that marshal will write.

    Marshal marks an object as shared when somebody else refers to it too, and whether that is so of an interned string
    depends on what else the process has loaded. With our own reference to each, the answer is always yes.
    """
    held: list[object] = []
    pending: list[object] = [code]
    while pending:
        item = pending.pop()
        held.append(item)
        if isinstance(item, CodeType):
            pending += (item.co_consts, item.co_names, item.co_varnames, item.co_freevars, item.co_cellvars)
            pending += (item.co_name, item.co_filename, getattr(item, "co_qualname", ""))
        elif isinstance(item, (tuple, frozenset)):
            pending.extend(item)
    return held


def cache_path(path: str, tag: str) -> str:
    """Where the bytecode of the source `path` goes: `a/b.py` -> `a/__pycache__/b.cpython-311.pyc`."""
    directory, slash, name = path.rpartition("/")
    return f"{directory}{slash}__pycache__/{name.removesuffix('.py')}.{tag}.pyc"


def main() -> None:
    """Compile what standard input lists (paths below `argv[1]`, NUL-separated).

    Writes for each: eight bytes of big-endian length, then that many bytes; length 0 where a source does not compile.
    """
    root, out = sys.argv[1], sys.stdout.buffer
    for name in os.fsdecode(sys.stdin.buffer.read()).split("\0"):
        if name:
            with open(os.path.join(root, name), "rb") as file:
                data = compiled(file.read(), "/" + name) or b""
            out.write(len(data).to_bytes(8, "big") + data)
    out.flush()


if __name__ == "__main__":
    main()
