from shipway.build.clashes import describe_clashes
from shipway.core.manifest import DIRECTORY, FILE, Entry, Manifest
from shipway.plan.model import TreeKind, TreeRequest


class Made:
    """A tree that has nothing but a manifest."""

    def __init__(self, **files):
        self._manifest = Manifest(
            Entry(name, FILE, 0o644, digest=content) if content else Entry(name, DIRECTORY, 0o755)
            for name, content in files.items()
        )

    def manifest_text(self):
        return self._manifest.render()


def wheel(name, kind=TreeKind.WHEEL):
    return TreeRequest(kind=kind, name=name, inputs={"name": name})


def test_two_wheels_that_differ_in_a_path_are_named_with_the_winner():
    told = describe_clashes(
        [wheel("a 1"), wheel("b 2")], [Made(tests="1", same="x"), Made(tests="2", same="x")]
    )
    assert told == ("a 1 and b 2 both bring `/tests`; that of b 2 is seen",)


def test_equal_contents_and_other_kinds_of_trees_are_no_clash():
    assert describe_clashes([wheel("a 1"), wheel("b 2")], [Made(x="1"), Made(x="1")]) == ()
    assert describe_clashes([wheel("a 1"), wheel("b 2")], [Made(d=""), Made(d="")]) == ()
    assert describe_clashes([wheel("deb", TreeKind.DEB), wheel("b 2")], [Made(x="1"), Made(x="2")]) == ()


def test_many_paths_are_counted():
    names = [f"f{number}" for number in range(9)]
    (told,) = describe_clashes(
        [wheel("a 1"), wheel("b 2")], [Made(**dict.fromkeys(names, "1")), Made(**dict.fromkeys(names, "2"))]
    )
    assert "and 4 more" in told
