import math

import pytest

from medvlm.evaluation.sections.section import Section, cell_text, find_section
from medvlm.evaluation.statistics import Difference, Interval


def test_cells_print_values_intervals_and_dashes() -> None:
    assert cell_text(Difference(0.25, 0.1, 0.4, 0.01, 8, 4)) == "+0.250 (+0.100 to +0.400)"
    assert cell_text(Interval(0.5, math.nan, math.nan, 1, 1)) == "0.500"
    assert [cell_text(cell) for cell in ("sex", 7, 0.12345, math.nan)] == ["sex", "7", "0.123", "-"]


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2 cells.*3 columns"):
        Section("sex", "By sex", "", ("sex", "n", "accuracy"), (("F", 3),))


def test_sections_are_found_by_name() -> None:
    section = Section("sex", "By sex", "", ("sex",), ())
    assert find_section([section], "sex") is section
    assert find_section([section], "age") is None
