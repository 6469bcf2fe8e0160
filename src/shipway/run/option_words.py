"""Ports, limits of processes, CPUs, spaces, users and GPUs as Docker writes them, read as values (pure).

Grammars: docs.docker.com, reference of `docker container run`; names of limits: getrlimit(2).
"""

from __future__ import annotations

import csv
import re

from shipway.core.errors import ExitCode, ToolError
from shipway.core.text import shown
from shipway.run.model import Port, Ulimit
from shipway.run.words import require_container_name

ULIMITS = (
    *(
        "core",
        "cpu",
        "data",
        "fsize",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
    ),
    *("sigpending", "stack"),
)
"""What the kernel limits for each process; Docker also takes `locks`, which no kernel since 2.4 looks at."""
_HIGHEST_PORT = 65535
_MOST_PORTS = 1000
_PORT = re.compile(
    r"(?:(?P<address>\[[0-9A-Fa-f:.]*\]|[0-9]+\.[0-9.]*|localhost):)?(?:(?P<host>\d*(?:-\d+)?):)?(?P<inside>\d+(?:-\d+)?)"
    r"(?:/(?P<protocol>[A-Za-z]+))?\Z",
    re.ASCII,
)
_PORT_HINT = (
    "write `8888:8888`, `127.0.0.1:8080:80`, `5353:53/udp`, or `8888` for any free port of this machine"
)
_GPU_KEYS = ("count", "device", "capabilities", "driver", "options")


def parse_ports(text: str) -> tuple[Port, ...]:
    """`-p [ADDRESS:]HOST:CONTAINER[/udp]` or `CONTAINER`; both may be ranges, `8000-8002:8000-8002`.

    Raises:
        ToolError: it has another form, or a port that there is not.
    """
    match = _PORT.match(text)
    if match is None:
        raise _wrong(f"not a port: `{shown(text)}`", _PORT_HINT)
    address, host, inside = match["address"] or "", match["host"] or "", match["inside"]
    protocol = (match["protocol"] or "tcp").lower()
    if protocol not in ("tcp", "udp"):
        raise _wrong(f"`{shown(text)}`: a port is of `tcp` or `udp`, not `{shown(protocol)}`", _PORT_HINT)
    insides, hosts = _range(inside, text), _range(host, text) if host else ()
    if hosts and len(hosts) != len(insides):
        raise _wrong(
            f"`{shown(text)}` maps {len(hosts)} ports to {len(insides)}", "give both the same number"
        )
    where = "127.0.0.1" if address in ("", "localhost") else address.strip("[]")
    _require_address(where, text)
    return tuple(
        Port(port, hosts[index] if hosts else 0, where, protocol) for index, port in enumerate(insides)
    )


def _range(text: str, whole: str) -> tuple[int, ...]:
    first, _, last = text.partition("-")
    low, high = int(first), int(last or first)
    if not 0 < low <= high <= _HIGHEST_PORT or high - low >= _MOST_PORTS:
        raise _wrong(
            f"`{shown(text)}` in `{shown(whole)}` is no port", "ports are 1 to 65535, and ranges go up"
        )
    return tuple(range(low, high + 1))


def _require_address(text: str, whole: str) -> None:
    import ipaddress  # noqa: PLC0415 - only where ports are asked for

    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise _wrong(
            f"`{shown(text)}` in `{shown(whole)}` is no address of this machine", _PORT_HINT
        ) from error


def parse_ulimit(text: str) -> Ulimit:
    """`NAME=SOFT[:HARD]` in the kernel's own units; -1 or `unlimited` is no limit.

    Raises:
        ToolError: it has another form, or the kernel knows no such limit.
    """
    name, equals, values = text.partition("=")
    name = name.strip().lower()
    if name not in ULIMITS:
        why = "no kernel looks at it" if name == "locks" else f"they are: {', '.join(ULIMITS)}"
        raise _wrong(f"no limit of processes: `{shown(name or text)}`", why)
    match = re.fullmatch(r"(-1|\d+|unlimited)(?::(-1|\d+|unlimited))?", values.strip(), re.ASCII)
    if not equals or match is None:
        raise _wrong(
            f"not a limit: `{shown(text)}`",
            f"write `{name}=1024` or, soft and hard, `{name}=1024:2048`; -1 is unlimited",
        )
    soft = _bound(match[1])
    hard = _bound(match[2]) if match[2] is not None else soft
    if hard != -1 and (soft == -1 or soft > hard):
        raise _wrong(
            f"`{shown(text)}`: the soft limit is above the hard one", f"write `{name}={hard}:{hard}`"
        )
    return Ulimit(name, soft, hard)


