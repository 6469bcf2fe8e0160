"""A root file system by our own parts: resolve, fetch, unpack, configure."""

import os
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from shipway.build.deb_tree import unpack_deb
from shipway.build.dpkg_database import order_parts
from shipway.build.system_tree import SystemSettings, make_system, read_part
from shipway.core.digest import key_of
from shipway.host.http import Fetcher, FetchJob
from shipway.host.mirrors import read_mirrors
from shipway.resolve.deb_locations import deb_locations
from shipway.resolve.debs import DebRequest, resolve_debs
from shipway.spec.model import Base, Origin, Wish
from shipway.store.store import Store


@dataclass(frozen=True)
class Built:
    parts: list
    delta: object
    packages: dict
    """File name as apt has it in its download folder -> path."""

    @property
    def manifests(self):
        essential, rest = order_parts(self.parts)
        return [*(part.manifest for part in (*essential, *rest)), self.delta]


def base_of(suite, fetcher, mirrors):
    """The suite; at its own date where the mirror has stopped and it is no longer valid."""
    text = fetcher.get(mirrors.locations("debian", f"dists/{suite}/InRelease")[0]).body.decode()
    fields = dict(
        line.split(": ", 1) for line in text.splitlines() if line.startswith(("Date: ", "Valid-Until: "))
    )
    date = ""
    if "Valid-Until" in fields and parsedate_to_datetime(fields["Valid-Until"]).timestamp() < _now():
        date = parsedate_to_datetime(fields["Date"]).strftime("%Y-%m-%d")
    return Base(distribution="debian", suite=suite, date=date)


def _now():
    from shipway.host import clock

    return clock.now()


def build_root(suite, names, store_path, work, *, epoch, mode="auto"):
    """Everything from the archive to the delta; artifacts and .deb trees are kept in the store at `store_path`."""
    store, fetcher, mirrors = Store.open(store_path), Fetcher(), read_mirrors(os.environ)
    wishes = tuple(Wish(text=name, origin=Origin(file="test")) for name in names)
    request = DebRequest(
        target="one", platform="linux/amd64", base=base_of(suite, fetcher, mirrors), names=wishes
    )
    found = resolve_debs([request], fetcher=fetcher, store=store, mirrors=mirrors)
    with store.transaction() as tx:
        missing = [deb for deb in found.debs if store.find_blob(deb.sha256) is None]
        jobs = [
            FetchJob(
                sources=tuple(deb_locations(deb, found.archives, mirrors)),
                path=tx.blob_staging_path(deb.sha256),
                sha256=deb.sha256,
                size=deb.size,
                name=deb.name,
            )
            for deb in missing
        ]
        for _, fetched in fetcher.fetch_many(jobs):
            tx.add_blob(fetched.path, fetched.sha256)
        tx.commit()
    trees = {}
    with store.transaction() as tx:
        for deb in found.debs:
            inputs = {"recipe": "deb", "version": 1, "sha256": deb.sha256.hex, "usrmerge": True}
            tree = store.find_tree(key_of(inputs))
            if tree is None:
                staged = tx.stage(deb.name)
                tree = tx.add_tree(inputs, staged, unpack_deb(store.find_blob(deb.sha256), staged.fd))
            trees[deb.id] = tree
        tx.commit()
    fetcher.close()
    parts = [read_part(store.find_blob(deb.sha256), trees[deb.id]) for deb in found.debs]
    root = os.path.join(work, "root")
    os.makedirs(root)
    settings = SystemSettings(architecture="amd64", epoch=epoch)
    packages = {
        f"{deb.name}_{deb.version.replace(':', '%3a')}_{deb.architecture}.deb": store.find_blob(deb.sha256)
        for deb in found.debs
    }
    delta = make_system(parts, settings, root, os.path.join(work, "work"), mode=mode)
    return Built(parts, delta, packages)
