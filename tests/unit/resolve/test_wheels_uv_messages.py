"""Recorded words of uv 0.13.9, and what a user is told instead."""

import pytest

from shipway.core.errors import ConflictError, FetchError, NotFound, OfflineError
from shipway.resolve.conflicts import Fact, explain, names_without_wheels, read_facts
from shipway.resolve.uv_run import NoSolution, _failure
from shipway.resolve.wheel_request import WheelRequest
from shipway.spec.model import Origin, Wish

TAIL = "And because your project requires shipway-resolution:t0, we can conclude that your project's requirements are unsatisfiable."
CHAIN = """error: No solution found when resolving dependencies for split (markers: python_full_version == '3.11.*')
  cause: Because jax==0.4.30 depends on numpy>=1.22 and shipway-resolution:t0 depends on jax==0.4.30, we can conclude that shipway-resolution:t0 depends on numpy>=1.22.
         And because shipway-resolution:t0 depends on numpy<1.20 and your project requires shipway-resolution:t0, we can conclude that your project's requirements are unsatisfiable.
"""
SAME_NAME = f"""error: No solution found when resolving dependencies
  cause: Because shipway-resolution:t0 depends on flax==0.8.0 and flax<0.7, we can conclude that shipway-resolution:t0's requirements are unsatisfiable.
         {TAIL}
"""
MARKED = """error: No solution found when resolving dependencies
  cause: Because shipway-resolution:t0 depends on numpy{sys_platform == 'linux' and python_full_version < '3.12'}==2 and all versions of app depend on numpy<2, we can conclude nothing.
"""
BULLETS = """error: No solution found when resolving dependencies
  cause: Because all of:
             numpy==1.10.0
             numpy==1.10.3
          have no wheels with a matching Python version tag (e.g., `cp311`) and app==1.0 depends on one of:
             numpy==1.10.0
             numpy==1.10.3
         we can conclude that it is so.

hint: Wheels are required for `numpy` because building from source is disabled for all packages (i.e., with `--no-build`)
"""
MISSING = f"""error: No solution found when resolving dependencies
  cause: Because nonsense was not found in the package registry and app==1.0 depends on nonsense, we can conclude that app==1.0 cannot be used.
         And because shipway-resolution:t0 depends on app==1.0, we can conclude that shipway-resolution:t0's requirements are unsatisfiable.
         {TAIL}
"""
DOWN = """error: Failed to fetch: http://127.0.0.1:9/simple/pandas/
  cause: error sending request for url (http://127.0.0.1:9/simple/pandas/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""
DENIED = """error: No solution found when resolving dependencies
  cause: Because lib was not found in the package registry and shipway-resolution:t0 depends on lib, we can conclude nothing.

hint: An index URL (http://127.0.0.1:9/simple) could not be queried due to a lack of valid authentication credentials (401 Unauthorized).
"""


def groups(*texts, constraints=()):
    wishes = tuple(Wish(text=t, origin=Origin(file="req.txt", line=n)) for n, t in enumerate(texts, 1))
    limits = tuple(Wish(text=t, origin=Origin(file="c.txt", line=n)) for n, t in enumerate(constraints, 1))
    return {
        "t0": WheelRequest(
            target="gpu",
            platform="linux/amd64",
            python="3.11",
            glibc=(2, 36),
            wishes=wishes,
            constraints=limits,
        )
    }


def told(text, asked, versions=()):
    return explain(text, asked, versions_of=lambda name: list(versions))


def test_facts_of_a_chain():
    assert read_facts(CHAIN) == (
        Fact(who="", what="jax==0.4.30", group="t0"),
        Fact(who="", what="numpy<1.20", group="t0"),
        Fact(who="jax==0.4.30", what="numpy>=1.22"),
    )


def test_two_objects_and_markers():
    assert [fact.what for fact in read_facts(SAME_NAME)] == ["flax==0.8.0", "flax<0.7"]
    assert read_facts(MARKED) == (Fact(who="", what="numpy==2", group="t0"), Fact(who="app", what="numpy<2"))


def test_conflict_names_lines_targets_and_the_need_between():
    error = told(CHAIN, groups("jax[cuda12]==0.4.30", "numpy<1.20"))
    assert isinstance(error, ConflictError)
    assert error.message.splitlines() == [
        "the Python requirements of `gpu` cannot be met together",
        "  `jax[cuda12]==0.4.30` is asked for by req.txt:1",
        "  `numpy<1.20` is asked for by req.txt:2",
        "  `jax==0.4.30` needs `numpy>=1.22`",
    ]
    assert "target gpu depends on" in error.detail


def test_constraint_is_named_too():
    assert (
        "`numpy<1.20` is asked for by c.txt:1"
        in told(CHAIN, groups("jax==0.4.30", constraints=["numpy<1.20"])).message
    )


def test_package_that_a_package_needs_and_nobody_has():
    error = told(MISSING, groups("app==1.0"))
    assert isinstance(error, NotFound)
    assert "`app==1.0` needs it" in error.message


def test_packages_without_wheels():
    assert names_without_wheels(BULLETS) == ("numpy",)
    assert names_without_wheels("Because all versions of doc-opt have no usable wheels and x") == ("doc-opt",)
    assert names_without_wheels(CHAIN) == ()


@pytest.mark.parametrize(
    ("text", "kind"),
    [(CHAIN, NoSolution), (DOWN, FetchError), (DENIED, FetchError)],
)
def test_kinds_of_failure(text, kind):
    error = _failure(text, offline=False)
    assert type(error) is kind
    assert kind is NoSolution or error.hints


def test_offline():
    text = "error: No solution found\nhint: Packages were unavailable because the network was disabled."
    assert isinstance(_failure(text, offline=True), OfflineError)


def test_escape_sequences_of_a_spec_do_not_reach_the_terminal():
    evil = MISSING.replace("nonsense", "evil")
    assert "\x1b" not in told(evil, groups("evil\x1b[31m")).message
