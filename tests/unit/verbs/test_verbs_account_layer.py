"""An account in a layer of its own."""

import os
import sys
from pathlib import Path

import pytest

from shipway.core.errors import ExitCode, ToolError
from shipway.run.model import Account, ImageFacts
from shipway.store.store import Store
from shipway.verbs.account_layer import add_account, render_files

sys.path.append(str(Path(__file__).parents[1] / "image"))
from image_samples import own_image

FACTS = ImageFacts(
    passwd="root:x:0:0:root:/root:/bin/sh\nubuntu:x:1000:1000::/home/ubuntu:/bin/sh\n",
    group="root:x:0:\nubuntu:x:1000:\n",
)


def test_a_plain_user_takes_the_place_of_one_with_the_same_number():
    texts = render_files(FACTS, Account(1000, 1000, "dev", "dev", "/home/dev", "/bin/bash"))
    assert texts["etc/passwd"].splitlines() == [
        "root:x:0:0:root:/root:/bin/sh",
        "dev:x:1000:1000:dev:/home/dev:/bin/bash",
    ]
    assert texts["etc/group"] == "root:x:0:\ndev:x:1000:\n"


def test_root_keeps_its_name_and_has_a_second_one():
    texts = render_files(FACTS, Account(0, 0, "dev", "dev", "/home/dev", "/bin/sh"))
    assert texts["etc/passwd"] == FACTS.passwd + "dev:x:0:0:dev:/home/dev:/bin/sh\n"
    assert texts["etc/group"] == FACTS.group


def test_the_account_is_one_layer_above_the_image():
    store = Store.open()
    image = own_image(store)
    made = add_account(store, image, "dev")
    assert made.layers[:-1] == image.layers
    (key,) = made.layers[-1].trees
    entries = {entry.path: entry for entry in store.find_tree(key).manifest().entries}
    assert (entries["home/dev"].uid, entries["home/dev"].gid) == (os.getuid(), os.getgid())
    assert sorted(entries) == ["etc", "etc/group", "etc/passwd", "home", "home/dev"]
    assert made.facts().history[-1].created_by == "shipway give --account dev"
    assert add_account(store, image, "dev").digest == made.digest


@pytest.mark.parametrize("name", ["root", "Dev", "a:b", "1st", "x" * 33])
def test_what_is_no_name(name):
    store = Store.open()
    with pytest.raises(ToolError, match="is no name for an account") as caught:
        add_account(store, own_image(store), name)
    assert caught.value.code == ExitCode.USAGE
