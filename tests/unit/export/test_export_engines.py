"""Dockerfile, definition file, Makefile, Compose file and development container: what stands in them, and that it is well-formed."""

import json
import re
import subprocess
from dataclasses import replace

import pytest
from export_examples import LOCK, contents

from shipway.core.errors import SpecError
from shipway.export.apptainer import render_apptainer
from shipway.export.compose import render_compose
from shipway.export.devcontainer import render_devcontainer
from shipway.export.dockerfile import render_dockerfile, render_ignore
from shipway.export.makefile import render_makefile
from shipway.lock.model import DataUse
from shipway.spec.model import MountRule, Network, RunOptions

RUN = RunOptions(
    mounts=(MountRule(source="~/data", target="/data", read_only=True), MountRule(source="models", target="/m$x"),
            MountRule(source="/srv/x y", target="/srv")),
    shm_size=1 << 30, memory=2 << 30, cpus=1.5, pids=99, network=Network.NONE, env=(("PRICE", "5$"),), pass_env=("TOKEN",),
    secrets=("KEY?", "file:~/.netrc:/run/secrets/netrc"),
)  # fmt: skip
RUNS = {"cpu": RUN, "gpu": RunOptions()}


def instructions(text):
    """The instructions of a Dockerfile, comments dropped and continued lines joined."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", "\n").split("\n")


def check_shell(script):
    done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{script}"


def shell_of(text):
    """Every RUN of a Dockerfile that a shell reads."""
    for block in re.split(r"\n(?=[A-Z]+ |\n|#)", text):
        if block.startswith("RUN ") and not block.startswith("RUN ["):
            yield re.sub(r"^RUN (--mount=\S+ \\\n\s*)*", "", block)


@pytest.mark.parametrize("name", ["cpu", "gpu", "full", "standalone"])
def test_every_run_is_shell(name):
    scripts = list(shell_of(render_dockerfile(contents(name))))
    assert len(scripts) >= 5
    for script in scripts:
        check_shell(script)


@pytest.mark.parametrize("name", ["cpu", "full"])
def test_a_dockerfile_names_every_file_by_digest(name):
    target = contents(name)
    text = render_dockerfile(target)
    for deb in target.debs:
        assert f"{deb.archive} {deb.sha256.hex} {deb.path}" in text
        assert text.count(deb.path.removeprefix("pool/")) >= 2
    for wheel in target.wheels:
        assert f"'{wheel.name}==1.5 --hash={wheel.sha256}'" in text
    for built in target.built:
        if built.source.kind == "sdist":
            assert f"--hash={built.source.sha256}" in text
        for wheel in built.requires:
            assert f"--hash={wheel.sha256}" in text


def test_a_dockerfile_names_no_host_and_is_not_root():
    text = render_dockerfile(contents())
    assert "://" not in text
    assert not text.startswith("# syntax")
    assert "\nUSER ${USER_ID}:${USER_ID}\n" in text
    assert "\nARG USER_ID=1000\n" in text
    assert text.count("\nARG DEBIAN_SECURITY_MIRROR\n") == 1


def test_values_stay_what_they_are():
    text = render_dockerfile(contents())
    assert r'ENV NOTE="a \"b\" \$HOME\\"' in text.splitlines()
    assert text.endswith('CMD ["python", "it\'s.py"]\n')


def test_a_value_over_two_lines_is_refused():
    with pytest.raises(SpecError, match="`NOTE` has a control character"):
        render_dockerfile(contents(env=(("NOTE", "a\nRUN evil"),)))
    with pytest.raises(SpecError, match="working directory"):
        render_dockerfile(contents(workdir="/a\nRUN evil"))


def test_build_commands_and_sources_are_there():
    text = render_dockerfile(contents("full"))
    assert 'COPY ["data set", "/work/data set"]\nRUN ["make", "data set"]' in text
    assert f"'forge @ git+https://git.example/forge@{'c' * 40}#subdirectory=sub'" in text
    assert 'COPY ["packages/mine", "/build/1-source"]' in text
    assert "compileall -q --invalidation-mode unchecked-hash" in text


def test_a_standalone_interpreter_is_an_argument_with_a_digest():
    target = contents("standalone")
    text = render_dockerfile(target)
    assert "ADD ${PYTHON_URL} /python.archive" in text
    assert f"{target.target.python.sha256.hex}  /python.archive" in text
    assert "python3-pip" not in text


def test_the_ignore_file_turns_include_round():
    assert render_ignore(contents("full"), (".git", "*.log")).splitlines()[1:] == [
        "**",
        "!src",
        ".git",
        "*.log",
    ]
    assert render_ignore(contents(), (".git",)).splitlines()[1:] == [".git"]


def test_a_definition_file_is_shell_in_sections():
    text = render_apptainer(contents())
    sections = dict(re.findall(r"^%(\w+)\n(.*?)(?=^%|\Z)", text, re.MULTILINE | re.DOTALL))
    assert sections.keys() == {"post", "environment", "runscript"}
    for section in sections.values():
        check_shell(section)
    assert "Bootstrap: docker\nFrom: debian:bookworm\n" in text
    environment = subprocess.run(
        ["sh", "-c", sections["environment"] + '\nprintf %s "$NOTE"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert environment.stdout == 'a "b" $HOME\\'
    assert all(deb.sha256.hex in text for deb in contents().debs)


def test_what_a_definition_file_cannot_say_is_refused():
    for name, words in (
        ("full", r"git:forge=1\.5, local:mine=1\.5, the build command"),
        ("standalone", "stand-alone Python"),
    ):
        with pytest.raises(SpecError, match=words):
            render_apptainer(contents(name))


def make(tmp_path, text, *words):
    (tmp_path / "Makefile").write_text(text)
    (tmp_path / "shipway.lock").touch()
    done = subprocess.run(
        ["make", "-n", "-C", str(tmp_path), "--no-print-directory", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def makefile():
    return render_makefile((contents("cpu"), contents("gpu")), RUNS, default="cpu")


@pytest.mark.needs_tool("make")
def test_the_four_targets_are_phony(makefile, tmp_path):
    names = ["docker-build", "docker-build-cpu", "docker-run", "docker-run-cpu"]
    assert f"\n.PHONY: {' '.join(names)}\n" in makefile
    for name in names:
        (tmp_path / name).touch()
        assert "docker" in make(tmp_path, makefile, name)


@pytest.mark.needs_tool("make")
def test_make_runs_what_the_spec_says(makefile, tmp_path):
    line = make(tmp_path, makefile, "docker-run-cpu", "HOME=/home/me")
    for words in ("--network=none", "--shm-size=1073741824", "--cpus=1.5", "--pids-limit=99", "--env=TOKEN", "'--env=PRICE=5$'",
                  f"--volume={tmp_path}:/work", "--volume=/home/me/data:/data:ro", f"--volume={tmp_path}/models:'/m$x'",
                  "--volume='/srv/x y':/srv", "--name docker-practice-cpu docker-practice-cpu:latest"):  # fmt: skip
        assert f" {words} " in line
    assert "--gpus" not in line
    assert "--gpus=all" in make(tmp_path, makefile, "docker-run")
    build = make(tmp_path, makefile, "docker-build")
    assert (
        "shipway export dockerfile --target gpu --platform linux/amd64 --output build/Dockerfile.gpu" in build
    )
    assert "docker build --tag docker-practice:latest --file build/Dockerfile.gpu ." in build


def test_one_target_has_plain_names():
    text = render_makefile((contents("cpu"),), RUNS, default="cpu")
    assert "\n.PHONY: docker-build docker-run\n" in text


def read_yaml(text):
    """The blocks that we write: keys, dashes, JSON scalars."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]

    def block(depth):
        found = [] if lines and lines[0].lstrip().startswith("-") else {}
        while lines and len(lines[0]) - len(lines[0].lstrip()) == depth:
            line = lines.pop(0).strip()
            if line.startswith("-"):
                found.append(json.loads(line[2:]) if line[1:] else block(depth + 2))
            else:
                key, _, value = line.partition(":") if '": ' not in line else line.partition(": ")
                found[json.loads(key)] = json.loads(value) if value else block(depth + 2)
        return found

    return block(0)


