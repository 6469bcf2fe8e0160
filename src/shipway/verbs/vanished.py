"""Which locked artifacts nobody offers any more: asked of every place, without fetching them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from shipway.core.errors import FetchError
from shipway.core.events import Began, Did, Ended, Note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.host.http import Fetcher
    from shipway.host.location import Location
    from shipway.lock.model import Deb, Lock, Source, Wheel
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project

_PHASE = "look for locked packages"
_WORKERS = 12


def find_vanished(project: Project, lock: Lock, store: Store, task: Task) -> frozenset[str]:
    """Names of packages whose artifact is neither in the store nor offered anywhere. What cannot be asked counts as there.

    Raises:
        OfflineError: the network is forbidden.
    """
    from shipway.host.http import Fetcher
    from shipway.host.http_transport import Limits
    from shipway.verbs.locate import open_locate

    fetcher = Fetcher(offline=task.offline, limits=Limits(rounds=1, resumes=0))
    locate = open_locate(project, lock, store, fetcher, task)
    artifacts = [one for one in _artifacts(lock) if store.find_blob(one.sha256) is None]
    task.emit(Began(_PHASE, len(artifacts)))

    def ask(artifact: Deb | Wheel | Source) -> str:
        try:
            gone = not is_offered(locate(artifact), fetcher)
        except FetchError as error:
            task.emit(Note(f"{artifact.name}: {error.message}", "warning"))
            gone = False
        task.emit(Did(_PHASE, artifact.name))
        return artifact.name if gone else ""

    with ThreadPoolExecutor(_WORKERS) as pool:
        names = frozenset(pool.map(ask, artifacts)) - {""}
    task.emit(Ended(_PHASE))
    for name in sorted(names):
        task.emit(Note(f"`{name}` is offered nowhere any more", "warning"))
    return names


def is_offered(places: Iterable[Location], fetcher: Fetcher) -> bool:
    """Whether some place may have it. A clear "no" from one and no "yes" from any means no; one byte is asked for."""
    from shipway.host.http import NotOffered, TooLarge

    asked = refused = 0
    for place in places:
        asked += 1
        try:
            fetcher.get(place, headers={"Range": "bytes=0-0"}, max_size=1)
        except TooLarge:
            return True
        except NotOffered:
            refused += 1
            continue
        except FetchError:
            continue  # trouble that says nothing about the file
        return True
    return asked > 0 and refused == 0


def _artifacts(lock: Lock) -> list[Deb | Wheel | Source]:
    """What is downloaded: every .deb, every wheel and sdist of an index."""
    found: list[Deb | Wheel | Source] = list(lock.debs)
    found += [wheel for wheel in lock.wheels if wheel.index]
    found += [source for source in lock.sources if source.index]
    return found
