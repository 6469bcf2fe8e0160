"""The words of `[data.NAME]`."""

from __future__ import annotations

from shipway.spec.setting import Kind, Setting, Where, setting

DATA_SETTINGS: tuple[Setting, ...] = (
    setting(
        Where.DATA,
        "folder",
        Kind.TEXT,
        "A folder of this machine; one that is not absolute is below the project.",
        '"~/datasets/digits"',
        default="one of `folder`, `volume` and `url` must be there",
    ),
    setting(
        Where.DATA,
        "volume",
        Kind.NAME,
        "A volume of yours by name, made when it is missing; all your projects can share it.",
        '"checkpoints"',
        default="see `folder`",
    ),
    setting(
        Where.DATA,
        "url",
        Kind.URL,
        "An address of one file, fetched once for all your projects.",
        '"https://data.example.org/digits.tar.gz"',
        default="see `folder`",
    ),
    setting(
        Where.DATA,
        "sha256",
        Kind.TEXT,
        "What the bytes at `url` must be, as `sha256sum` says it.",
        '"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"',
        default="must be there with `url`",
        pattern="[0-9a-f]{64}",
    ),
    setting(
        Where.DATA,
        "unpack",
        Kind.FLAG,
        "The file at `url` is an archive (tar with or without compression, zip), whose content is meant.",
        "true",
        default="false",
    ),
    setting(
        Where.DATA,
        "target",
        Kind.WORKDIR,
        "Where it is inside.",
        '"/datasets/digits"',
        default="`/data/NAME`",
    ),
    setting(
        Where.DATA,
        "read-only",
        Kind.FLAG,
        "Whether the container may only read it. What is fetched is never written to.",
        "true",
        default="true with `url`, else false",
    ),
)
