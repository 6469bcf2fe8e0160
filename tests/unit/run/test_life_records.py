"""Containers are found by name and by id without a look at all others, and what they are is read back as it was."""

import os
from pathlib import Path

import pytest

from shipway.run.life import records
from shipway.run.life.model import Record
from shipway.run.model import Environment, Invocation, LifeOptions


def _record(identity: str, name: str) -> Record:
    environment = Environment(
        "/p", "p", "default", lowers=("/t/a", "/t/b"), keys=("k",), env=(("A", "1"),), workdir="/w"
    )
    return Record(identity, name, "native", environment, Invocation(argv=("true",)), LifeOptions(), made=1.0)


@pytest.fixture
def state(tmp_path):
    """With three containers, one of which cannot be read by whoever looks at all."""
    for identity, name in (("aaa111111111", "one"), ("aab222222222", "two"), ("bbb333333333", "broken")):
        records.make_container(str(tmp_path), _record(identity, name))
    Path(tmp_path, "containers/bbb333333333/container.json").write_text("{")
    return str(tmp_path)


def test_a_name_leads_to_its_record_as_it_was_written(state):
    found, folder = records.find_record(state, "one")
    assert found == _record("aaa111111111", "one")
    assert folder == f"{state}/containers/aaa111111111"


def test_others_are_not_read_for_a_name(state, monkeypatch):
    monkeypatch.setattr(records, "list_records", lambda _: pytest.fail("all were read"))
    assert records.find_record(state, "two")[0].id == "aab222222222"
    assert records.find_record(state, "aab222222222")[0].name == "two"
    assert records.find_record(state, "three") is None


def test_the_beginning_of_an_id_counts_when_it_is_one_of_one_only(state):
    assert records.find_record(state, "aab")[0].name == "two"
    assert records.find_record(state, "aa") is None
    records.make_container(state, _record("aab999999999", "four"))
    assert records.find_record(state, "aab") is None


def test_a_name_goes_before_an_id(state):
    records.make_container(state, _record("ccc444444444", "aab"))
    assert records.find_record(state, "aab")[0].id == "ccc444444444"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "by-name", "one/main", "../containers/aaa111111111", "broken"]
)
def test_what_is_no_name_finds_nothing(state, name):
    assert records.find_record(state, name) is None


def test_the_old_name_of_a_container_is_free(state):
    record, folder = records.find_record(state, "one")
    records.write_record(folder, record._replace(name="other"))
    assert records.find_named(state, "one") is None
    assert records.find_named(state, "other")[0].id == record.id
    assert sorted(os.listdir(f"{state}/containers/by-name")) == ["broken", "other", "two"]
