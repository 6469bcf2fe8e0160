"""An image with its caller's account in a layer above it, for programs that start containers as a user with a name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.archive.extract import Extractor
    from shipway.image.stored import StoredImage
    from shipway.run.model import Account, ImageFacts
    from shipway.store.store import Store
    from shipway.store.tree import Tree

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
"""What useradd(8) of Debian takes."""


def add_account(store: Store, image: StoredImage, name: str) -> StoredImage:
    """`image` with the account `name`, which has the caller's numbers and an own home folder.

    Raises:
        ToolError: `name` is none for an account, or is root's and the caller is not root (USAGE).
        NotFound: a layer of the image is no longer in the store.
    """
    from shipway.image.added_layer import add_layer
    from shipway.run.accounts import choose_shell
    from shipway.run.facts import read_image_facts
    from shipway.run.model import Account

    if not _NAME.fullmatch(name) or name == "root":
        raise ToolError(
            f"`{shown(name)}` is no name for an account",
            hints=["small letters, digits, `-` and `_`, and not `root`"],
            code=ExitCode.USAGE,
        )
    keys = [key for layer in reversed(image.layers) for key in reversed(layer.trees)]
    with store.use(keys) as use:
        if use.missing:
            raise NotFound(
                "what the image is made from is no longer in the store", hints=["pull or load it again"]
            )
        facts = read_image_facts(tuple(tree.root for tree in use.trees))
        account = Account(
            os.getuid(), os.getgid(), name, name, f"/home/{name}", choose_shell("", facts.shells)
        )
        tree = _make_tree(store, facts, account)
        return add_layer(
            image,
            tree,
            name="account",
            by=f"shipway give --account {name}",
            reason="the account of whoever handed it over",
        )


def render_files(facts: ImageFacts, account: Account) -> dict[str, str]:
    """The texts of the account files by path (pure).

    Root keeps its name, which programs ask for; a caller who is root has a second one.
    """
    from shipway.run.accounts import render_group, render_passwd

    passwd, group = facts.passwd, facts.group
    if account.uid:
        passwd = render_passwd(passwd, account)
    else:
        passwd += f"{account.name}:x:0:{account.gid}:{account.name}:{account.home}:{account.shell}\n"
    if account.gid:
        group = render_group(group, account)
    return {"etc/passwd": passwd, "etc/group": group}


def _make_tree(store: Store, facts: ImageFacts, account: Account) -> Tree:
    from shipway.build.capture import FIXED_TIME
    from shipway.image.added_layer import make_tree

    def fill(extractor: Extractor) -> None:
        for path, text in render_files(facts, account).items():
            data = text.encode("utf-8", "surrogateescape")
            extractor.file(path, (data,), 0o644, FIXED_TIME)
        extractor.directory(account.home[1:], 0o755, FIXED_TIME, uid=account.uid, gid=account.gid)

    return make_tree(store, f"account {account.name}", "account", fill)
