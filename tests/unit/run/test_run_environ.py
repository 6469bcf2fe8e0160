from run_values import ENVIRONMENT, HOST, IMAGE, TRUE, with_environ

from shipway.run.model import Invocation, Network, RunOptions
from shipway.run.request import plan_run


def env_of(environment=ENVIRONMENT, asked=TRUE, host=HOST, certificates=b""):
    return dict(
        plan_run(
            environment, asked, host, home="/state/home", bytecode="/bytecode", certificates=certificates
        ).env
    )


def test_the_standard_variables():
    env = env_of(ENVIRONMENT._replace(env=()))
    assert env == {
        "PATH": "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/home/ada",
        "USER": "ada",
        "LOGNAME": "ada",
        "SHELL": "/usr/bin/bash",
        "HOSTNAME": "my-project-cpu",
        "LANG": "C.UTF-8",
        "SHIPWAY": "1",
        "PROMPT_COMMAND": ". /etc/shipway-prompt.sh",
        "PYTHONPYCACHEPREFIX": "/var/cache/shipway/bytecode",
        "TERM": "xterm",
    }


def test_the_callers_environment_does_not_leak():
    env = env_of(
        host=with_environ(AWS_SECRET_ACCESS_KEY="s", LD_PRELOAD="/x.so", PYTHONPATH="/host", DISPLAY=":0")
    )
    assert not {"AWS_SECRET_ACCESS_KEY", "LD_PRELOAD", "DISPLAY"} & set(env)
    assert env["PYTHONPATH"] == "/work/src"


def test_later_sources_win():
    options = RunOptions(env=(("B", "spec"), ("C", "spec")), pass_env=("C", "ABSENT"))
    environment = ENVIRONMENT._replace(
        env=(("A", "image"), ("B", "image"), ("TERM", "dumb")), options=options
    )
    env = env_of(
        environment,
        Invocation(argv=("x",), env=(("D", "line"), ("A", "line"))),
        with_environ(C="caller", TERM="xterm"),
    )
    assert (env["A"], env["B"], env["C"], env["D"], env["TERM"]) == ("line", "spec", "caller", "line", "dumb")
    assert "ABSENT" not in env


def test_proxies_go_in_with_the_network_only():
    host = with_environ(http_proxy="http://p", HTTPS_PROXY="http://p", no_proxy="localhost", ALL_PROXY="")
    assert {"http_proxy", "HTTPS_PROXY", "no_proxy"} <= set(env_of(host=host))
    assert "ALL_PROXY" not in env_of(host=host)
    assert not {"http_proxy", "HTTPS_PROXY"} & set(
        env_of(asked=TRUE._replace(network=Network.NONE), host=host)
    )


def test_a_locale_that_the_image_lacks_is_not_promised():
    german = with_environ(LANG="de_DE.UTF-8", LC_TIME="de_DE.UTF-8", LC_COLLATE="C")
    env = env_of(host=german)
    assert env["LANG"] == "C.UTF-8"
    assert "LC_TIME" not in env
    assert env["LC_COLLATE"] == "C"
    with_locales = ENVIRONMENT._replace(facts=IMAGE._replace(locales=True))
    assert env_of(with_locales, host=german)["LANG"] == "de_DE.UTF-8"


def test_a_zone_that_the_image_does_not_know_is_named_by_its_file():
    host = with_environ(TZ="Asia/Tokyo")._replace(timezone="Asia/Tokyo")
    bare = ENVIRONMENT._replace(facts=IMAGE._replace(zoneinfo=False))
    assert env_of(bare, host=host)["TZ"] == ":/etc/localtime"
    assert env_of(host=host)["TZ"] == "Asia/Tokyo"
    assert env_of(bare, host=with_environ(TZ="CET-1CEST"))["TZ"] == "CET-1CEST"
    assert "TZ" not in env_of()


def test_own_certificates_are_brought_along_under_every_name():
    host = with_environ(PIP_CERT="/corp.pem", GIT_SSL_CAINFO="/corp.pem")._replace(
        own_certificates="/corp.pem"
    )
    request = plan_run(ENVIRONMENT, TRUE, host, home="/h", bytecode="/bytecode", certificates=b"PEM")
    env = dict(request.env)
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO")
    assert {env[name] for name in names} == {"/etc/shipway-certificates.crt"}
    assert b"PEM" in [file.data for file in request.files if file.path == "etc/shipway-certificates.crt"]
    assert request.notes == ()


def test_an_image_that_says_where_its_certificates_are_is_believed():
    environment = ENVIRONMENT._replace(env=(("SSL_CERT_FILE", "/mine.pem"),))
    host = with_environ()._replace(own_certificates="/corp.pem")
    assert env_of(environment, host=host, certificates=b"PEM")["SSL_CERT_FILE"] == "/mine.pem"


def test_unreadable_certificates_are_said_and_break_nothing():
    host = HOST._replace(own_certificates="/corp.pem")
    request = plan_run(ENVIRONMENT, TRUE, host, home="/h", bytecode="/bytecode", certificates=b"")
    assert "`/corp.pem`" in request.notes[0]
    assert "SSL_CERT_FILE" not in dict(request.env)


def test_an_image_with_certificates_on_a_plain_host_is_left_alone():
    assert "SSL_CERT_FILE" not in env_of()


def test_compiled_modules_in_the_trees_are_used_where_they_are():
    environment = ENVIRONMENT._replace(bytecode=True)
    request = plan_run(environment, TRUE, HOST, home="/h", bytecode="/bytecode")
    assert "PYTHONPYCACHEPREFIX" not in dict(request.env)
    assert "/bytecode" not in [mount.source for mount in request.mounts]
