import pytest
from run_values import GROUP, HOST, IMAGE, PASSWD

from shipway.run.accounts import choose_account, choose_shell, render_group, render_passwd


def test_the_caller_keeps_ids_and_names():
    account = choose_account(HOST, IMAGE)
    assert (account.uid, account.gid, account.name, account.group) == (1000, 1000, "ada", "staff")
    assert account.home == "/home/ada"
    assert account.shell == "/usr/bin/bash", "the image has no zsh"


def test_the_caller_is_in_passwd_once_by_name_and_once_by_number():
    image = PASSWD + "ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\nada:x:7:7::/:/bin/sh\n"
    lines = render_passwd(image, choose_account(HOST, IMAGE)).splitlines()
    assert [line for line in lines if line.split(":")[2] == "1000"] == [
        "ada:x:1000:1000:ada:/home/ada:/usr/bin/bash"
    ]
    assert [line.split(":")[0] for line in lines] == ["root", "nobody", "ada"]


def test_root_stays_the_first_entry_and_gets_our_home():
    root = choose_account(HOST._replace(uid=0, gid=0, user="root", group="root"), IMAGE)
    assert render_passwd(PASSWD, root).splitlines()[0] == "root:x:0:0:root:/root:/usr/bin/bash"
    assert render_group(GROUP, root).splitlines()[0] == "root:x:0:"


def test_the_primary_group_replaces_what_has_its_number_or_name():
    account = choose_account(HOST._replace(gid=100), IMAGE)
    assert render_group(GROUP, account).splitlines() == ["root:x:0:", "nogroup:x:65534:", "staff:x:100:"]


def test_an_image_without_accounts_gets_one():
    assert render_passwd("", choose_account(HOST, IMAGE)) == "ada:x:1000:1000:ada:/home/ada:/usr/bin/bash\n"


@pytest.mark.parametrize("name", ["", "a:b", "evil\nroot:x:0:0", "a/b", "+nis", "two words"])
def test_a_name_that_passwd_cannot_hold_is_not_used(name):
    account = choose_account(HOST._replace(user=name), IMAGE)
    assert account.name == "user"
    assert len(render_passwd(PASSWD, account).splitlines()) == 3


def test_a_directory_service_name_is_kept_but_not_as_a_path():
    account = choose_account(HOST._replace(user="CORP\\ada@x"), IMAGE)
    assert account.name == "CORP\\ada@x"
    assert account.home == "/home/CORP_ada_x"


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        ("/bin/zsh", ("/usr/bin/bash", "/usr/bin/zsh"), "/usr/bin/zsh"),
        ("/bin/fish", ("/bin/dash", "/bin/sh"), "/bin/sh"),
        ("", ("/usr/bin/bash",), "/usr/bin/bash"),
        ("/bin/zsh", (), "/bin/sh"),
    ],
)
def test_the_shell_is_one_that_is_there(wanted, there, expected):
    assert choose_shell(wanted, there) == expected
