"""Who is let in: a cluster on this machine belongs to the user who started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from salanet.io.atomic import private_folder
from salanet.labelling.tiles.cluster import connect

pytest.importorskip("distributed")
pytest.importorskip("cryptography")
psutil = pytest.importorskip("psutil")
HERE = Path(__file__).parent
NOBODY = 65534
FOLDERS = ".salanet-cluster.*"

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as another user"
)


def reached(folder: Path, *addresses: str) -> list[str]:
    """What another user reaches of a folder and of addresses."""
    done = subprocess.run(
        [sys.executable, str(HERE / "stranger.py"), str(NOBODY), str(folder), *addresses],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def ports() -> set[int]:
    """Where this process and those it started listen."""
    me = psutil.Process()
    return {
        connection.laddr.port
        for process in (me, *me.children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }


@as_root
def test_another_user_reaches_nothing_of_a_cluster_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = ports()
    with connect(None, workers=1) as client:
        assert client.submit(os.getuid).result() == 0
        [folder] = tmp_path.glob(FOLDERS)
        assert folder.stat().st_mode & 0o777 == 0o700
        opened = ports() - before
        assert opened
        urls = [f"http://127.0.0.1:{port}" for port in opened]
        everything = [f"tcp://127.0.0.1:{port}" for port in opened]
        assert reached(folder, *everything, *urls) == []
    assert list(tmp_path.iterdir()) == []


@as_root
def test_the_stranger_gets_in_where_nothing_is_done_about_it(tmp_path: Path) -> None:
    from distributed import LocalCluster

    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as cluster:
        port = cluster.scheduler.http_server.port
        address, url = cluster.scheduler_address, f"http://127.0.0.1:{port}"
        assert reached(tmp_path, address, url)[:2] == [address, url]


STAY = """
from salanet.labelling.tiles.cluster import connect
if __name__ == "__main__":
    with connect(None, workers=1):
        print("ready", flush=True)
        time.sleep(100)
"""


def test_folders_and_workers_go_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "stay.py"
    script.write_text(STAY)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for number, left in ((signal.SIGTERM, 0), (signal.SIGKILL, 1)):
        run = subprocess.Popen(
            [sys.executable, str(script)],
            env=os.environ | {"TMPDIR": str(scratch)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert run.stdout is not None and run.stdout.readline() == b"ready\n"
        workers = psutil.Process(run.pid).children(recursive=True)
        assert workers and len(list(scratch.glob(FOLDERS))) == 1
        run.send_signal(number)
        run.wait(60)
        run.stdout.close()
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert not alive
        assert len(list(scratch.glob(FOLDERS))) == left
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with private_folder("salanet-cluster"):
        assert len(list(scratch.glob(FOLDERS))) == 1  # the killed run's is gone
    assert list(scratch.iterdir()) == []
