"""The verbs about containers that live on."""

from __future__ import annotations

from shipway.cli.option import CHOICE, DRY_RUN, JSON, LOCKING, TARGET, Complete, Option, Takes, Verb
from shipway.cli.options_running import RUNNING

_TIME = Option(
    "time",
    "How long it has to end by itself before it is killed",
    Takes.VALUE,
    "",
    "SECONDS",
    kind="seconds",
    default="10",
)
_PATIENCE = _TIME._replace(short="t")
_FORCE = Option("force", "End it first if it runs", short="f")
_TTY = (
    Option(
        "tty",
        "Give the command a terminal, also where the caller has none",
        short="t",
        default="when there is one here",
    ),
    Option("no-tty", "Give the command no terminal of its own", short="T"),
    Option(
        "interactive", "Accepted for other engines' habits: standard input is always passed on", short="i"
    ),
)
_KEPT = "what is written stays with the container"


def _named(*left_out: str, name: str, **defaults: str) -> tuple[Option, ...]:
    """The options of a run but those `left_out`, with the defaults of a container that lives on."""
    defaults |= {"name": name, "read-only": _KEPT}
    return tuple(
        option._replace(default=defaults.get(option.name, option.default))
        for option in RUNNING
        if option.name not in ("detach", "keep", "watch", "watch-files", *left_out)
    )


_UP = _named("rm", "dry-run", "no-tty", "image", name="`PROJECT`, or `PROJECT-TARGET`")
_JOB = _named(name="`PROJECT` and four digits", rm="off")