def test_a_slim_target_is_slim_in_every_export():
    plain = contents("cpu")
    slim = replace(plain, target=replace(plain.target, slim=("docs",)))
    for render, count in ((render_dockerfile, 2), (render_apptainer, 1)):
        text = render(slim)
        assert text.count("share/doc") == 2 * count
        assert "find" not in render(plain)
        if render is render_dockerfile:
            for script in shell_of(text):
                check_shell(script)


def test_a_compose_file_has_a_service_for_each_target():
    document = read_yaml(render_compose((contents("cpu"), contents("gpu")), RUNS))
    assert set(document) == {"services"}
    cpu, gpu = document["services"]["cpu"], document["services"]["gpu"]
    assert cpu["build"] == {"context": ".", "dockerfile": "build/Dockerfile.cpu"}
    assert cpu["platform"] == "linux/amd64"
    assert cpu["network_mode"] == "none"
    assert (cpu["shm_size"], cpu["mem_limit"], cpu["cpus"], cpu["pids_limit"]) == (
        "1073741824",
        "2147483648",
        1.5,
        99,
    )
    assert cpu["environment"] == ["HOME=/tmp", "PRICE=5$$", "TOKEN", "KEY"]
    assert cpu["volumes"][1:] == [
        {"type": "bind", "source": "~/data", "target": "/data", "read_only": True},
        {"type": "bind", "source": "./models", "target": "/m$$x"},
        {"type": "bind", "source": "/srv/x y", "target": "/srv"},
        {"type": "bind", "source": "~/.netrc", "target": "/run/secrets/netrc", "read_only": True},
    ]
    assert "deploy" not in cpu
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_a_development_container_is_json():
    document = json.loads(render_devcontainer(contents("gpu"), replace(RUN, cpus=2)))
    building = document["initializeCommand"]
    assert building[building.index("--tag") + 1] == document["image"]
    assert building[building.index("--file") + 1] == "build/Dockerfile.gpu"
    assert building[building.index("--build-arg") + 1] == f"USER_NAME={document['remoteUser']}"
    assert document["workspaceFolder"] == "/work"
    assert document["hostRequirements"] == {"gpu": "optional"}
    assert "--cpus=2" in document["runArgs"]
    assert document["mounts"][0] == "type=bind,source=${localEnv:HOME}/data,target=/data,readonly"
    assert document["mounts"][1] == "type=bind,source=${localWorkspaceFolder}/models,target=/m$x"
    assert "hostRequirements" not in json.loads(render_devcontainer(contents("cpu"), RunOptions()))


