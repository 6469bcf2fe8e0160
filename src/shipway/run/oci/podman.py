"""Podman's dialect (man pages of podman 4.3 to 5.8)."""

from __future__ import annotations

from shipway.run.oci.command import Dialect

PODMAN = Dialect(
    name="podman",
    title="Podman",
    always=("--security-opt=label=disable",),  # labels would keep the container from the caller's folders
    pull=("--tls-verify=false",),
    local="localhost/",
    about=("info", "--format", "{{.Host.OS}}/{{.Host.Arch}} {{.Version.Version}}"),
    limits='{{range .Host.CgroupControllers}}{{.}} {{if eq . "cpu"}}shares {{end}}{{if eq . "memory"}}swap {{end}}{{end}}',
    put=("--archive=false",),
    makes_workdir=False,
    devices=True,
    oldest=(4, 3),
    remedy="install the package `podman`, or use `--engine native`, which needs nothing",
    stopped="start its service (`systemctl --user start podman.socket`), correct CONTAINER_HOST, or use `--engine native`",
    gpus="it needs `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml` there; or leave `--gpus` out",
    refused="see `podman info`, or use `--engine native`",
)


def podman_for(caller: int) -> Dialect:
    """For the user `caller` of this machine.

    Without root their own id is mapped to itself, so that files have the same owner inside and outside.
    """
    if caller == 0:
        return PODMAN
    return PODMAN._replace(always=(*PODMAN.always, "--userns=keep-id"))
