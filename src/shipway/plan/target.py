"""The plan of one locked target: the trees behind each recorded layer, with the inputs that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.core.foreign import layer_inputs
from shipway.core.image_source import Transport, parse_image_source
from shipway.core.reference import parse_reference
from shipway.core.waste import WASTE_VERSION
from shipway.plan.data import DATA_MEMBER, copied_data
from shipway.plan.model import ImageSettings, Layer, Plan, TreeKind, TreeRequest

if TYPE_CHECKING:
    from shipway.lock.model import BaseImage, Deb, LayerLock, Lock, PythonLock, TargetLock, Wheel

PREFIX = "/opt/venv"
"""Where the Python environment is in every image."""
OVER_VERSION = 1
"""Of the way OS packages are installed over an image of others."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def plan_target(lock: Lock, name: str, platform: str) -> Plan:
    """Everything to make for target `name` on `platform`, from the bottom up.

    Raises:
        KeyError: the lock has no such target, or a layer names a package that the lock does not hold.
    """
    target = lock.target(name, platform)
    planner = _Planner(lock, target)
    layers = base_layers(planner.base) if planner.base else []
    below: list[TreeRequest] = [tree for layer in layers for tree in layer.trees]
    for layer in target.layers:
        planned = planner.layer(layer, below)
        layers.append(planned)
        below.extend(planned.trees)
    return Plan(target=name, platform=platform, layers=tuple(layers), settings=_settings(lock, target))


def _settings(lock: Lock, target: TargetLock) -> ImageSettings:
    """Variables, user and entrypoint of the base image hold where the target has none of its own, as after `FROM`."""
    base = lock.base_of(target)
    env = {"PATH": _PATH, "LANG": "C.UTF-8", **dict(base.env if base else ())}
    if target.python:
        env["PATH"] = f"{PREFIX}/bin:" + env["PATH"]
        env["VIRTUAL_ENV"] = PREFIX
    env.update(target.env)
    return ImageSettings(
        env=tuple(sorted(env.items())),
        workdir=target.workdir,
        command=target.command or (base.command if base else ()),
        epoch=lock.epoch,
        user=base.user if base else "",
        entrypoint=base.entrypoint if base else (),
        labels=tuple({**dict(_labels(base) if base else ()), **dict(target.labels)}.items()),
    )


def _labels(base: BaseImage) -> tuple[tuple[str, str], ...]:
    """What image-spec 1.1 (annotations) has for the base; a place on one machine's disk is no name for others."""
    labels = [("org.opencontainers.image.base.digest", str(base.manifest))]
    source = parse_image_source(base.name)
    if source.transport is Transport.REGISTRY:
        labels.append(("org.opencontainers.image.base.name", parse_reference(source.place).text))
    return tuple(labels)


def base_layers(base: BaseImage) -> list[Layer]:
    """The layers of the base image, bottom first: one tree each, and the bytes that they came as."""
    diff_ids = [layer.diff_id for layer in base.layers]
    layers = []
    for number, layer in enumerate(base.layers):
        request = TreeRequest(
            kind=TreeKind.BASE,
            name=f"base layer {number + 1} {layer.diff_id.hex[:12]}",
            inputs=layer_inputs(layer.diff_id, diff_ids[:number]),
            size=layer.size,
        )
        reason = f"of the base `{base.name}`, unchanged"
        layers.append(
            Layer(name=f"base-{number + 1}", trees=(request,), packages=(), reason=reason, came=layer)
        )
    return layers