LIFE_VERBS = (
    Verb(
        "up", "Start the project's container, or find it running",
        "The container has the project's name, stays when this command ends, and waits for `exec`, `shell` and the tools; with a "
        "command it runs that. One that has ended is started again as it was, what was written in it included.",
        (("shipway up", "have the project's container run"), ("shipway up -t gpu", "that of another target"),
         ("shipway up --restart always -- python serve.py", "a server that is started again when it fails")),
        (Option("recreate", "Make a new one; the one before stays, under another name, if it holds files of its own"),
         *CHOICE, *LOCKING, *_UP, DRY_RUN, JSON), "[COMMAND...]", home="commands_life", rest=True,
    ),
    Verb(
        "down", "End the project's containers and remove them",
        "All containers that were started for this project end; those that `up` made are removed, which is said.",
        (("shipway down", "end of the day"), ("shipway down --keep-files", "end them only, for the next `up`")),
        (Option("keep-files", "End them and remove none"), _TIME, TARGET, DRY_RUN, JSON), home="commands_states",
    ),
    Verb(
        "job", "Run a command that goes on when the terminal goes",
        "As `run --detach`: the output is in a file whose place is printed, the exit code is kept, and `logs`, `attach`, `wait` "
        "and `stop` know the job by its name.",
        (("shipway job --name night -- python train.py", "a run for the night, seen by `shipway logs -f night`"),
         ("shipway job --rm -- python evaluate.py", "removed at its end")),
        (*CHOICE, *LOCKING, *_JOB, JSON), "COMMAND...", home="commands_life", rest=True,
    ),
    Verb(
        "exec", "Run a command in a container that runs",
        "The first word names a container if there is one of that name; else the words are a command for the project's own "
        "container. Each call has a console of its own. Ctrl-P Ctrl-Q leaves a terminal without ending the command.",
        (("shipway exec digits bash", "another console"), ("shipway exec python -m pdb train.py", "in the project's container"),
         ("shipway exec -d --service board digits tensorboard --logdir runs", "a command that stays, with a log of its own")),
        (Option("detach", "Let the command stay when this one ends, as a service", short="d"),
         Option("service", "The service's name; the default is the command's", Takes.VALUE, "", "NAME"),
         Option("env", "Set a variable, or pass the caller's own on", Takes.VALUES, "e", "NAME[=VALUE]",
                default="those of the container"),
         Option("env-file", "Read variables from a file of `NAME=VALUE` lines", Takes.VALUES, "", "FILE",
                complete=Complete.FILE, default="none"),
         Option("workdir", "Start in this folder inside", Takes.VALUE, "w", "DIR", default="where the container started"),
         Option("user", "Run as another user of the image, where the engine has others", Takes.VALUE, "u", "USER",
                default="the container's"),
         *_TTY, DRY_RUN), "[NAME] COMMAND...", home="commands_life", rest=True,
    ),
    Verb(
        "attach", "Join the streams of a container's own command, or of a service",
        "Everybody who attaches sees the same console. Ctrl-P Ctrl-Q leaves a terminal as it is; `shipway logs -f` only looks.",
        (("shipway attach night", "look at the job"), ("shipway attach digits/board", "or at a service")),
        (), "[NAME]", home="commands_life",
    ),
    Verb(
        "ps", "List containers and their services",
        "What runs is asked of the processes themselves, so it is true after a crash as well.",
        (("shipway ps", "what runs now"), ("shipway ps -a", "also what has ended"), ("shipway ps --json", "for programs")),
        (Option("all", "Also those that have ended", short="a"), Option("here", "Only those of this project"),
         Option("quiet-ids", "Print only ids; `-q` says so here", letter="q"), JSON), home="commands_life",
    ),
    Verb(
        "logs", "Print what a container wrote",
        "The log is a file of yours; its place is in `shipway inspect NAME`. Standard error goes to standard error.",
        (("shipway logs night", "all of it"), ("shipway logs -f --tail 20 night", "the last lines, and what comes"),
         ("shipway logs digits/board", "of a service")),
        (Option("follow", "Go on until the command is over", short="f"),
         Option("tail", "Only the last lines", Takes.VALUE, "n", "LINES", kind="lines", default="`all`"),
         Option("timestamps", "Put the time in front of each line", short="t"),
         Option("since", "Only what is younger: `10m`, `2d`", Takes.VALUE, "", "AGE", kind="age", default="all"),
         Option("until", "Only what is older", Takes.VALUE, "", "AGE", kind="age", default="all")),
        "[NAME]", home="commands_life",
    ),
    Verb(
        "stop", "End containers or services",
        "The command is asked to end by SIGTERM, and killed when it has not after the time given.",
        (("shipway stop night", "end a job"), ("shipway stop digits/board", "end a service and leave the container")),
        (_PATIENCE, DRY_RUN), "[NAME...]", home="commands_states",
    ),
    Verb(
        "start", "Start containers that have ended, as they were", "What they wrote outside mounts is still there.",
        (("shipway start dp", "start it again"), ("shipway start --attach dp", "with its streams here")),
        (Option("attach", "Join its streams", short="a"),
         Option("interactive", "Accepted for other engines' habits", short="i"), DRY_RUN), "[NAME...]", home="commands_states",
    ),
    Verb(
        "restart", "End containers and start them again", "What they wrote outside mounts stays.",
        (("shipway restart dp", "start it anew"),), (_PATIENCE, DRY_RUN), "[NAME...]", home="commands_states",
    ),
    Verb(
        "kill", "Send containers a signal", "What the signal means is up to the command; KILL ends it at once.",
        (("shipway kill night", "end at once"), ("shipway kill --signal HUP digits/board", "a service reads its settings again")),
        (Option("signal", "The signal, by name or number", Takes.VALUE, "s", "SIGNAL", default="`KILL`"), DRY_RUN), "[NAME...]",
        home="commands_states",
    ),
    Verb(
        "rm", "Remove containers, or what they left",
        "What they wrote outside mounts goes with them, and is counted. `kept:NAME` is what `--keep NAME` keeps, `home:` the "
        "project's home volume.",
        (("shipway rm night", "remove a job that has ended"), ("shipway rm -f dp", "end it first"),
         ("shipway rm kept:trial home:", "begin again: without the packages of a trial, and old settings")),
        (_FORCE, Option("ended", "Remove all that have ended"), DRY_RUN), "[NAME...]", home="commands_states",
    ),
    Verb(
        "rename", "Give a container another name", "Whatever runs in it goes on.",
        (("shipway rename dp dp-tuesday", "free the name"),), (DRY_RUN,), "NAME NEW", home="commands_life",
    ),
    Verb(
        "wait", "Wait for containers to end, and print their exit codes", "Exits with the code of the last.",
        (("shipway wait night", "then go on with what needs its results"),), (JSON,), "[NAME...]",
        home="commands_life",
    ),
    Verb(
        "stats", "Show what containers use: processor, memory, processes", "Once a second, until Ctrl-C.",
        (("shipway stats", "all that run"), ("shipway stats --once --json digits", "one look, for programs")),
        (Option("once", "One look"), JSON), "[NAME...]", home="commands_life",
    ),
    Verb(
        "top", "List the processes in a container", "As this machine sees them, with the process ids of the host.",
        (("shipway top digits", "what runs in it"),), (JSON,), "[NAME]", home="commands_life",
    ),
    Verb(
        "port", "List a container's ports: whether anything listens, and who reaches it",
        "Shows the line that would let a port through a firewall where other machines may ask for it, and the line for `ssh` "
        "where only this one may. Changes nothing.",
        (("shipway port digits", "all of them"), ("shipway port digits 8888", "where that one is on this machine"),
         ("shipway port --json", "of the project's own container, for programs")),
        (JSON,), "[NAME] [PORT]", home="commands_ports",
    ),
    Verb(
        "cp", "Copy files into a container or out of it",
        "One of the two places is `NAME:PATH`. What is copied in belongs to the container's user, what is copied out to you.",
        (("shipway cp model.pt digits:/tmp/", "in"), ("shipway cp digits:/tmp/profile.json .", "out")),
        (DRY_RUN,), "FROM TO", home="commands_life",
    ),
    Verb(
        "commit", "Make an image of what a container has become, and name the spec lines for it",
        "Packages that were installed by hand are named as lines for the spec, which anybody can build again; other files are "
        "listed, and are in the image alone. The image is in the store, or in the engine that runs the container. "
        "Without `IMAGE`, or with `--dry-run`, only the recipe is printed.",
        (("shipway commit dp team/dp:tuesday", "an image, and its recipe"), ("shipway commit dp", "only the recipe")),
        (DRY_RUN, JSON), "NAME [IMAGE]", home="commands_life",
    ),
    Verb(
        "events", "Show what happened to containers", "Made, started, ended with which code, removed; oldest first.",
        (("shipway events --since 1h", "the last hour"), ("shipway events -f", "as it happens")),
        (Option("follow", "Go on until Ctrl-C", short="f"),
         Option("since", "Only what is younger: `10m`, `2d`", Takes.VALUE, "", "AGE", kind="age",
                default="all"), JSON), home="commands_life",
    ),
)  # fmt: skip
