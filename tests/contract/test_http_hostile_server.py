"""What `Fetcher` does with servers that fail, lie, dawdle or ask for more than they may know."""

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shipway.core.digest import BlobDigest
from shipway.core.errors import FetchError, HashMismatch, OfflineError, StoreError
from shipway.host.http import Auth, Fetcher, FetchJob, Limits, Location, NotOffered
from shipway.testing.file_server import Behaviour, FileServer

BODY = bytes(range(256)) * 4000
DIGEST = BlobDigest.of(BODY)
SIZE = len(BODY)
QUICK = Limits(
    connect=2,
    silence=0.3,
    headers=1.0,
    slow_window=0.3,
    slow_rate=1000,
    rounds=3,
    pause=0.01,
    pause_most=0.05,
)


@pytest.fixture
def server():
    with FileServer() as running:
        running.put("/f.whl", BODY)
        yield running


@pytest.fixture
def other():
    with FileServer() as running:
        running.put("/f.whl", BODY)
        yield running


@pytest.fixture
def fetcher():
    running = Fetcher(limits=QUICK, environ={"HOME": "/nonexistent"}, sleep=lambda seconds: None)
    yield running
    running.close()


def fetch(fetcher, path, *servers, size=SIZE, digest=DIGEST):
    return fetcher.fetch([Location(s.url + "/f.whl") for s in servers], str(path), digest, size)


def test_honest_server(server, fetcher, tmp_path):
    got = fetch(fetcher, tmp_path / "f", server)
    assert (tmp_path / "f").read_bytes() == BODY
    assert (got.sha256, got.size) == (DIGEST, len(BODY))


def test_unknown_digest_is_computed(server, fetcher, tmp_path):
    assert fetch(fetcher, tmp_path / "f", server, size=None, digest=None).sha256 == DIGEST


def test_truncation_is_resumed_from_where_it_stopped(server, fetcher, tmp_path):
    server.order("/f.whl", Behaviour.TRUNCATE, Behaviour.HONEST)
    fetch(fetcher, tmp_path / "f", server)
    assert (tmp_path / "f").read_bytes() == BODY
    assert server.asked("/f.whl")[1].headers["range"].startswith("bytes=")


@pytest.mark.parametrize("second", [Behaviour.IGNORES_RANGE, Behaviour.WRONG_RANGE])
def test_resume_that_is_not_honoured_starts_again(server, fetcher, tmp_path, second):
    server.order("/f.whl", Behaviour.TRUNCATE, second, Behaviour.HONEST)
    fetch(fetcher, tmp_path / "f", server)
    assert (tmp_path / "f").read_bytes() == BODY


def test_resume_from_another_location(server, other, fetcher, tmp_path):
    server.order("/f.whl", Behaviour.TRUNCATE, Behaviour.MISSING)
    fetch(fetcher, tmp_path / "f", server, other)
    assert (tmp_path / "f").read_bytes() == BODY
    assert "range" in other.asked("/f.whl")[0].headers


def test_truncation_without_known_digest_never_mixes_two_answers(server, fetcher, tmp_path):
    server.order("/f.whl", Behaviour.TRUNCATE, Behaviour.HONEST)
    fetch(fetcher, tmp_path / "f", server, digest=None, size=None)
    assert (tmp_path / "f").read_bytes() == BODY
    assert all("range" not in request.headers for request in server.requests)


def test_wrong_bytes_are_fetched_once_more_past_caches(server, fetcher, tmp_path):
    server.order("/f.whl", Behaviour.WRONG, Behaviour.HONEST)
    fetch(fetcher, tmp_path / "f", server)
    assert (tmp_path / "f").read_bytes() == BODY
    assert [r.headers.get("cache-control") for r in server.requests] == [None, "no-cache"]


def test_wrong_bytes_twice_are_refused(server, fetcher, tmp_path):
    server.order("/f.whl", Behaviour.WRONG)
    with pytest.raises(HashMismatch, match=r"fetched twice") as caught:
        fetch(fetcher, tmp_path / "f", server)
    assert len(server.requests) == 2
    assert not (tmp_path / "f").exists()
    assert caught.value.hints


