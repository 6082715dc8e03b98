"""Files are replaced whole or not at all."""

import hashlib
import os

import pytest

from scope_widgets._files import replacing, sha256_of, write_text


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = write_text(tmp_path / "a.txt", "old")

    def write_half():
        with replacing(path) as new:
            new.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_mode_and_link_stay(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to(path)
    write_text(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_long_name_and_a_missing_folder(tmp_path):
    assert write_text(tmp_path / ("n" * 251 + ".txt"), "x").read_text() == "x"
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere' to write 'a.txt' in"):
        write_text(tmp_path / "nowhere" / "a.txt", "x")


def test_the_digest_is_that_of_the_whole_file(tmp_path):
    for size in (0, 5, (1 << 20) + 3):
        content = b"\x01\x02" * size
        (tmp_path / "a").write_bytes(content)
        assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()