def test_a_development_container_on_the_image_itself_needs_no_build():
    document = json.loads(render_devcontainer(contents("gpu"), RunOptions(), "image"))
    giving = document["initializeCommand"]
    assert giving[:3] == ["shipway", "give", "docker"]
    assert giving[giving.index("--name") + 1] == document["image"]
    assert giving[giving.index("--account") + 1] == document["remoteUser"]
    assert giving[giving.index("--target") + 1] == "gpu"
    assert document["updateRemoteUserUID"] is False


def test_data_that_only_shipway_has_are_named():
    plain = contents("cpu")
    uses = (
        DataUse(name="model", source="hf:org/model@0", target="/m"),
        DataUse(name="own", target="/o", folder="o", copy=True),
    )
    fetched = replace(plain, target=replace(plain.target, data=uses))
    said = "Data that shipway fetches are not mounted: `model`; `shipway run` has them."
    assert f"# {said}\n" in render_compose((fetched,), RUNS)
    assert f"# {said}\n" in render_makefile((fetched,), RUNS, default="cpu")
    assert said in json.loads(render_devcontainer(fetched, RUN))["customizations"]["shipway"]["origin"]
    assert "not mounted" not in render_compose((plain,), RUNS)


def test_no_renderer_depends_on_the_order_of_the_lock():
    swapped = replace(LOCK, debs=LOCK.debs[::-1], wheels=LOCK.wheels[::-1])
    from shipway.export.model import read_contents

    other = read_contents(swapped, "full", "linux/amd64")
    assert render_dockerfile(other) == render_dockerfile(contents("full"))
