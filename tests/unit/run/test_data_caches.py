from run_values import ENVIRONMENT, HOST, TRUE

from shipway.run.caches import FOLDERS, HOST_VARIABLES
from shipway.run.model import Invocation, Mount, RunOptions
from shipway.run.mounting import make_mount_sources
from shipway.run.request import plan_run


def plan(environment=ENVIRONMENT, asked=TRUE, host=HOST):
    return plan_run(
        environment, asked, host, home="/state/home", bytecode="/state/b/key1", cache="/state/cache"
    )


def at(request, target):
    return next((mount for mount in request.mounts if mount.target == target), None)


def test_programs_are_led_to_one_cache():
    request = plan()
    env = dict(request.env)
    assert at(request, "/cache") == Mount("/state/cache", "/cache", owned=True)
    assert env["HF_HOME"] == "/cache/huggingface"
    assert env["UV_CACHE_DIR"] == "/cache/uv"
    assert all(env[name].startswith("/cache/") for name in FOLDERS)


def test_what_is_found_by_name_alone_is_apart_by_environment():
    assert dict(plan().env)["TORCH_EXTENSIONS_DIR"] == "/cache/torch-extensions/key1"


def test_what_image_spec_and_user_set_stays():
    options = RunOptions(env=(("TORCH_HOME", "/spec"),), pass_env=("KERAS_HOME",))
    environment = ENVIRONMENT._replace(env=(("HF_HOME", "/image"),), options=options)
    host = HOST._replace(
        environ=(("KERAS_HOME", "/passed"),), caches=(("HF_HOME", "/mnt/hf"), ("KERAS_HOME", "/passed"))
    )
    request = plan(environment, Invocation(env=(("UV_CACHE_DIR", "/user"),)), host)
    env = dict(request.env)
    assert [env[name] for name in ("HF_HOME", "TORCH_HOME", "UV_CACHE_DIR", "KERAS_HOME")] == ["/image", "/spec", "/user", "/passed"]  # fmt: skip
    assert [m.target for m in request.mounts if m.target.startswith("/cache")] == ["/cache"]


def test_the_hosts_own_cache_is_the_containers():
    request = plan(host=HOST._replace(caches=(("HF_HOME", "/mnt/hf"),)))
    assert at(request, "/cache/huggingface") == Mount("/mnt/hf", "/cache/huggingface")
    assert dict(request.env)["HF_HOME"] == "/cache/huggingface"


def test_a_host_cache_that_is_not_there_is_told():
    (note,) = plan(host=HOST._replace(environ=(("TORCH_HOME", "/gone"),))).notes
    assert "`TORCH_HOME` names `/gone`" in note


def test_off_is_off():
    request = plan(ENVIRONMENT._replace(options=RunOptions(cache=False)))
    assert at(request, "/cache") is None
    assert not FOLDERS.keys() & dict(request.env).keys()


def test_only_downloads_are_shared_with_the_host():
    assert not {"XDG_CACHE_HOME", "TRITON_CACHE_DIR", "TORCH_EXTENSIONS_DIR"} & set(HOST_VARIABLES)


def test_a_folder_of_ours_is_made_and_its_neighbours_stay(tmp_path):
    for number in range(9):
        (tmp_path / f"other{number}").mkdir()
    (tmp_path / "hf").mkdir()
    cache = Mount(f"{tmp_path}/cache", "/cache", owned=True)
    own = Mount(f"{tmp_path}/hf", "/cache/huggingface")
    make_mount_sources(plan()._replace(mounts=(cache, own)), str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cache",
        "hf",
        *(f"other{n}" for n in range(9)),
    ]
    assert (tmp_path / "cache/huggingface").is_dir()
