"""Example values for the tests of `run`."""

from shipway.run.model import Environment, HostFacts, ImageFacts, Invocation

GIB = 1 << 30
PASSWD = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
GROUP = "root:x:0:\nusers:x:100:\nnogroup:x:65534:\n"
IMAGE = ImageFacts(
    passwd=PASSWD,
    group=GROUP,
    shells=("/usr/bin/bash", "/usr/bin/sh"),
    certificates=True,
    zoneinfo=True,
    locales=False,
)
HOST = HostFacts(
    uid=1000,
    gid=1000,
    user="ada",
    group="staff",
    shell="/usr/bin/zsh",
    environ=(("HOME", "/home/ada"), ("PATH", "/somewhere"), ("TERM", "xterm")),
    memory=16 * GIB,
    resolv_conf="nameserver 192.0.2.1\n",
    hosts="127.0.0.1 localhost\n192.0.2.9 data\n",
    localtime=b"TZif2",
    timezone="Europe/Berlin",
    certificates="/etc/ssl/certs/ca-certificates.crt",
)
ENVIRONMENT = Environment(
    project="/home/ada/my_project",
    name="My Project",
    target="cpu",
    lowers=("/store/b", "/store/a"),
    keys=("k2", "k1"),
    env=(("PATH", "/opt/venv/bin:/usr/bin:/bin"), ("PYTHONPATH", "/work/src")),
    workdir="/work",
    command=("python", "train.py"),
    facts=IMAGE,
)
TRUE = Invocation(argv=("true",))


def with_environ(**variables: str) -> HostFacts:
    """`HOST` whose caller has exactly these variables."""
    return HOST._replace(environ=tuple(sorted(variables.items())))
