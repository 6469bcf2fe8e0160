"""The words of `[data.NAME]`."""

from __future__ import annotations

from shipway.spec.setting import Kind, Setting, Where
from shipway.spec.setting import setting as _setting

DATA_SETTINGS: tuple[Setting, ...] = (
    _setting(
        Where.DATA,
        "target",
        Kind.WORKDIR,
        "Where it is inside.",
        '"/data/squad"',
        required=True,
    ),
    _setting(
        Where.DATA,
        "folder",
        Kind.TEXT,
        "A folder or file of the host; `~` is your home, and relative paths start at the spec.",
        '"~/datasets/squad"',
    ),
    _setting(
        Where.DATA,
        "volume",
        Kind.NAME,
        "A folder of that name which shipway keeps and all your projects share; made on first use.",
        '"checkpoints"',
    ),
    _setting(
        Where.DATA,
        "url",
        Kind.URL,
        "The address of one file, which `sha256` names.",
        '"https://data.example.org/squad.tar.gz"',
    ),
    _setting(
        Where.DATA,
        "sha256",
        Kind.TEXT,
        "Of the file at `url`.",
        f'"{"0" * 64}"',
        pattern="[0-9a-f]{64}",
    ),
    _setting(
        Where.DATA,
        "unpack",
        Kind.FLAG,
        "Of `url`: `target` is a folder with the members of that tar or zip archive.",
        "true",
        default="false",
    ),
    _setting(
        Where.DATA,
        "hub",
        Kind.TEXT,
        "A repository of models on the hub that `HF_ENDPOINT` names.",
        '"hf:org/model"',
        pattern=r"hf:[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?",
    ),
    _setting(
        Where.DATA,
        "revision",
        Kind.TEXT,
        "The commit of `hub`.",
        f'"{"0" * 40}"',
        pattern="[0-9a-f]{40}",
    ),
    _setting(
        Where.DATA,
        "files",
        Kind.PATTERNS,
        "Which files of `hub`.",
        '["*.json", "*.safetensors"]',
        default="all",
    ),
    _setting(
        Where.DATA,
        "read-only",
        Kind.FLAG,
        "Whether nothing can be written there. What is fetched is always read-only.",
        "true",
        default="`true` for `url` and `hub`, else `false`",
    ),
    _setting(
        Where.DATA,
        "how",
        Kind.CHOICE,
        "`mount`: seen when a container runs. `copy`: a layer of the image.",
        '"copy"',
        choices=("mount", "copy"),
        default='"mount"',
    ),
)
