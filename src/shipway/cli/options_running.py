"""The options of a run, in the words that people know from Docker."""

from __future__ import annotations

from shipway.cli.option import DRY_RUN, Complete, Option, Takes

_VALUE, _VALUES, _FILE = Takes.VALUE, Takes.VALUES, Complete.FILE

SEEING = (
    Option("image", "Run this stored image as it is, with the folder at `/work`. `run NAME:TAG COMMAND` says the same",
           _VALUE, "", "REF", default="the project's"),
    Option("engine", "What runs the container", _VALUE, "", "ENGINE", ("native", "docker", "podman", "apptainer"),
           default="the spec's, else `native`"),
    Option("env", "Set a variable, or pass the caller's own on", _VALUES, "e", "NAME[=VALUE]",
           default="none but those that the guide lists"),
    Option("env-file", "Read variables from a file of `NAME=VALUE` lines", _VALUES, "", "FILE", complete=_FILE, default="none"),
    Option("secret", "Take a token from here that nobody else sees: a variable, `NAME?` if it may be missing, or "
           "`file:SOURCE:TARGET`", _VALUES, "", "SECRET", default="the spec's `secrets`"),
    Option("volume", "Show a host folder inside, or a volume of its own that lasts; `:ro` makes it read-only", _VALUES, "",
           "HOST|NAME:TARGET[:ro]", complete=_FILE, letter="v", default="the project and a home folder"),
    Option("mount", "The same as `type=bind,source=HOST,target=TARGET[,readonly]`, or for folders `HOST:TARGET[:ro]`", _VALUES,
           "", "MOUNT", default="the project and a home folder"),
    Option("tmpfs", "A folder in memory: `/scratch:size=1g,mode=1777`", _VALUES, "", "TARGET[:OPTIONS]", default="none"),
    Option("workdir", "Start in this folder inside", _VALUE, "w", "DIR", default="where the project is"),
    Option("entrypoint", "Start this program instead of the image's own; the words of the command follow it", _VALUE, "",
           "PROGRAM", default="the image's"),
    Option("user", "Who runs inside", _VALUE, "u", "USER[:GROUP]", default="you"),
    Option("group-add", "Be in this group too", _VALUES, "", "GROUP", default="the groups that you are in"),
    Option("hostname", "The name of the host inside", _VALUE, "", "NAME", default="made from project and target"),
    Option("network", "What the container sees of the network", _VALUE, "", "NETWORK",
           ("host", "none", "bridge", "container:NAME"), also=("net",), open=True,
           default="`host`, and `bridge` with `--publish`"),
    Option("publish", "Show a port of the container on this machine: `8888:8888`, `0.0.0.0:8080:80`, `53:53/udp`, or `80` for "
           "any free one", _VALUES, "p", "[ADDRESS:][HOST:]PORT[/udp]", default="none; without ADDRESS this machine only"),
    Option("pid", "Whose processes it sees", _VALUE, "", "SPACE", ("host", "container:NAME"), open=True, default="its own"),
    Option("ipc", "Whose shared memory it sees", _VALUE, "", "SPACE", ("private", "host", "container:NAME"), open=True,
           default="its own"),
    Option("shm-size", "Size of `/dev/shm`, which data loaders fill", _VALUE, "", "SIZE", kind="size",
           default="half of the memory that it may use"),
    Option("ulimit", "Limit each process: `memlock=-1`, `nofile=1024:2048`", _VALUES, "", "NAME=SOFT[:HARD]",
           default="your own limits"),
    Option("memory", "Stop the container when it uses more memory than this", _VALUE, "m", "SIZE", kind="size",
           default="no limit"),
    Option("memory-swap", "Memory and swap together, so `--memory 4g --memory-swap 6g` allows 2g of swap; -1 for all there is",
           _VALUE, "", "SIZE", kind="swap", default="as `--memory`: no swap"),
    Option("cpus", "At most this many CPUs' worth of time", _VALUE, "", "NUMBER", kind="number", default="no limit"),
    Option("cpuset-cpus", "Run only on these CPUs: `0-3`, `0,2`", _VALUE, "", "CPUS", default="all"),
    Option("cpu-shares", "Weight beside other containers when CPUs are short", _VALUE, "c", "WEIGHT", kind="shares",
           default="1024"),
    Option("pids", "At most this many processes and threads", _VALUE, "", "COUNT", kind="count", also=("pids-limit",),
           default="no limit"),
    Option("gpus", "Hand out GPUs: `all`, `2`, `device=0`, `'\"device=0,1\"'`", _VALUE, "", "GPUS", ("all", "none"), open=True,
           default="none"),
    Option("display", "Let it open windows on your screen (X and Wayland), by a right to just that display", default="off"),
    Option("interactive", "Keep standard input open; a container that is not detached always does", short="i", default="off"),
    Option("tty", "Give the command a terminal; `-t` says so in `-it`, `-ti`, `-dt`", letter="t",
           default="when there is one here"),
    Option("no-tty", "Give the command no terminal of its own", default="off"),
    Option("init", "Have an init that passes signals on and collects orphans; every container has one", default="always on"),
    Option("no-editable", "Import the Python projects of the spec as they are built, not from their folders; builds what changed",
           default="an edit is seen at once, and nothing is built"),
    Option("watch", "Start the command again when a source file of the project changes", default="started once"),
    Option("watch-files", "As `--watch`, when a file of this pattern (as in `.dockerignore`) changes", _VALUES, "", "PATTERN",
           kind="pattern", default="programs and their settings: `*.py`, `*.toml`, …"),
    Option("read-only", "Let nothing be written outside the project, the home folder, mounts and `/tmp`",
           default="writes are thrown away at the end"),
    Option("keep", "Keep what the container writes outside the project under this name, and find it there again",
           _VALUE, "", "NAME", default="nothing is kept"),
)  # fmt: skip
"""What a container is and sees."""

LIFE = (
    Option("name", "What the container is called; it stays when its command ends", _VALUE, "", "NAME",
           default="none: it goes with its command"),
    Option("detach", "Leave it running in the background and print its id; its name is said, too", short="d", default="off"),
    Option("rm", "Remove it at its end", default="on for a container without a name, else off"),
    Option("restart", "Start it again by itself", _VALUE, "", "POLICY", ("no", "on-failure", "on-failure:TIMES", "always",
           "unless-stopped"), open=True, default="`no`"),
    Option("log-driver", "Where its output goes", _VALUE, "", "DRIVER", ("json-file", "local", "none", "syslog", "journald"),
           default="files, which `shipway logs` reads"),
    Option("log-opt", "How its output is kept: `max-size=10m`, `max-file=3`, `mode=non-blocking`, `max-buffer-size=4m`", _VALUES,
           "", "NAME=VALUE", default="10 MB, blocking"),
)  # fmt: skip
"""How long it lives, and what becomes of its output."""

RUNNING = (*SEEING, *LIFE, DRY_RUN)
(ENGINE,) = (option for option in SEEING if option.name == "engine")