def test_wrong_bytes_here_right_bytes_there(server, other, fetcher, tmp_path):
    server.order("/f.whl", Behaviour.WRONG)
    fetch(fetcher, tmp_path / "f", server, other)
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (Behaviour.HTML, "HTML"),
        (Behaviour.SHORT, "announces"),
        (Behaviour.LONGER, "announces"),
        (Behaviour.FORBIDDEN, "403"),
        (Behaviour.ERROR, "500"),
        (Behaviour.LOOP, "redirects without end"),
        (Behaviour.SILENT, "silent"),
        (Behaviour.TRICKLE, "slower"),
        (Behaviour.SLOW_HEADERS, "no answer in time"),
    ],
)
def test_failure_names_location_and_reason_and_leaves_no_file(server, fetcher, tmp_path, behaviour, reason):
    server.order("/f.whl", behaviour)
    started = time.monotonic()
    (tmp_path / "d").mkdir()
    with pytest.raises(FetchError, match=reason) as caught:
        fetch(fetcher, tmp_path / "d" / "f", server)
    assert f"{server.url}/f.whl" in caught.value.message
    assert os.listdir(tmp_path / "d") == []
    assert time.monotonic() - started < 20


def test_longer_than_announced_by_the_lock(server, fetcher, tmp_path):
    with pytest.raises(FetchError, match="announces"):
        fetch(fetcher, tmp_path / "f", server, size=10)


def test_disguised_html_is_a_hash_mismatch_when_the_size_is_unknown(server, fetcher, tmp_path):
    server.order("/f.whl", Behaviour.DISGUISED_HTML)
    with pytest.raises(HashMismatch):
        fetch(fetcher, tmp_path / "f", server, size=None)


def test_busy_server_is_asked_again(server, fetcher, tmp_path):
    server.order("/f.whl", Behaviour.BUSY, Behaviour.ERROR, Behaviour.HONEST)
    fetch(fetcher, tmp_path / "f", server)
    assert len(server.requests) == 3


def test_next_location_is_tried_before_waiting(server, other, tmp_path):
    waits = []
    fetcher = Fetcher(limits=QUICK, environ={}, sleep=waits.append)
    server.order("/f.whl", Behaviour.ERROR)
    fetch(fetcher, tmp_path / "f", server, other)
    assert waits == []


def test_nothing_there_is_its_own_error(server, other, fetcher, tmp_path):
    server.order("/f.whl", Behaviour.MISSING)
    other.order("/f.whl", Behaviour.MISSING)
    with pytest.raises(NotOffered):
        fetch(fetcher, tmp_path / "f", server, other)
    assert len(server.requests) == 1


def test_server_that_is_down(fetcher, tmp_path):
    with FileServer() as gone:
        url = gone.url
    with pytest.raises(FetchError, match="refused"):
        fetcher.fetch([Location(url + "/x")], str(tmp_path / "x"), DIGEST, 3)


def test_offline_asks_nobody(server, tmp_path):
    with pytest.raises(OfflineError):
        fetch(Fetcher(offline=True, environ={}), tmp_path / "f", server)
    assert server.requests == []


def test_file_location(fetcher, tmp_path):
    (tmp_path / "a b").write_bytes(BODY)
    fetcher.fetch([Location((tmp_path / "a b").as_uri())], str(tmp_path / "f"), DIGEST, None)
    assert (tmp_path / "f").read_bytes() == BODY


def test_file_location_of_a_fifo_does_not_hang(fetcher, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FetchError, match="regular"):
        fetcher.fetch([Location((tmp_path / "pipe").as_uri())], str(tmp_path / "f"), DIGEST, None)


def test_path_that_is_a_link_is_not_followed(server, fetcher, tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "f").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError, match="symbolic link"):
        fetch(fetcher, tmp_path / "f", server)
    assert (tmp_path / "victim").read_bytes() == b"precious"


# --- who sees which credential


def test_credentials_reach_their_origin_and_no_other(tmp_path, fetcher, other):
    with FileServer(auth=("user", "s3cret")) as private:
        private.put("/f.whl", BODY)
        private.order("/f.whl", Behaviour.REDIRECT)
        private.redirects["/f.whl"] = other.url + "/f.whl"
        fetcher.fetch(
            [Location(private.url + "/f.whl", auth=Auth(user="user", password="s3cret"))],
            str(tmp_path / "f"),
            DIGEST,
            None,
        )
    assert "authorization" in private.requests[0].headers
    assert all("authorization" not in request.headers for request in other.requests)


def test_credentials_inside_the_url_are_used_and_never_shown(tmp_path, fetcher):
    with FileServer(auth=("user", "s3cret")) as private:
        private.put("/f.whl", BODY)
        url = private.url.replace("://", "://user:s3cret@")
        fetcher.fetch([Location(url + "/f.whl")], str(tmp_path / "f"), DIGEST, None)
        private.order("/f.whl", Behaviour.ERROR)
        with pytest.raises(FetchError) as caught:
            fetcher.fetch([Location(url + "/f.whl?token=abc")], str(tmp_path / "f"), DIGEST, None)
    assert "s3cret" not in str(caught.value)
    assert "abc" not in str(caught.value)
    assert "s3cret" not in repr(Location("http://h/", auth=Auth(user="user", password="s3cret")))


