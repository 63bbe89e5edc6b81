"""Layers override key by key, keep their places, and spread un-split timing names."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.document import Document, Place, leaves, parse
from pimsim.config.layer import merge, overridden, read_overrides


def merged(*texts: str) -> Document:
    documents = [parse(text, f"{index}.yaml") for index, text in enumerate(texts)]
    return overridden(documents[0], documents[1:])


def with_overrides(text: str, *overrides: str) -> Document:
    layers, found = read_overrides(overrides)
    assert not found
    return overridden(parse(text, "f.yaml"), layers)


def test_a_layer_overrides_key_by_key() -> None:
    assert merged("a: {b: 1, c: 2}", "a: {c: 3}").data == {"a": {"b": 1, "c": 3}}


def test_a_list_replaces_a_list() -> None:
    assert merged("a: [1, 2, 3]", "a: [4]").data == {"a": [4]}


def test_nothing_replaces_a_section() -> None:
    assert merged("a: {b: 1}", "a: null").data == {"a": None}


def test_a_section_replaces_a_scalar() -> None:
    assert merged("a: 1", "a: {b: 2}").data == {"a": {"b": 2}}


def test_each_value_keeps_the_place_of_its_layer() -> None:
    both = merged("a: {b: 1, c: 2}", "a: {c: 3}")
    assert (both.places["a", "b"].file, both.places["a", "c"].file) == ("0.yaml", "1.yaml")


def test_places_of_what_was_replaced_are_gone() -> None:
    assert ("a", 1) not in merged("a: [1, 2]", "a: [4]").places


def test_the_whole_is_the_upper_file() -> None:
    assert merged("a: 1", "b: 1").places[()].file == "1.yaml"


def test_merging_leaves_the_layers_as_they_were() -> None:
    below, above = parse("a: {b: {c: 1}}", "0"), parse("a: {b: {c: 2}, d: {e: 1}}", "1")
    merge(below, above).data["a"]["d"]["e"] = 7
    assert (below.data, above.data) == ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}, "d": {"e": 1}}})


trees = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))


def document(data: dict[str, Any], file: str) -> Document:
    places: dict[Any, Place] = {(): Place(file)}

    def note(value: Any, path: tuple[str, ...]) -> None:
        places[path] = Place(file)
        if isinstance(value, dict):
            for key, inner in value.items():
                note(inner, (*path, key))

    note(data, ())
    return Document(data, places)


@given(trees, trees)
def test_a_layer_that_is_already_there_changes_nothing(below: Any, above: Any) -> None:
    once = merge(document(below, "below"), document(above, "above"))
    assert merge(once, document(above, "above")) == once


@given(trees, trees)
def test_every_value_of_the_upper_layer_is_there_and_has_its_place(below: Any, above: Any) -> None:
    both = merge(document(below, "below"), document(above, "above"))
    for path, value in leaves(above):
        assert both.value(path) == value
        assert both.places[path].file == "above"


@given(trees, trees)
def test_every_value_has_a_place_and_no_place_is_without_a_value(below: Any, above: Any) -> None:
    both = merge(document(below, "below"), document(above, "above"))
    assert {path for path, _ in leaves(both.data)} <= both.places.keys()
    for path in both.places:
        both.value(path)


def test_an_override_sets_a_path() -> None:
    assert with_overrides("a: {b: 1}", "a.b=2").data == {"a": {"b": 2}}


def test_an_override_makes_the_sections_it_needs() -> None:
    assert with_overrides("a: 1", "b.c.d=x").data == {"a": 1, "b": {"c": {"d": "x"}}}


def test_the_last_override_wins() -> None:
    assert with_overrides("a: 1", "a=2", "a=3").data == {"a": 3}


def test_an_override_s_value_is_yaml() -> None:
    assert with_overrides("a: 1", "a=[1, 12 ns]", "b=on", "c=", "d=x=y").data == {
        "a": [1, "12 ns"], "b": "on", "c": None, "d": "x=y",
    }


def test_an_override_s_place_names_it() -> None:
    place = with_overrides("a: 1", "b.c=2").places["b", "c"]
    assert str(place.problem(("b", "c"), "wrong")) == "--set b.c: wrong"


def test_all_ill_formed_overrides_are_reported() -> None:
    layers, found = read_overrides(["a", "=1", "a..b=1", "a=[", "a=1"])
    assert len(layers) == 1
    assert [str(problem).partition(";")[0] for problem in found[:3]] == [
        "--set: 'a' is not PATH=VALUE", "--set: '=1' is not PATH=VALUE", "--set: 'a..b=1' is not PATH=VALUE",
    ]
    assert str(found[3]).startswith("--set a:1:2: not well-formed YAML") or "--set a" in str(found[3])


SPLIT = "memory: {timing: {tRCDRD: 1, tRCDWR: 2, tRP: 3}}"


def timing(*texts: str) -> dict[str, Any]:
    return dict(merged(*texts).data["memory"]["timing"])


def test_an_unsplit_name_sets_the_split_forms_that_are_there() -> None:
    assert timing(SPLIT, "memory: {timing: {tRCD: 9}}") == {"tRCDRD": 9, "tRCDWR": 9, "tRP": 3}


def test_a_split_name_in_the_same_layer_wins() -> None:
    for text in ("{tRCD: 9, tRCDWR: 8}", "{tRCDWR: 8, tRCD: 9}"):
        assert timing(SPLIT, f"memory: {{timing: {text}}}") == {"tRCDRD": 9, "tRCDWR": 8, "tRP": 3}


def test_an_unsplit_name_in_a_later_layer_wins() -> None:
    assert timing(SPLIT, "memory: {timing: {tRCDWR: 8}}", "memory: {timing: {tRCD: 9}}")["tRCDWR"] == 9


def test_an_unsplit_name_that_the_part_itself_uses_stays() -> None:
    assert timing("memory: {timing: {tRCD: 1}}", "memory: {timing: {tRCD: 9}}") == {"tRCD": 9}


def test_an_unsplit_name_keeps_its_place_and_spelling() -> None:
    place = merged(SPLIT, "memory: {timing: {tRCD: 9}}").places["memory", "timing", "tRCDRD"]
    assert str(place.problem(("memory", "timing", "tRCDRD"), "wrong")) == "1.yaml:1:25: memory.timing.tRCD: wrong"


def test_an_unsplit_name_may_be_overridden() -> None:
    assert with_overrides(SPLIT, "memory.timing.tRCD=9").data["memory"]["timing"]["tRCDRD"] == 9
