import pytest

from shipway.core.errors import SpecError
from shipway.spec.parse import parse_spec
from shipway.spec.render import render_spec

URL = f'url = "https://h.invalid/x.tar"\nsha256 = "{"a" * 64}"\ntarget = "/x"\n'


def parse(text):
    return parse_spec(f'name = "p"\n{text}').spec


def test_a_target_drops_and_replaces_what_it_inherits():
    spec = parse(
        '[data.own]\nfolder = "~/d"\ntarget = "/d"\n[data.net]\nvolume = "v"\ntarget = "/n"\n'
        '[targets.a]\n[targets.b]\nwithout = ["data:own"]\n[targets.b.data.net]\n' + URL
    )
    assert [one.name for one in spec.target("a").data] == ["net", "own"]
    (net,) = spec.target("b").data
    assert net.url
    assert net.read_only
    assert parse_spec(render_spec(spec)).spec == spec


def test_defaults_of_writing():
    (one,) = parse('[data.v]\nvolume = "v"\ntarget = "/v"').target().data
    assert not one.read_only
    assert parse("[data.u]\n" + URL).target().data[0].read_only


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('target = "/x"', "exactly one of"),
        ('folder = "a"\nvolume = "v"\ntarget = "/x"', "has `folder` and `volume`"),
        ('folder = "a"', "`target` is missing"),
        ('folder = "a"\ntarget = "/etc/x"', "belongs to the system"),
        ('folder = "a"\ntarget = "/work"', "the project is at `/work` already"),
        ('folder = "a"\nunpack = true\ntarget = "/x"', "says nothing about a `folder`"),
        ('volume = "v"\nhow = "copy"\ntarget = "/x"', "cannot be copied into an image"),
        ('url = "https://h.invalid/x"\ntarget = "/x"', "needs `sha256`"),
        ('url = "https://u:p@h.invalid/x"\nsha256 = "a"\ntarget = "/x"', "user or password"),
        ('hub = "hf:org/m"\ntarget = "/x"', "needs `revision`"),
        ('hub = "hf:org/m"\nrevision = "main"\ntarget = "/x"', "has not the form"),
        ('hub = "org/m"\ntarget = "/x"', "has not the form"),
        (URL + "read-only = false", "what is fetched cannot be written"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(SpecError, match=message):
        parse(f"[data.x]\n{text}\n")