def test_credentials_come_from_netrc_by_host(tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password s3cret\n")
    fetcher = Fetcher(limits=QUICK, environ={"HOME": str(tmp_path)})
    with FileServer(auth=("user", "s3cret")) as private:
        private.put("/f.whl", BODY)
        fetch(fetcher, tmp_path / "f", private)


def test_netrc_default_is_told_to_nobody(tmp_path, server):
    (tmp_path / ".netrc").write_text("default login user password s3cret\n")
    fetch(Fetcher(limits=QUICK, environ={"HOME": str(tmp_path)}), tmp_path / "f", server)
    assert "authorization" not in server.requests[0].headers


def test_missing_credentials_are_said(tmp_path, fetcher):
    with FileServer(auth=("user", "s3cret")) as private, pytest.raises(FetchError, match="credentials"):
        fetch(fetcher, tmp_path / "f", private)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/f", "gopher://x/", "http://127.0.0.1:99999/"]
)
def test_redirect_to_another_scheme_or_to_nonsense_is_refused(server, fetcher, tmp_path, target):
    server.order("/f.whl", Behaviour.REDIRECT)
    server.redirects["/f.whl"] = target
    with pytest.raises(FetchError, match="redirected"):
        fetch(fetcher, tmp_path / "f", server)


def test_proxy_of_the_environment_is_used_and_no_proxy_obeyed(server, tmp_path):
    with FileServer() as proxy:
        proxy.put("/f.whl", BODY)
        environ = {"http_proxy": proxy.url.replace("://", "://me:pass@"), "HOME": "/nonexistent"}
        Fetcher(limits=QUICK, environ=environ).fetch(
            [Location("http://far.invalid/f.whl")], str(tmp_path / "f"), DIGEST, None
        )
        assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")
        direct = {**environ, "no_proxy": "127.0.0.1"}
        fetch(Fetcher(limits=QUICK, environ=direct), tmp_path / "g", server)
    assert len(proxy.requests) == 1
    assert len(server.requests) == 1


# --- documents


def test_document(server, fetcher):
    server.put("/doc", b"{}", "application/json")
    got = fetcher.get(server.url + "/doc", accept="application/json")
    assert (got.body, got.content_type) == (b"{}", "application/json")


def test_document_that_is_html_where_json_was_asked(server, fetcher):
    server.order("/doc", Behaviour.HTML)
    with pytest.raises(FetchError, match="HTML"):
        fetcher.get(server.url + "/doc", accept="application/json")


def test_document_without_end_is_cut(server, fetcher):
    with pytest.raises(FetchError, match="more than 100 bytes"):
        fetcher.get(server.url + "/f.whl", max_size=100)


# --- many


def test_many_in_parallel(server, fetcher, tmp_path):
    bodies = {f"/{n}": os.urandom(1000 * n) for n in range(1, 30)}
    jobs = []
    for path, body in bodies.items():
        url = server.put(path, body)
        jobs.append(
            FetchJob(
                sources=(Location(url),),
                path=str(tmp_path / path[1:]),
                sha256=BlobDigest.of(body),
                size=len(body),
            )
        )
    done = dict(fetcher.fetch_many(jobs, workers=4))
    assert {job.path for job in done} == {job.path for job in jobs}
    for path, body in bodies.items():
        assert hashlib.sha256((tmp_path / path[1:]).read_bytes()).digest() == hashlib.sha256(body).digest()


def test_many_stop_at_the_first_failure(server, fetcher, tmp_path):
    server.order("/bad", Behaviour.MISSING)
    jobs = [
        FetchJob(
            sources=(Location(server.url + "/bad"),), path=str(tmp_path / "bad"), sha256=DIGEST, size=None
        )
    ]
    jobs += [
        FetchJob(
            sources=(Location(server.url + "/f.whl"),), path=str(tmp_path / str(n)), sha256=DIGEST, size=None
        )
        for n in range(40)
    ]
    with pytest.raises(NotOffered):
        list(fetcher.fetch_many(jobs, workers=1))
    assert len(server.asked("/f.whl")) < 40
    fetch(fetcher, tmp_path / "after", server)


def test_stop_ends_a_transfer_that_would_take_long(server, tmp_path):
    server.pace = 0.01
    server.order("/f.whl", Behaviour.TRICKLE)
    patient = Limits(slow_window=600, silence=600, rounds=3)
    begun = threading.Event()
    fetcher = Fetcher(limits=patient, environ={}, emit=lambda event: begun.set())
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(fetch, fetcher, tmp_path / "f", server)
        assert begun.wait(20)
        fetcher.stop()
        with pytest.raises(FetchError, match="stopped"):
            running.result(timeout=20)
    assert not (tmp_path / "f").exists()
