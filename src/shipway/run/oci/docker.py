"""Docker's dialect (docs of `docker run`, 20.10 to 28)."""

from __future__ import annotations

from shipway.run.oci.command import Dialect

DOCKER = Dialect(
    name="docker",
    title="Docker",
    partial=True,
    about=("version", "--format", "{{.Server.Os}}/{{.Server.Arch}} {{.Server.Version}}"),
    limits="{{if .MemoryLimit}}memory {{end}}{{if .CPUCfsQuota}}cpu {{end}}{{if .PidsLimit}}pids {{end}}"
    "{{if .CPUSet}}cpuset {{end}}{{if .CPUShares}}shares {{end}}{{if .SwapLimit}}swap{{end}}",
    bridge=("--network=bridge",),
    oldest=(20, 10),
    remedy="install Docker (Debian and Ubuntu: `docker.io`), or use `--engine native`, which needs nothing",
    stopped="start it (`systemctl start docker`), correct DOCKER_HOST or the context, or use `--engine native`",
    gpus="it needs the NVIDIA Container Toolkit there (`nvidia-ctk runtime configure --runtime=docker`); or leave `--gpus` out",
    refused="ask the administrator for Docker's group, which is as good as root, or use `--engine native`",
)
