import pytest

from shipway.core.errors import ExitCode, ToolError
from shipway.run.model import Mount
from shipway.run.words import normal_path, parse_assignment, parse_env_file, parse_mount


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/data:/data", Mount("/data", "/data")),
        ("data:/d:ro", Mount("/here/data", "/d", read_only=True)),
        ("./a/../b:/d:rw", Mount("/here/b", "/d")),
        ("~/x:/d", Mount("/home/ada/x", "/d")),
        ("~:/d/", Mount("/home/ada", "/d")),
        ("../up:/d", Mount("/up", "/d")),
    ],
)
def test_mounts(text, mount):
    assert parse_mount(text, folder="/here", home="/home/ada") == mount


@pytest.mark.parametrize("text", ["", "/a", ":/b", "/a:b", "/a:/b:rx", "/a:/b:ro:z", "a:"])
def test_what_is_no_mount(text):
    with pytest.raises(ToolError, match="not a mount") as caught:
        parse_mount(text, folder="/here", home="/home/ada")
    assert caught.value.code == ExitCode.USAGE
    assert caught.value.hints


def test_assignments():
    assert parse_assignment("A=b=c", {}) == ("A", "b=c")
    assert parse_assignment("A=", {}) == ("A", "")
    assert parse_assignment("A", {"A": "x"}) == ("A", "x")
    assert parse_assignment("A", {}) is None


@pytest.mark.parametrize("text", ["", "=x", "1A=x", "A B=x", "A\n=x", "É=x"])
def test_what_is_no_assignment(text):
    with pytest.raises(ToolError, match="not an environment variable"):
        parse_assignment(text, {})


def test_an_env_file_is_read_literally():
    text = "# comment\n\nA=1\n  B='two words'  \nC\nD\n"
    assert parse_env_file(text, {"C": "caller"}, file="x.env") == (
        ("A", "1"),
        ("B", "'two words'"),
        ("C", "caller"),
    )


def test_an_env_files_error_names_file_and_line():
    with pytest.raises(ToolError, match=r"in `x\.env`, line 2"):
        parse_env_file("A=1\n2=3\n", {}, file="x.env")


@pytest.mark.parametrize(
    ("path", "expected"), [("/", "/"), ("", "/"), ("/a/./b//c/", "/a/b/c"), ("/a/../../b", "/b")]
)
def test_normal_paths(path, expected):
    assert normal_path(path) == expected
