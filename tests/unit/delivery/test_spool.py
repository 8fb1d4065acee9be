"""The spool: whole files or none, one owner each, a bound, and nobody else's eyes."""

import os
import stat
import threading
from pathlib import Path

import pytest

from monitoring.delivery import spool as spool_module
from monitoring.delivery.folders import LOCK, REFUSED, files, kind_of, name_for, owners
from monitoring.delivery.spool import Spool, SpoolError
from monitoring.delivery.usage import COUNT_SECONDS
from tests.harness.polling import PATIENCE_SECONDS, wait_until

LIMIT = 1 << 20


def put(spool: Spool, kind: str, text: bytes, share: float = 1.0) -> str:
    """Write a file and return its name."""
    name = name_for(kind)
    spool.put(name, text, share=share)
    return name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of one DSN."""
    return tmp_path / "spool" / "1-key"


def test_nothing_is_on_disk_before_the_first_error(root: Path) -> None:
    """A worker whose tasks succeed leaves no trace, and no cost."""
    Spool(root, LIMIT)
    assert not root.parent.exists()


def test_a_file_is_whole_private_and_gone_when_removed(root: Path) -> None:
    """What is read is what was written; folders are 0700 and files 0600; removing the last leaves an empty spool."""
    own = Spool(root, LIMIT)
    name = put(own, "event", b"an envelope")
    assert (own.read(name), kind_of(name)) == (b"an envelope", "event")
    (folder,) = owners(root)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (root, folder, *files(folder), folder / LOCK)}
    assert set(modes.values()) == {0o700, 0o600}
    own.remove(name)
    assert own.read(name) is None
    own.leave()
    assert owners(root) == []


def test_the_dead_are_taken_over_and_the_living_are_not(root: Path) -> None:
    """A lock that its holder's death has freed is what tells them apart; each file then has one new owner."""
    living, dead, heir = Spool(root, LIMIT), Spool(root, LIMIT), Spool(root, LIMIT)
    kept, left = put(living, "event", b"kept"), [put(dead, "event", b"left") for _ in range(3)]
    assert heir.adopt() == []
    dead.leave(for_good=True)
    assert heir.adopt() == left
    assert [heir.read(name) for name in left] == [b"left"] * 3
    assert Spool(root, LIMIT).adopt() == []
    assert living.read(kept) == b"kept"
    assert len(owners(root)) == 2


def test_half_a_file_is_never_taken_over(root: Path) -> None:
    """A process that is killed while it writes leaves a file aside, which goes with its folder."""
    dead, heir = Spool(root, LIMIT), Spool(root, LIMIT)
    whole = put(dead, "event", b"whole")
    (folder,) = owners(root)
    (folder / ".1.event.2.envelope").write_bytes(b"hal")
    dead.leave(for_good=True)
    assert heir.adopt() == [whole]
    assert not folder.exists()


