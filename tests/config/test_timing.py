"""Which timing names a part may have, and how un-split names spread."""

import pytest

from pimsim.config.timing import expand, known_names, split_forms


@pytest.mark.parametrize("form", ["tRCDRD", "tRCDWR", "tRCDMAC", "tCCDL", "tRRDS", "tWTRL", "tRFCab"])
def test_unsplit_names_have_the_standards_and_the_command_sets_forms(form: str) -> None:
    assert any(form in forms for forms in split_forms().values())


def test_plain_trfc_is_the_all_bank_one() -> None:
    assert "tRFCpb" not in split_forms()["tRFC"]


def test_a_name_without_split_forms_stands_for_itself() -> None:
    assert expand(["tRP"], frozenset({"tRCDRD"})) == {"tRP": "tRP"}


def test_forms_that_are_not_below_are_not_invented() -> None:
    assert expand(["tRCD"], frozenset({"tRCDRD"})) == {"tRCDRD": "tRCD"}


@pytest.mark.parametrize("name", ["tRCDRD", "tRCD", "tRC", "tREFI", "tFAW", "CL", "BL"])
def test_a_standard_knows_its_names(name: str) -> None:
    assert name in known_names("GDDR6", None)


def test_a_command_set_adds_its_names() -> None:
    assert "tRCDMAC" in known_names("GDDR6", "pim-gpt") - known_names("GDDR6", None)


def test_an_unknown_standard_or_command_set_knows_nothing() -> None:
    assert not known_names("GDDR60", None)
    assert not known_names("GDDR6", "nothing")
