"""Small text files are read within limits; what is wrong is said without quoting the file."""

from __future__ import annotations

import pytest

from skyreels_avatar.documents import MAX_BYTES, read_mapping, read_text
from skyreels_avatar.errors import InputError


@pytest.mark.parametrize("content", ["- a\n- b", "a: [", "\x00", ""])
def test_a_file_that_holds_no_mapping_is_refused(tmp_path, content):
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(InputError, match=r"a\.yaml"):
        read_mapping(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: !!python/object:os.system {}", "line 1: this is not valid YAML: tags are not allowed"),
        ("a: 1\n\tb: 2", "a tab; indent with spaces"),
        ("a: 1\n---\nb: 2", "a second document begins"),
        ("a: *b", "an alias that is not defined"),
        ("a: " + "[" * 30 + "]" * 30, "nested too deeply"),
        ("a: " + "9" * 30, "this number is too large"),
        ("a: [" + "1," * 60_000 + "]", "more than 50000 values"),
    ],
)
def test_what_is_beyond_the_limits_is_refused_with_its_line(tmp_path, content, said):
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(InputError, match=r"a\.yaml is not a usable script") as caught:
        read_mapping(tmp_path / "a.yaml", "script")
    assert said in str(caught.value)


def test_merges_of_merges_count_what_they_add(tmp_path):
    """Each line doubles the one before: a small file would fill all memory."""
    lines = ["l0: &l0 {" + ", ".join(f"k{i}: 1" for i in range(200)) + "}"]
    for level in range(1, 12):
        copies = ", ".join([f"*l{level - 1}"] * 9)
        lines.append(f"l{level}: &l{level} {{<<: [{copies}]}}")
    (tmp_path / "a.yaml").write_text("\n".join(lines))
    with pytest.raises(InputError, match="too many aliases"):
        read_mapping(tmp_path / "a.yaml")


def test_exponents_without_a_point_are_numbers(tmp_path):
    (tmp_path / "a.yaml").write_text("rate: 1e-5")
    assert read_mapping(tmp_path / "a.yaml") == {"rate": 1e-5}


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(InputError, match="script not found"):
        read_text(tmp_path / "none.yaml", "script")
    with pytest.raises(InputError, match="is a folder"):
        read_text(tmp_path, "script")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_text(tmp_path / "binary", "script")
    (tmp_path / "large").write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(InputError, match="larger than 2 MB"):
        read_text(tmp_path / "large", "script")
