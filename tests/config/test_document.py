"""YAML scalars follow YAML 1.2, every value has its place, and its comment is its source."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pimsim import assets
from pimsim.config import document
from pimsim.config.document import Document, dotted, leaves, parse, parse_value, scalar
from pimsim.errors import InputError


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e9", 1e9),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("5.", 5.0),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("12 ns", "12 ns"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("-.inf", -math.inf),
        (".", "."),
        ("1e", "1e"),
        ("٣", "٣"),
    ],
)
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: Any) -> None:
    parsed = scalar(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(scalar(".nan"))


def test_a_quoted_scalar_is_text() -> None:
    assert parse("a: '1e9'\nb: \"true\"", "f").data == {"a": "1e9", "b": "true"}


def test_a_number_of_a_million_digits_stays_text() -> None:
    assert isinstance(scalar("9" * 10**6), str)


plain = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), plain),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(plain, inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(plain, values, max_size=4))
def test_what_json_can_say_is_read_back_with_a_place_for_every_value(data: dict[str, Any]) -> None:
    import json

    read = parse(json.dumps(data, ensure_ascii=False), "f.yaml")
    assert read.data == data
    assert {path for path, _ in leaves(data)} <= read.places.keys()


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_problem(text: str) -> None:
    try:
        assert isinstance(parse(text, "f.yaml"), Document)
    except InputError as error:
        assert all(problem.file == "f.yaml" for problem in error.problems)


LINES = ["a: 1", "b:", "  c: 2", "# d", "- e", "  - {f: 3, g: [4]}", "h: 'i' # j", "", "k: |", "   l # m"]


@given(st.lists(st.sampled_from(LINES)))
def test_comments_never_break_reading(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        expected = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError:
        expected = None
    if isinstance(expected, yaml.MappingNode):
        try:
            assert parse(text, "f").data.keys() == {key.value for key, _ in expected.value}
        except InputError as error:
            assert all("duplicate key" in problem.message for problem in error.problems)


def test_a_value_has_its_line_and_column_and_its_keys() -> None:
    place = parse("a:\n  b:   12 ns\n", "f.yaml").places["a", "b"]
    assert (place.line, place.column, place.key_line, place.key_column) == (2, 8, 2, 3)


def test_a_list_item_has_its_place() -> None:
    place = parse("a:\n  - 1\n  - 2\n", "f.yaml").places["a", 1]
    assert (place.line, place.column) == (3, 5)


def test_the_place_of_what_is_not_there_is_that_of_what_is_around_it() -> None:
    read = parse("a:\n  b: 1\n", "f.yaml")
    assert read.place(("a", "x", "y")) == read.places["a",]


def test_a_duplicate_key_is_refused_with_the_line_of_the_first() -> None:
    assert problems("a: 1\nb:\n  c: 1\n  c: 2\n") == ["f.yaml:4:3: b.c: duplicate key, first on line 3"]


def test_all_duplicate_keys_are_reported() -> None:
    assert len(problems("a: 1\na: 2\nb: 1\nb: 2\n")) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f.yaml: is empty; a mapping of keys to values"),
        ("# only a comment\n", "f.yaml: is empty; a mapping of keys to values"),
        ("- 1\n", "f.yaml:1:1: is not a mapping; a mapping of keys to values"),
        ("a: !!int 3\n", "f.yaml:1:4: a: tag 'tag:yaml.org,2002:int' is not supported; values without a tag"),
        ("a: !python/os.system x\n", "f.yaml:1:4: a: tag '!python/os.system' is not supported; values without a tag"),
        ("[a]: 1\n", "f.yaml:1:1: a key that is not a plain word"),
        ("a: &x\n  b: *x\n", "f.yaml:1:4: a.b: an alias that contains itself"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_where_it_is(text: str, said: str) -> None:
    assert problems(text) == [said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2\n", "f.yaml:2:1: not well-formed YAML: while parsing a flow sequence, "),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: not well-formed YAML: expected a single document in the stream, "),
        ("a: 1\n b: 2\n", "f.yaml:2:3: not well-formed YAML: "),
        ("a: 'x\n", "f.yaml:2:1: not well-formed YAML: while scanning a quoted scalar, "),
    ],
)
def test_ill_formed_yaml_is_refused_where_it_breaks(text: str, said: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(said)


@pytest.mark.parametrize("kind", ["system", "dram", "asic", "workload"])
def test_reading_is_the_same_without_libyaml(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = assets.list_assets(kind).values()
    fast = [document.read(file) for file in files]
    monkeypatch.setattr(document, "_Loader", yaml.BaseLoader)
    assert [document.read(file) for file in files] == fast


def test_a_control_character_is_refused() -> None:
    (said,) = problems("a: \x01\n")
    assert "not well-formed YAML" in said


def test_an_alias_stands_for_its_value() -> None:
    assert parse("a: &x {b: 1}\nc: *x\n", "f").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_aliases_that_stand_for_billions_of_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_VALUES", 1000)
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 30))
    assert any("more than 1000 values" in said for said in problems(bomb))


def test_deep_nesting_is_refused() -> None:
    (said,) = problems("a: " + "[" * 5000 + "]" * 5000)
    assert said.startswith("f.yaml")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Any) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"a: \xff\n")
    with pytest.raises(InputError, match=r"not UTF-8 text \(byte 3\)"):
        document.read(file)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Any) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes("a: 1\n".encode("utf-8-sig"))
    assert document.read(file).data == {"a": 1}


def test_a_missing_file_is_a_problem(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="No such file"):
        document.read(tmp_path / "f.yaml")


def source(text: str, *path: str | int) -> str:
    return parse(text, "f").places[path].source


def test_the_comment_behind_a_value_is_its_source() -> None:
    assert source("a: 12 ns   # a data sheet\n", "a") == "a data sheet"


def test_a_hash_in_a_text_is_no_comment() -> None:
    assert source("a: 'x # y'\nb: x#y\n", "a") == ""
    assert source("a: 'x # y'\nb: x#y\n", "b") == ""
    assert source("a: 'x # y' # z\n", "a") == "z"


def test_a_comment_above_is_no_source() -> None:
    assert source("# about a\na: 1\n", "a") == ""


def test_a_value_without_a_comment_has_that_of_its_section() -> None:
    text = "t:   # the table\n  a: 1\n  b: 2  # elsewhere\nc: 3\n"
    assert source(text, "t", "a") == "the table"
    assert source(text, "t", "b") == "elsewhere"
    assert source(text, "c") == ""


def test_the_first_line_s_comment_belongs_to_its_own_value() -> None:
    assert source("a: 1  # mine\nb: 2\n", "b") == ""


def test_values_in_one_flow_mapping_share_the_comment_behind_it() -> None:
    assert source("t: {a: 1, b: 2}  # both\n", "t", "a") == "both"
    assert source("t: {a: 1,  # first\n    b: 2}  # second\n", "t", "a") == "first"
    assert source("t: {a: 1,  # first\n    b: 2}  # second\n", "t", "b") == "second"


def test_list_items_have_their_comments() -> None:
    assert source("t:\n  - 1  # one\n  - 2  # two\n", "t", 1) == "two"


def test_comments_are_found_behind_characters_of_any_width() -> None:
    assert source("a: 'µ∞é'  # yes\n", "a") == "yes"


@pytest.mark.parametrize(("text", "value"), [("12 ns", "12 ns"), ("4", 4), ("", None), ("[1, 2]", [1, 2])])
def test_a_single_value_is_read_as_yaml(text: str, value: Any) -> None:
    assert parse_value(text, "--set a") == value


def test_leaves_come_in_order_with_their_paths() -> None:
    assert list(leaves({"a": {"b": 1}, "c": [2, {"d": 3}]})) == [(("a", "b"), 1), (("c", 0), 2), (("c", 1, "d"), 3)]


def test_paths_are_dotted() -> None:
    assert dotted(("a", 0, "b")) == "a.0.b"