class _Planner:
    """The lock's packages by id, and one method per kind of tree."""

    def __init__(self, lock: Lock, target: TargetLock) -> None:
        self.lock, self.target = lock, target
        self.base = lock.base_of(target)
        self.debs = {deb.id: deb for deb in lock.debs}
        self.wheels = {wheel.id: wheel for wheel in lock.wheels}

    def layer(self, layer: LayerLock, below: list[TreeRequest]) -> Layer:
        trees, packages = [], []
        for member in layer.members:
            if member in self.debs:
                deb = self.debs[member]
                trees.append(self._deb(deb))
                packages.append(f"{deb.name} {deb.version}")
            elif member in self.wheels:
                wheel = self.wheels[member]
                trees.append(self._wheel(wheel))
                packages.append(f"{wheel.name} {wheel.version}")
            else:
                trees.append(self._special(member, [*below, *trees]))
        return Layer(name=layer.name, trees=tuple(trees), packages=tuple(packages), reason=layer.reason)

    def _deb(self, deb: Deb) -> TreeRequest:
        inputs = {
            "recipe": "deb",
            "version": self.lock.recipes.deb,
            "sha256": deb.sha256.hex,
            "usrmerge": self.base is None or self.base.usrmerge,
            **self._slim(),
        }
        return TreeRequest(
            kind=TreeKind.DEB,
            name=f"{deb.name} {deb.version}",
            inputs=inputs,
            members=(deb.id,),
            size=deb.size,
        )

    def _wheel(self, wheel: Wheel) -> TreeRequest:
        inputs: dict[str, Any] = {
            "recipe": "wheel",
            "version": self.lock.recipes.wheel,
            "sha256": wheel.sha256.hex,
            "filename": wheel.filename,
            "prefix": PREFIX,
            "python": self._python.version,
            "bytecode": self.target.bytecode,
            **self._slim(),
        }
        if self.target.bytecode:
            # A patch release may compile the same source to other bytes.
            inputs["interpreter"] = self._interpreter()
        return TreeRequest(
            kind=TreeKind.WHEEL,
            name=f"{wheel.name} {wheel.version}",
            inputs=inputs,
            members=(wheel.id,),
            size=wheel.size,
        )

    def _special(self, member: str, below: list[TreeRequest]) -> TreeRequest:
        match member:
            case "system":
                return TreeRequest(kind=TreeKind.SYSTEM, name="package configuration", inputs=self._system())
            case "python":
                python = self._python
                inputs = {
                    "recipe": "python",
                    "version": 1,
                    "sha256": python.sha256.hex if python.sha256 else "",
                    "python": python.version,
                    **self._slim(),
                }
                return TreeRequest(
                    kind=TreeKind.PYTHON, name=f"python {python.version}", inputs=inputs, size=python.size
                )
            case "venv":
                return TreeRequest(kind=TreeKind.VENV, name="python environment", inputs=self._venv())
            case "commands":
                commands = [[list(one.argv), list(one.inputs), one.network] for one in self.target.build]
                inputs = {
                    "recipe": "commands",
                    "version": 1,
                    "commands": commands,
                    "below": [tree.key.hex for tree in below],
                }
                return TreeRequest(kind=TreeKind.COMMANDS, name="build commands", inputs=inputs)
            case data if data.startswith(DATA_MEMBER):
                return copied_data(self.lock, self.target, data.removeprefix(DATA_MEMBER))
            case "files":
                return TreeRequest(kind=TreeKind.FILES, name="project files", inputs=self._files())
            case _:
                raise KeyError(f"layer member {member!r} is in no section of the lock")

    def _slim(self) -> dict[str, Any]:
        """What packages leave out; nothing where they leave out nothing, for keys are made to last."""
        return {"slim": [WASTE_VERSION, *self.target.slim]} if self.target.slim else {}

    def _interpreter(self) -> str:
        """The interpreter's own package or archive, by digest."""
        if self._python.sha256 is not None:
            return self._python.sha256.hex
        wanted = (f"python{self._python.version}-minimal", f"libpython{self._python.version}-minimal")
        chosen = [self.debs[member] for member in self.target.debs]
        return ",".join(sorted(deb.sha256.hex for deb in chosen if deb.name in wanted))

    @property
    def _python(self) -> PythonLock:
        if self.target.python is None:
            raise KeyError(f"target {self.target.name!r} has wheels and no interpreter")
        return self.target.python

    def _system(self) -> dict[str, Any]:
        chosen = [self.debs[member] for member in self.target.debs]
        distribution, _, suite = self.target.base.partition(":")
        inputs: dict[str, Any] = {
            "recipe": "system",
            "version": self.lock.recipes.system,
            "debs": sorted([deb.name, deb.version, deb.architecture, deb.sha256.hex] for deb in chosen),
            "distribution": distribution,
            "suite": suite.partition("@")[0],
            "epoch": self.lock.epoch,
            **self._slim(),
        }
        if self.base is not None:
            inputs |= {"distribution": self.base.distribution, "suite": self.base.suite}
            inputs |= {"over": OVER_VERSION, "base": [layer.diff_id for layer in self.base.layers]}
        return inputs

    def _venv(self) -> dict[str, Any]:
        return {
            "recipe": "venv",
            "version": self.lock.recipes.venv,
            "python": self._python.version,
            "executable": self._python.executable,
            "system_site_packages": self.target.system_site_packages,
        }

    def _files(self) -> dict[str, Any]:
        return {
            "recipe": "files",
            "version": self.lock.recipes.files,
            "workdir": self.target.workdir,
            "include": list(self.target.include),
            "ignore": list(self.target.ignore),
        }
