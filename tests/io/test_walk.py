from pathlib import Path

import pytest

from salanet.io.walk import files_below


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/1.laz", "a/b/2.laz", ".work/3.laz", "a/.part.laz", "elsewhere/4.laz"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in files_below(folder))


def test_all_depths_and_nothing_hidden(tree: Path) -> None:
    assert names(tree) == ["a/1.laz", "a/b/2.laz", "elsewhere/4.laz"]
    assert names(tree / ".work") == ["3.laz"]  # what was asked for by name
    assert names(tree / "nowhere") == []


def test_links_are_followed_each_folder_once(tree: Path) -> None:
    links = tree / "links"
    links.mkdir()
    try:
        (links / "far").symlink_to(tree / "elsewhere", target_is_directory=True)
        (links / "file.laz").symlink_to(tree / "a/1.laz")
        (links / "gone").symlink_to(tree / "nothing")
        (links / "above").symlink_to(links, target_is_directory=True)
    except OSError:
        pytest.skip("no links on this system")
    found = names(links)
    assert "far/4.laz" in found and "file.laz" in found
    assert not any(name.startswith("above/") for name in found)
