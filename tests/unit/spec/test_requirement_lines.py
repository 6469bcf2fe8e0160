"""pip's requirements files: each kind of line understood, or refused with its line and a next step."""

from __future__ import annotations

import pytest

from shipway.spec.model import Origin
from shipway.spec.requirement import parse_requirement
from shipway.spec.requirement_lines import Reader, split_lines
from shipway.spec.sheet import Findings


def read(text, name="r.txt", **others):
    findings = Findings()
    reader = Reader(
        {name: text, **{key.replace("__", "/"): value for key, value in others.items()}}, findings
    )
    reader.read(name, Origin(file="shipway.toml", line=1))
    return reader.contents, findings.problems


def test_logical_lines():
    text = "\ufeffa==1 # why\n\n# all comment\nb \\\n  >=2 \\\n  ,<3\nc#not-a-comment\nd \\"
    assert list(split_lines(text)) == [(1, "a==1"), (4, "b    >=2    ,<3"), (7, "c#not-a-comment"), (8, "d")]


@pytest.mark.parametrize(
    ("line", "wish"),
    [
        ("jax==0.4.30", "jax==0.4.30"),
        ("  jax [cuda12] == 0.4.30 ; python_version >= '3.9'", "jax [cuda12] == 0.4.30 ; python_version >= '3.9'"),
        ("tool @ git+https://h.invalid/tool@v1", "tool @ git+https://h.invalid/tool@v1"),
        ("git+https://h.invalid/tool@v1#egg=tool", "tool @ git+https://h.invalid/tool@v1"),
        ("-e git+ssh://git@h.invalid/tool.git#egg=tool", "tool @ git+ssh://git@h.invalid/tool.git"),
        ("https://h.invalid/x/numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl", "numpy @ https://h.invalid/x/numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl"),
        ("https://h.invalid/my-tool-1.2.tar.gz", "my-tool @ https://h.invalid/my-tool-1.2.tar.gz"),
    ],
)  # fmt: skip
def test_requirements(line, wish):
    contents, problems = read(line)
    assert not problems
    assert [it.text for it in contents.wishes] == [wish]


def test_local_projects():
    contents, problems = read(
        "-e .\n./libs/tool[fast, big]\n--editable=./other\nfile:./third\nlibs/fourth\n", name="sub/r.txt"
    )
    assert not problems
    assert [(it.path, it.extras, it.origin.line) for it in contents.projects] == [
        ("sub", (), 1),
        ("sub/libs/tool", ("big", "fast"), 2),
        ("sub/other", (), 3),
        ("sub/third", (), 4),
        ("sub/libs/fourth", (), 5),
    ]


def test_other_files_relative_to_the_file_that_names_them_each_once():
    _, problems = read("-r sub/a.txt\n-rsub/a.txt\na\n", sub__a__txt="")
    assert [str(it) for it in problems] == ["r.txt:1: file `sub/a.txt` is not there"]
    findings = Findings()
    texts = {
        "r.txt": "-r sub/a.txt\n--requirement=sub/a.txt\na",
        "sub/a.txt": "b\n-c ../c.txt\n-r ../r.txt",
        "c.txt": "d<2",
    }
    reader = Reader(texts, findings)
    reader.read("r.txt", Origin(file="x"))
    assert not findings.problems
    assert [(it.text, str(it.origin)) for it in reader.contents.wishes] == [
        ("b", "sub/a.txt:1"),
        ("a", "r.txt:3"),
    ]
    assert [it.text for it in reader.contents.constraints] == ["d<2"]


def test_indexes_and_folders():
    contents, problems = read(
        "--extra-index-url https://h.invalid/whl/cu121/\n-i=https://h.invalid/simple\n-f ./wheels\n--require-hashes\n--prefer-binary"
    )
    assert not problems
    assert [(it.alias, it.url, it.folder) for it in contents.indexes] == [
        ("h-invalid-whl-cu121", "https://h.invalid/whl/cu121", ""),
        ("h-invalid", "https://h.invalid/simple", ""),
        ("folder-wheels", "", "wheels"),
    ]


def test_hashes_belong_to_their_requirement():
    one, two = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    contents, problems = read(f"a==1 \\\n  --hash={two} \\\n  --hash {one}\nb==2\n")
    assert not problems
    assert [(it.text, it.hashes) for it in contents.wishes] == [("a==1", (one, two)), ("b==2", ())]


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("...", "does not start with a package name", "requirements look like"),
        ("a==1 --hash=md5:abc", "no sha256 hash", ""),
        ("a==1 --global-option=x", "option `--global-option`", ""),
        ("altgraph @ file:///Apple/altgraph-0.17.2-py2.py3-none-any.whl", "one machine", "altgraph==0.17.2"),
        ("a @ https://${TOKEN}@h.invalid/a.whl", "variable of the environment", "netrc"),
        ("a @ https://me:secret@h.invalid/a.whl", "user or password", "netrc"),
        ("https://h.invalid/unknown", "does not tell which package", "NAME @ ADDRESS"),
        ("--index-url https://me:secret@h.invalid/simple", "user or password", "netrc"),
        ("--index-url ./simple", "no address of an index", ""),
        ("-f https://h.invalid/links.html", "no folder of the project", "indexes"),
        ("--pre", "option `--pre` is not known here", "NAME==VERSION"),
        ("--trusted-host h", "option `--trusted-host`", "certificates"),
        ("-r ../../etc/passwd", "outside the project", ""),
        ("-r /etc/passwd", "outside the project", ""),
        ("-e ../elsewhere", "outside the project", ""),
        ("./wheels/a-1-py3-none-any.whl", "single package file", "folder"),
        ("a b c", "no version bound", ""),
    ],
)
def test_refused_with_line_and_hint(line, said, hint):
    contents, problems = read("fine\n" + line)
    assert [it.text for it in contents.wishes] == ["fine"]
    assert len(problems) == 1
    assert problems[0].file == "r.txt"
    assert problems[0].line == 2
    assert said in problems[0].text
    assert hint in problems[0].hint
    assert "secret" not in str(problems[0])


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Foo_Bar.baz >= 1 , < 2", "foo-bar-baz<2,>=1"),
        ("a[Z_z,b]==1", "a[b,z-z]==1"),
        ("a (==1)", "a==1"),
        ("a ; python_version=='3.9' and  extra == 'x'", 'a; python_version=="3.9" and extra == "x"'),
        ("a@https://h.invalid/x ; os_name != 'nt'", 'a @ https://h.invalid/x ; os_name != "nt"'),
    ],
)  # fmt: skip
def test_one_normal_form(text, normal):
    assert str(parse_requirement(text)) == normal
    assert str(parse_requirement(normal)) == normal


def test_the_reader_agrees_with_packaging():
    from packaging.requirements import InvalidRequirement, Requirement

    samples = [
        "a",
        "a.b_c",
        "a==1.0",
        "a>=1,<2",
        "a!=1.*",
        "a~=1.4",
        "a===x",
        "a[b,c]>=1; sys_platform=='linux'",
        "a @ https://h.invalid/x",
    ]
    samples += [
        "a=1",
        "a b",
        "",
        "-a",
        "a==",
        "a[b",
        "a;",
        "a; nonsense",
        "a @",
        "a-",
        "a>=1,,<2",
        "==1",
        "a[-]",
    ]
    for text in samples:
        try:
            theirs = Requirement(text).name
        except InvalidRequirement:
            theirs = None
        try:
            ours = parse_requirement(text).name
        except ValueError:
            ours = None
        assert (ours is None) == (theirs is None), text
