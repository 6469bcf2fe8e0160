"""The table of `ssh`, `ssh-proxy` and the tools that come beside an environment."""

from __future__ import annotations

from shipway.cli.option import DRY_RUN, JSON, TARGET, Option, Takes, Verb

_NAME = Option(
    "container", "Another container than the project's own, which must run", Takes.VALUE, "", "NAME"
)
TOOL_VERBS = (
    Verb(
        "ssh", "Connect to a container by ssh, or make it a host of ssh",
        "No port, no daemon, no root: the server inside talks by the streams of an exec. Without a name the project's own "
        "container is meant, and started if need be. The entry is in `~/.ssh/shipway/config`, as `NAME.shipway`.",
        (("shipway ssh", "a shell in the project's container"), ("shipway ssh digits -- nvidia-smi", "one command"),
         ("shipway ssh --install", "let every program that reads `~/.ssh/config` know it")),
        (Option("install", "Write the entry and one `Include` line into `~/.ssh/config`, and connect to nothing"),
         Option("show", "Write the entry, print how to use it from here and from another computer, and connect to nothing"),
         TARGET, DRY_RUN, JSON), "[NAME] [COMMAND...]", home="commands_tools",
    ),
    Verb(
        "ssh-proxy", "Serve one ssh connection by standard input and output",
        "What an entry of ssh names as its `ProxyCommand`; nobody types it.",
        (("shipway ssh-proxy digits", "what an entry of ssh does"),), (), "NAME",
        home="commands_tools",
    ),
    Verb(
        "jupyter", "Open JupyterLab in the project's container",
        "A service of the container, which is started if need be; a second call finds the first. The port is one of the loopback "
        "address, the same for a project each time; the token is in the address that is printed. JupyterLab comes beside the "
        "environment, chosen to go with what is locked; one that the environment has itself is used. `shipway stop "
        "NAME/jupyter` ends it.",
        (("shipway jupyter", "start it, or find it, and print its address"),
         ("shipway jupyter -- --ServerApp.root_dir=/work/notebooks", "with words of its own")),
        (_NAME, TARGET, DRY_RUN, JSON), "[WORD...]", home="commands_tools",
    ),
    Verb(
        "tensorboard", "Open TensorBoard in the project's container",
        "As `shipway jupyter` does. TensorBoard knows no tokens, so its pages are below a path that nobody guesses. Without "
        "`--logdir` it reads `runs`.",
        (("shipway tensorboard", "show `runs`"), ("shipway tensorboard -- --logdir out/logs", "show another folder")),
        (_NAME, TARGET, DRY_RUN, JSON), "[WORD...]", home="commands_tools",
    ),
    Verb(
        "debug", "Look into a running container with htop, strace, gdb and py-spy",
        "A second container, with tools and a root of its own, that sees the processes of the first one and shares its "
        "network and project folder. The first word names a container if there is one of that name; else the words are a "
        "command beside the project's own container. What it looks at has `/proc/PID/root` as its root.",
        (("shipway debug", "a shell beside the project's container"), ("shipway debug digits htop", "one program"),
         ("shipway debug -- py-spy dump --pid 2", "where a Python program is")),
        (TARGET,), "[NAME] [COMMAND...]", home="commands_tools", rest=True,
    ),
    Verb(
        "code", "Connect an editor to the project's container",
        "Starts the container if need be, writes its entry as a host of ssh, and prints what to do in the editor. With "
        "`--devcontainer` nothing is started: a development container is written into the project, for editors that start "
        "containers by docker, with the Dockerfile that it is built from, or with `--format image` on the image itself.",
        (("shipway code --install", "for VS Code, with the entry made known to it"),
         ("shipway code --editor jetbrains", "for a JetBrains IDE"),
         ("shipway code --devcontainer", "write `.devcontainer/devcontainer.json` and `build/Dockerfile.TARGET`"),
         ("shipway code --devcontainer --format image", "the same on the very image, which shipway hands to docker")),
        (Option("editor", "Which editor", Takes.VALUE, "", "EDITOR", ("vscode", "cursor", "jetbrains")),
         Option("install", "Write one `Include` line into `~/.ssh/config`, which editors read"),
         Option("devcontainer", "Write a development container instead"),
         Option("format", "Of the development container: `dockerfile`, which docker builds, or `image`, which shipway hands over",
                Takes.VALUE, "", "FORMAT", ("dockerfile", "image")),
         Option("force", "Replace files that were not exported by shipway", short="f"), TARGET, DRY_RUN, JSON),
        "[NAME]", home="commands_tools",
    ),
)  # fmt: skip
