"""What engines' programs were seen to say, and what it is told as. Docker 20.10.24 and 28.2.2, Podman 4.3.1."""

import pytest

from shipway.core.errors import EngineError
from shipway.run.oci.docker import DOCKER
from shipway.run.oci.podman import podman_for
from shipway.run.oci.trouble import find_trouble, hide_password

PODMAN = podman_for(0)
OLD_SSH = (
    'error during connect: Get "http://docker.example.com/v1.24/images/x/json": command [ssh -l ada -- gpu1 docker system '
    "dial-stdio] has exited with exit status {}, please make sure the URL is valid, and Docker 18.09 or later is installed on "
    "the remote host: stderr={}"
)
NEW_SSH = (
    'error during connect: Get "http://docker.example.com/v1.50/images/x/json": command [ssh -o ConnectTimeout=30 -T -l ada '
    "-- gpu1 docker system dial-stdio] has exited with exit status {}, make sure the URL is valid, and Docker 18.09 or later "
    "is installed on the remote host: stderr={}"
)
NO_MACHINE = "ssh: Could not resolve hostname gpu1: Name or service not known"
PODMAN_GONE = (
    "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`, or try "
    "`podman machine init` and `podman machine start` to manage a new Linux VM\n"
    'Error: unable to connect to Podman socket: Get "http://d/v4.3.1/libpod/_ping": dial unix ///run/podman/podman.sock: '
    "connect: no such file or directory"
)


@pytest.mark.parametrize(
    ("dialect", "text", "message", "hint"),
    [
        (DOCKER, "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "Docker does not answer",
         "systemctl start docker"),
        (DOCKER, "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
         "You may not use Docker here", "group"),
        (DOCKER, 'error during connect: Get "http://bla:2375/v1.24/x/json": dial tcp: lookup bla on 192.0.2.53:53: no such host',
         "Docker does not answer", "correct DOCKER_HOST"),
        (DOCKER, OLD_SSH.format(255, "Permission denied (publickey)."), "`ssh` does not get to the machine of Docker",
         "when `ssh -l ada -- gpu1 true` works without a question"),
        (DOCKER, NEW_SSH.format(255, NO_MACHINE), "`ssh` does not get to the machine of Docker", "-l ada -- gpu1 true`"),
        (DOCKER, NEW_SSH.format(127, "sh: docker: command not found"), "has no program `docker`", "PATH of sessions"),
        (DOCKER, OLD_SSH.format(1, "Cannot connect to the Docker daemon"), "Docker does not answer", "systemctl start docker"),
        (DOCKER, 'unable to resolve docker endpoint: context "nowhere" does not exist', "Docker knows no context `nowhere`",
         "docker context ls"),
        (DOCKER, 'Failed to initialize: unable to resolve docker endpoint: context "nowhere": context not found: open /x', "Docker knows no context `nowhere`", "docker context use"),
        (DOCKER, "write /var/lib/docker/tmp/GetImageBlob1: no space left on device", "Docker has no space left",
         "docker image prune"),
        (DOCKER, 'Error response from daemon: could not select device driver "" with capabilities: [[gpu]]',
         "Docker has no GPUs to hand out here", "NVIDIA Container Toolkit"),
        (PODMAN, "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all",
         "Podman has no GPUs to hand out here", "nvidia-ctk cdi generate"),
        (DOCKER, "Error response from daemon: Requested CPUs are not available - requested 14-27, available: 0-1",
         "there are no CPUs 14-27 where Docker runs", "choose among 0-1"),
        (PODMAN, "Error: requested CPUs are not available - requested 14-27, available: 0-1",
         "there are no CPUs 14-27 where Podman runs", "choose among 0-1"),
        (PODMAN, "Error: runc: runc create failed: error setting rlimit type 8: operation not permitted: OCI permission denied",
         "Podman may not raise a limit", "administrator"),
        (PODMAN, PODMAN_GONE, "Podman does not answer", "podman.socket"),
        (PODMAN, "Error: failed to connect: dial tcp 127.0.0.1:1: connect: connection refused", "Podman does not answer",
         "CONTAINER_HOST"),
        (PODMAN, 'Error: unable to create connection. "" is not a supported schema', "Podman does not answer", "CONTAINER_HOST"),
    ],
)  # fmt: skip
def test_what_is_said_is_told_with_a_remedy(dialect, text, message, hint):
    found = find_trouble(dialect, f"{text}\n")
    assert isinstance(found, EngineError)
    assert message in found.message
    assert hint in found.hints[0]
    assert found.detail == text


def test_what_is_not_known_is_not_guessed():
    assert find_trouble(DOCKER, "Error response from daemon: something else") is None
    assert find_trouble(PODMAN, "") is None


def test_a_context_with_a_strange_name_is_shown_as_text():
    found = find_trouble(DOCKER, 'context "\x1b[31m" does not exist')
    assert "\x1b" not in found.message


def test_passwords_of_places_are_not_told():
    told = find_trouble(PODMAN, "Error: failed to connect: ssh://ada:hunter2@gpu1:22/run/s").detail
    assert told == "Error: failed to connect: ssh://ada@gpu1:22/run/s"
    assert hide_password("tcp://127.0.0.1:2375 unix:///run/s") == "tcp://127.0.0.1:2375 unix:///run/s"
