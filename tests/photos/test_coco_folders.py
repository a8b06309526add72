"""Folders in COCO's layouts made into the lab's two: every wish kept, nothing done twice, nothing copied."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.lab.files import sha256_file
from helpers.lab.paths import ROOT
from helpers.photos.coco.folders import DataFolders, lay_out, planned_folders, read_selection
from helpers.photos.coco.labels import read_labels
from helpers.photos.decoding import read_photo
from tests.support.coco_sources import (
    CATEGORIES,
    LAYOUTS,
    as_read,
    entries,
    ids,
    make_source,
    names,
    skipped,
    write_labels,
    write_photo,
)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognized_and_its_labels_pass_unchanged(tmp_path, layout):
    source = make_source(tmp_path / "mine", 12, 3, layout)
    folders = lay_out(source, tmp_path / "out", None, 3)
    laid, given_images = read_labels(folders.validation), entries(12)[0]
    assert laid["annotations"] == as_read(entries(12)[1])
    assert laid["categories"] == [{"id": c["id"], "name": c["name"]} for c in CATEGORIES]
    for image, was in zip(laid["images"], given_images, strict=True):
        file = folders.validation / "data" / image["file_name"]
        read = {name: was[name] for name in ("id", "file_name", "width", "height")}
        assert image == read | {"sha256": sha256_file(file)}
        assert file.samefile(source / layout[1] / image["file_name"])
    assert sorted(names(folders.calibration)) == ["c0.jpg", "c1.jpg", "c2.jpg"]
    assert read_labels(folders.calibration)["annotations"] == []
    assert skipped(folders) == {}


def test_a_folder_without_data_says_what_is_looked_for(tmp_path):
    with pytest.raises(LabError, match="no COCO data") as caught:
        lay_out(tmp_path, tmp_path / "out")
    for labels, photos in LAYOUTS:
        assert f"{labels} and {photos}/" in caught.value.expected
    with pytest.raises(LabError, match="is no folder"):
        lay_out(tmp_path / "absent", tmp_path / "out")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    images=st.none() | st.integers(1, 14),
    wanted=st.integers(1, 12),
    own=st.integers(0, 5),
    seed=st.integers(0, 9),
)
def test_counts_and_disjointness_hold_for_every_wish(tmp_path_factory, images, wanted, own, seed):
    folder = tmp_path_factory.mktemp("any")
    source = make_source(folder / "mine", 12, own)
    folders = lay_out(source, folder / "out", images, wanted, seed)
    shared = min(wanted, 2)
    left = 12 if own else 12 - shared
    assert len(ids(folders.validation)) == min(images or left, left)
    assert len(ids(folders.calibration)) == (min(wanted, own) if own else shared)
    hashes = [{i["sha256"] for i in read_labels(f)["images"]} for f in vars(folders).values()]
    assert not hashes[0] & hashes[1]
    kept = set(ids(folders.validation))
    expected = as_read([a for a in entries(12)[1] if a["image_id"] in kept])
    assert read_labels(folders.validation)["annotations"] == expected
    excluded = read_selection(folders)["excluded_ids"]
    assert excluded == ([] if own else ids(folders.calibration))
    assert not set(excluded) & kept
    assert ids(folders.validation) == sorted(kept)


def test_the_seed_draws_and_larger_subsets_hold_the_smaller(tmp_path):
    source = make_source(tmp_path / "mine", 12)
    drawn = {
        (n, s): ids(lay_out(source, tmp_path / "o", n, 2, s).validation) for n in (3, 6) for s in (1, 2, 3)
    }
    again = lay_out(source, tmp_path / "elsewhere", 3, 2, 1)
    assert ids(again.validation) == drawn[3, 1]
    assert len({tuple(drawn[6, s]) for s in (1, 2, 3)}) == 3
    assert all(set(drawn[3, s]) < set(drawn[6, s]) for s in (1, 2, 3))


def test_more_calibration_photos_leave_the_same_ones_evaluated(tmp_path):
    source = make_source(tmp_path / "mine", 12)
    assert len({tuple(ids(lay_out(source, tmp_path / "o", 5, n).validation)) for n in (1, 3, 7)}) == 1


def snapshot(folders: DataFolders) -> dict[str, tuple]:
    root = folders.validation.parent
    stats = {str(p.relative_to(root)): p.lstat() for p in root.rglob("*")}
    return {name: (s.st_ino, s.st_mtime_ns) for name, s in stats.items()}


@pytest.mark.parametrize("own", [0, 3])
def test_a_second_call_does_nothing(tmp_path, own):
    source = make_source(tmp_path / "mine", 8, own)
    (source / "val2017" / "0003.jpg").write_bytes(b"no photo")
    before = snapshot(folders := lay_out(source, tmp_path / "out", 5, 2))
    assert lay_out(source, tmp_path / "out", 5, 2) == folders
    assert snapshot(folders) == before


def test_where_the_folders_will_be_is_known_before_and_nothing_is_written(tmp_path):
    source = make_source(tmp_path / "mine", 4)
    planned = planned_folders(source, tmp_path / "out", 2, 1, 7)
    assert not (tmp_path / "out").exists()
    assert lay_out(source, tmp_path / "out", 2, 1, 7) == planned


def test_other_wishes_and_other_labels_get_folders_of_their_own(tmp_path):
    source = make_source(tmp_path / "mine", 8, 4)
    made = [lay_out(source, tmp_path / "out", *wish) for wish in ((5, 2), (4, 2), (5, 3), (5, 2, 1))]
    images, annotations = entries(8)
    write_labels(source, images, annotations[1:])
    made.append(lay_out(source, tmp_path / "out", 5, 2))
    write_photo(source / "calibration" / "new.jpg", 77)
    made.append(lay_out(source, tmp_path / "out", 5, 2))
    assert len(set(made)) == 6


def spoil_source(source, laid):
    (source / "val2017" / "0001.jpg").unlink()
    write_photo(source / "val2017" / "0001.jpg", 555)


def lose_photo(source, laid):
    (laid.validation / "data" / "0001.jpg").unlink()


def lose_labels(source, laid):
    (laid.calibration / "labels.json").unlink()


def change_laid_photo(source, laid):
    path = laid.validation / "data" / "0001.jpg"
    path.unlink()
    write_photo(path, 556)


def cut_selection(source, laid):
    path = laid.validation.parent / "selection.json"
    path.write_text(path.read_text()[:50])


@pytest.mark.parametrize(
    "harm",
    [spoil_source, lose_photo, lose_labels, change_laid_photo, cut_selection],
    ids=lambda f: f.__name__,
)
def test_what_was_harmed_since_is_made_again(tmp_path, harm):
    source = make_source(tmp_path / "mine", 6, 2)
    laid = lay_out(source, tmp_path / "out", None, 2)
    harm(source, laid)
    assert lay_out(source, tmp_path / "out", None, 2) == laid
    for image in read_labels(laid.validation)["images"]:
        assert image["sha256"] == sha256_file(source / "val2017" / image["file_name"])
        assert image["sha256"] == sha256_file(laid.validation / "data" / image["file_name"])


def test_a_photo_that_was_repaired_is_used(tmp_path):
    source = make_source(tmp_path / "mine", 6, 2)
    (source / "val2017" / "0001.jpg").write_bytes(b"")
    (source / "val2017" / "0002.jpg").unlink()
    assert len(ids(lay_out(source, tmp_path / "out", None, 2).validation)) == 4
    write_photo(source / "val2017" / "0001.jpg", 1)
    write_photo(source / "val2017" / "0002.jpg", 2)
    assert len(ids(lay_out(source, tmp_path / "out", None, 2).validation)) == 6


def test_what_was_killed_on_the_way_is_done_again(tmp_path):
    source = make_source(tmp_path / "mine", 8, 3)
    code = (
        "import os, sys; from pathlib import Path; import helpers.photos.coco.folders as c; lay = c.lay\n"
        "c.lay = lambda a, b: (lay(a, b), b.name == '0005.jpg' and os.kill(os.getpid(), 9))\n"
        "c.lay_out(Path(sys.argv[1]), Path(sys.argv[2]), None, 3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, source, tmp_path / "out"], cwd=ROOT, capture_output=True
    )
    assert done.returncode == -9
    assert (source / "val2017" / "0005.jpg").stat().st_nlink == 2
    assert len(ids(lay_out(source, tmp_path / "out", None, 3).validation)) == 8


def test_between_disks_photos_are_linked_by_name(tmp_path):
    other = Path("/dev/shm")
    if not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second disk to write to")
    target = other / f"test-{os.getpid()}"
    try:
        folders = lay_out(make_source(tmp_path / "mine", 4), target, None, 1)
        assert (folders.validation / "data" / names(folders.validation)[0]).is_symlink()
        assert lay_out(tmp_path / "mine", target, None, 1) == folders
    finally:
        shutil.rmtree(target, ignore_errors=True)


def test_links_in_the_source_are_followed_so_that_it_may_be_a_farm_of_links(tmp_path):
    source = make_source(tmp_path / "mine", 4)
    real = (source / "val2017").rename(tmp_path / "real")
    (source / "val2017").mkdir()
    for path in real.iterdir():
        (source / "val2017" / path.name).symlink_to(path)
    folders = lay_out(source, tmp_path / "out", None, 1)
    shutil.rmtree(source)
    assert all(read_photo(path).shape == (7, 9, 3) for path in (folders.validation / "data").iterdir())