def test_a_child_starts_anew(root: Path) -> None:
    """After a fork the folder is the parent's: the child's lock on it must not outlive the parent."""
    parent = Spool(root, LIMIT)
    name = put(parent, "event", b"the parent's")
    child = os.fork()
    if not child:
        parent.forget()
        os._exit(0 if parent.read(name) is None and put(parent, "event", b"the child's") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(parent.adopt()) == 1
    assert parent.read(name) == b"the parent's"


def test_the_bound_holds_over_all_processes(root: Path) -> None:
    """What does not fit is refused, by the blocks that files take; room that is made is found."""
    now = [0.0]
    one, other = (Spool(root, 5 * 4096, clock=lambda: now[0]) for _ in range(2))
    names = [put(one, "event", b"x" * 4096) for _ in range(4)]
    put(other, "event", b"x")
    with pytest.raises(SpoolError, match="full"):
        put(other, "event", b"x")
    with pytest.raises(SpoolError, match="full"):
        put(one, "transaction", b"x", share=0.5)
    one.remove(names[0])
    assert put(one, "event", b"x" * 4096)
    one.remove(names[1])
    with pytest.raises(SpoolError, match="full"):
        put(other, "event", b"x")
    now[0] += COUNT_SECONDS
    other.adopt()
    assert put(other, "event", b"x")


def test_a_spool_that_was_full_from_the_start_is_found_to_have_room(root: Path) -> None:
    """A process that never wrote anything counts again, too."""
    now = [0.0]
    one, other = (Spool(root, 4096, clock=lambda: now[0]) for _ in range(2))
    name = put(one, "event", b"x")
    with pytest.raises(SpoolError, match="full"):
        put(other, "event", b"x")
    one.remove(name)
    now[0] += COUNT_SECONDS
    other.adopt()
    assert put(other, "event", b"x")


def test_what_is_refused_is_kept_with_its_reason_up_to_a_quarter(root: Path) -> None:
    """The oldest goes first; an operator may take one back."""
    own = Spool(root, 16 * 4096, clock=lambda: 0.0)
    names = [put(own, "event", b"x" * 100) for _ in range(4)]
    for name in names:
        own.refuse(name, "413 too large")
    kept = sorted(path.name for path in (root / REFUSED).iterdir())
    assert kept == [names[2], f"{names[2]}.reason", names[3], f"{names[3]}.reason"]
    assert (root / REFUSED / f"{names[3]}.reason").read_text() == "413 too large"
    assert own.readmit(names[3])
    assert own.read(names[3]) == b"x" * 100
    assert not own.readmit("nothing")


def test_a_folder_of_somebody_elses_making_is_not_written_to(root: Path, tmp_path: Path) -> None:
    """In a shared temporary folder anybody could put a link there first."""
    (tmp_path / "elsewhere").mkdir()
    root.parent.mkdir()
    root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoolError, match="untrusted"):
        put(Spool(root, LIMIT), "event", b"secret")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_is_cleaned_away_is_made_again(root: Path) -> None:
    """What tidies temporary folders may take ours while we live."""
    own = Spool(root, LIMIT)
    put(own, "event", b"gone")
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert own.read(put(own, "event", b"here")) == b"here"


def test_a_slow_disk_is_left_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After one slow write nothing is written for a minute; then it is tried again."""
    now, took = [0.0], [1.1]
    own = Spool(root, LIMIT, clock=lambda: now[0])
    write = Spool._write

    def slow(folder: Path, name: str, text: bytes) -> int:
        now[0] += took[0]
        return write(folder, name, text)

    monkeypatch.setattr(Spool, "_write", staticmethod(slow))
    put(own, "event", b"1")
    with pytest.raises(SpoolError, match="slow"):
        put(own, "event", b"2")
    now[0] += spool_module.PAUSE_SECONDS
    put(own, "event", b"3")


def test_a_task_waits_for_the_disk_a_bounded_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is slow to force a file is so in another thread; what was asked for is done."""
    own, fsync = Spool(root, LIMIT), os.fsync
    put(own, "event", b"the folder is made now")
    ready, forced = threading.Event(), list[int]()

    def slow(opened: int) -> None:
        ready.wait(PATIENCE_SECONDS)
        fsync(opened)
        forced.append(opened)

    monkeypatch.setattr(os, "fsync", slow)
    names = [put(own, "event", b"x") for _ in range(3)]
    assert forced == []  # nobody has waited for it
    assert [own.read(name) for name in names] == [b"x"] * 3
    ready.set()
    wait_until(lambda: len(forced) >= 4, "three files and their folder on disk")


def test_what_is_forced_is_on_disk_when_the_task_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a disk in good health the file and its name are forced before `put` returns, and the file is closed."""
    monkeypatch.setattr("monitoring.delivery.forcing.FORCE_SECONDS", 10)
    own, fsync = Spool(root, LIMIT), os.fsync
    put(own, "event", b"the folder is made now")
    forced: list[Path] = []

    def seen(opened: int) -> None:
        fsync(opened)
        forced.append(Path(f"/proc/self/fd/{opened}").readlink())

    monkeypatch.setattr(os, "fsync", seen)
    name = put(own, "event", b"x")
    (folder,) = owners(root)
    assert forced == [folder / name, folder]
    assert folder / name not in [Path(os.path.realpath(each)) for each in Path("/proc/self/fd").iterdir()]