def _bound(text: str) -> int:
    return -1 if text == "unlimited" else int(text)


def parse_cpuset(text: str) -> str:
    """A list of CPUs, `0-3,8`, in order and without repetition; empty for an empty text.

    Raises:
        ToolError: it is none.
    """
    if not text:
        return ""
    if re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text, re.ASCII) is None:
        raise _wrong(
            f"not a list of CPUs: `{shown(text)}`", "write `0-3`, `0,2` or `0-3,8`; `lscpu` lists them"
        )
    numbers = list_cpus(text)
    if not numbers:
        raise _wrong(f"`{shown(text)}` holds no CPU", "ranges go up: `0-3`")
    return _render_cpus(numbers)


def list_cpus(text: str) -> tuple[int, ...]:
    """The numbers in a list of CPUs that `parse_cpuset` took."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), min(int(last or first), 8191) + 1))
    return tuple(sorted(found))


def _render_cpus(numbers: tuple[int, ...]) -> str:
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


def parse_space(text: str, option: str, own: tuple[str, ...] = ()) -> str:
    """`host` or `container:NAME`; empty for the words in `own`, which mean what is usual.

    Raises:
        ToolError: it is another word.
    """
    if text in ("", *own):
        return ""
    head, colon, name = text.partition(":")
    if text == "host":
        return text
    if head == "container" and colon and name:
        require_container_name(name)
        return text
    known = ", ".join(f"`{word}`" for word in (*own, "host", "container:NAME"))
    raise _wrong(f"`--{option}` cannot be `{shown(text)}`", f"it is one of {known}")


def parse_user(text: str) -> str:
    """`NAME`, `UID`, `NAME:GROUP` or `UID:GID`.

    Raises:
        ToolError: it has another form.
    """
    if re.fullmatch(r"[A-Za-z0-9_][^\s:/]*(:[A-Za-z0-9_][^\s:/]*)?", text) is None:
        raise _wrong(
            f"not a user: `{shown(text)}`",
            "write `--user NAME`, `--user 1000` or `--user 1000:1000`",
            "you are who runs inside if it is left out",
        )
    return text


def parse_gpus(text: str) -> str:
    """Docker's `--gpus`, normal: `all`, a count, or its fields as one line of CSV; empty for `none`.

    Docker's own form for several devices has quotes within quotes, `'"device=0,1"'`; without them the rest of the list is
    an error there, and means devices here.

    Raises:
        ToolError: it has another form.
    """
    if text == "none":
        return ""
    if text == "all" or (text.isascii() and text.isdecimal() and int(text) > 0):
        return text
    fields: list[str] = []
    for field in next(csv.reader([text.strip()]), []):
        if fields and "=" not in field and fields[-1].startswith("device="):
            fields[-1] += f",{field}"
        else:
            fields.append(field if "=" in field else f"count={field}")
    said = dict(field.partition("=")[::2] for field in fields)
    counted = re.fullmatch(r"all|-1|[1-9]\d{0,2}", said.get("count", "all"), re.ASCII) is not None
    known = set(said) <= set(_GPU_KEYS) and all(said.values())
    if not said or not counted or not known or {"count", "device"} <= set(said):
        raise _wrong(
            f"not a choice of GPUs: `{shown(text)}`",
            "write `--gpus all`, `--gpus 2`, `--gpus device=0`, or for several `--gpus '\"device=0,1\"'`",
        )
    return ",".join(f'"{field}"' if "," in field else field for field in fields)


def gpu_devices(text: str) -> tuple[str, ...]:
    """The names of the devices in a choice of GPUs that `parse_gpus` took; a count means the first ones.

    Raises:
        ToolError: it has fields that no list of devices can say.
    """
    if text == "all":
        return ("all",)
    if text.isdecimal():
        return tuple(map(str, range(int(text))))
    fields = dict(field.partition("=")[::2] for field in next(csv.reader([text]), []))
    if set(fields) == {"device"}:
        return tuple(fields["device"].split(","))
    if set(fields) == {"count"}:
        return gpu_devices("all" if fields["count"] in ("all", "-1") else fields["count"])
    raise _wrong(f"`--gpus {shown(text)}` says more than which GPUs", "name only devices, or their number")


def _wrong(message: str, *hints: str) -> ToolError:
    return ToolError(message, hints=hints, code=ExitCode.USAGE)
