"""The files of ssh: what is quoted, what is left out, what stays of a user's own."""

import shlex
import subprocess

import pytest

from shipway.run.ssh_config import (
    HostEntry,
    render_entry,
    render_far_entry,
    render_included,
    render_known,
    render_server_config,
    server_words,
)

ENTRY = HostEntry("demo.shipway", "ann", ("env", "A=b c", "shipway", "100%"), "/h/.ssh/id", "/h/known")


def test_a_session_gets_the_variables_of_the_container_in_one_line_but_for_its_own():
    env = (
        ("PATH", "/opt/venv/bin"),
        ("Q", 'a "b" \\'),
        ("HOME", "/x"),
        ("SSH_AUTH_SOCK", "/s"),
        ("TWO", "a\nb"),
    )
    lines = render_server_config("/keys", env, "/sftp", "/bin of ours", "/my work").splitlines()
    assert [line for line in lines if line.startswith("SetEnv")] == [
        'SetEnv "PATH=/opt/venv/bin" "Q=a \\"b\\" \\\\"'
    ]
    assert "HostKey /keys/host_key" in lines
    assert "Subsystem sftp /sftp" in lines
    assert any("cd '/my work';" in line for line in lines)


@pytest.mark.parametrize(("asked", "path"), [("scp -t", "/none:/ours"), (": scp", "/none")])
def test_scp_is_found_by_a_client_that_starts_it_and_by_nobody_else(asked, path):
    lines = render_server_config("/keys", (), "/sftp", "/ours", "/").splitlines()
    command = next(line.partition(" ")[2] for line in lines if line.startswith("ForceCommand"))
    environ = {"PATH": "/none", "SSH_ORIGINAL_COMMAND": f'{asked} 2>&-; echo "$PATH"'}
    done = subprocess.run(["/bin/sh", "-c", command], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}\n"


def test_an_entry_quotes_its_command_for_the_shell_and_for_ssh():
    text = render_entry(ENTRY)
    assert "    ProxyCommand env 'A=b c' shipway 100%%\n" in text
    assert '    IdentityFile "/h/.ssh/id"\n' in text


def test_another_computer_connects_by_its_own_ssh():
    text = render_far_entry(ENTRY, ("-p", "2222", "gpu"))
    line = next(line for line in text.splitlines() if "ProxyCommand" in line)
    words = shlex.split(line.split(None, 1)[1].replace("%%", "%"))
    assert words[:5] == ["ssh", "-p", "2222", "gpu", "--"]
    assert tuple(shlex.split(" ".join(words[5:]))) == ENTRY.proxy, (
        "the server's shell reads the words once more"
    )


def test_a_container_made_anew_replaces_the_key_of_its_name_only():
    known = render_known(
        "a.shipway ssh-ed25519 OLD\nb.shipway ssh-ed25519 B\n", "a.shipway", "ssh-ed25519 NEW demo\n"
    )
    assert known == "b.shipway ssh-ed25519 B\na.shipway ssh-ed25519 NEW\n"


@pytest.mark.parametrize("text", ["", "Host x\n    User y\n"])
def test_the_line_for_ssh_is_in_front_and_only_once(text):
    once = render_included(text, "/h/config")
    assert once.startswith('Include "/h/config"\n')
    assert once.endswith(text)
    assert render_included(once, "/h/config") == once


def test_the_server_is_called_as_this_session_reached_it():
    assert server_words({}, "node", "ann") == ("ann@node",)
    assert server_words({}, "node", "") == ("node",)
    assert server_words({"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}, "node", "ann") == ("ann@10.0.0.2",)
    assert server_words({"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 2222"}, "node", "") == (
        "-p",
        "2222",
        "10.0.0.2",
    )
    assert server_words({"SSH_CONNECTION": "UNKNOWN 65535 UNKNOWN 65535"}, "node", "") == ("node",)
