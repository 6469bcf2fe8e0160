"""A container of an engine is killed by the id that the engine wrote, and no other one is."""

from shipway.run.forced_end import kill_in_engine


def test_only_the_container_of_that_process_is_killed(tmp_path, monkeypatch):
    programs, said = tmp_path / "bin", tmp_path / "said"
    programs.mkdir()
    (programs / "docker").write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    (programs / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    for run, identity in (("12-ab", "mine"), ("123-cd", "anothers")):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "docker.cid").write_text(identity)

    assert kill_in_engine(12, str(tmp_path))
    assert said.read_text() == "kill mine\n"
    assert not kill_in_engine(9, str(tmp_path))

    (programs / "docker").write_text("#!/bin/sh\nexit 1\n")
    assert not kill_in_engine(12, str(tmp_path))
