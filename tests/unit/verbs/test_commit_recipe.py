"""The lines of a spec that say the same as what was installed by hand."""

from shipway.run.top.installed import Distribution, Installed, OsPackage
from shipway.verbs.commit import render_recipe


def python(name, before, after, **more):
    return Distribution(name, before, after, "opt/venv/lib/python3.11/site-packages", **more)


def test_what_was_installed_is_a_line_and_what_was_taken_out_is_said():
    installed = Installed(
        python=(
            python("six", "", "1.17.0", requires=frozenset({"left-to-six"})),
            python("left-to-six", "", "1.0"),
            python("einops", "0.7.0", "0.8.2"),
            python("own", "", "0.1", source="file:///work/own"),
            python("tool", "", "1.0", source="git+https://example.org/tool@0123456789abcdef"),
            python("gone", "2.0", ""),
        ),
        os=(OsPackage("tree", "", "2.1", True, frozenset()), OsPackage("vim", "9.0", "", True, frozenset())),
        bookkeeping=frozenset(),
        others=("opt/new",),
    )
    lines, missed = render_recipe(installed)
    assert lines == (
        'pip = ["einops==0.8.2", "six==1.17.0", "tool @ git+https://example.org/tool@0123456789abcdef"]',
        'apt = ["tree"]',
    )
    assert [one.partition(":")[0] for one in missed] == ["own", "gone", "apt"]
    assert "file:///work/own" in missed[0]
    assert missed[1:] == (
        "gone: it was taken out; `shipway remove gone` does so for good",
        "apt:vim: it was taken out; `shipway remove apt:vim` does so for good",
    )


def test_nothing_installed_is_no_line():
    assert render_recipe(Installed((), (), frozenset(), ())) == ((), ())
