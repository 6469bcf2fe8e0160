"""What an editor is told, and the files of a development container."""

import pytest

from shipway.verbs.code import EDITORS, describe_steps


@pytest.mark.parametrize("editor", EDITORS)
def test_every_editor_is_told_host_and_folder(editor):
    text = "\n".join(describe_steps(editor, "demo.shipway", "/my work"))
    assert "demo.shipway" in text
    assert "/my work" in text


def test_the_address_for_an_editor_is_escaped():
    assert (
        "cursor://vscode-remote/ssh-remote+demo.shipway/my%20work"
        in describe_steps("cursor", "demo.shipway", "/my work")[-1]
    )
    assert "'/my work'" in describe_steps("vscode", "demo.shipway", "/my work")[1]
