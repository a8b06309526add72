"""Files of class names as tools write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.models.own_model import own_labels
from helpers.tasks.detection.label_files import class_names, read_class_names

PBTXT = """# as the Object Detection API has them
item {
  name: "/m/01g317"
  id: 1
  display_name: "person"
}
item { id: 3 name: 'traffic light' }
"""
FILES = {
    "plain.names": (b"person\ntraffic light\n", ("person", "traffic light")),
    "windows.names": (b"\xef\xbb\xbfperson\r\ntraffic light\r\n\r\n", ("person", "traffic light")),
    "utf16.txt": ("person\nfaçade\n".encode("utf-16"), ("person", "façade")),
    "western.txt": ("façade\ncar\n".encode("latin-1"), ("façade", "car")),
    "from0.txt": (b"0 person\n1 car\n", ("person", "car")),
    "from1.txt": (b"1: person\n2: car\n", ("person", "car")),
    "commas.csv": (b"0,person\n2,car\n", ("person", "", "car")),
    "map.pbtxt": (PBTXT.encode(), ("person", "", "traffic light")),
    "background.txt": (b"0 background\n1 person\n", ("person",)),
    "numbers are names.txt": (b"7up\n8ball\n", ("7up", "8ball")),
}


@pytest.mark.parametrize("name", FILES)
def test_names_are_read_as_their_tool_meant_them(tmp_path, name):
    content, names = FILES[name]
    (tmp_path / name).write_bytes(content)
    assert own_labels(str(tmp_path / name)) == names


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x00\x01\x02person", "is no text file"),
        (b"\x89PNG\r\n\x1a\n\x00", "is no text file"),
        (b"\n \n", "names no class"),
        (b"item { name: 'person' }", r"has the item \{ name: 'person' \}"),
        (b"item { id: 1 name: 'a' }\nitem { id: 1 name: 'b' }", "has the item"),
    ],
)
def test_what_names_no_classes_is_one_clear_error(tmp_path, content, found):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(LabError, match=found) as caught:
        read_class_names(tmp_path / "file")
    assert caught.value.cure


def test_an_absent_file_is_one_clear_error(tmp_path):
    with pytest.raises(LabError, match="does not exist"):
        read_class_names(tmp_path / "none.txt")


words = st.text("abcdefgh ü", min_size=1).filter(lambda text: text.strip() == text)


@given(st.lists(words, min_size=1, max_size=20), st.sampled_from(["{i} {n}", "{i}: {n}", "{i},{n}", "{n}"]))
def test_numbers_before_names_do_not_matter(names, form):
    text = "\n".join(form.format(i=i, n=name) for i, name in enumerate(names))
    assert class_names("text", text).names == tuple(names)
