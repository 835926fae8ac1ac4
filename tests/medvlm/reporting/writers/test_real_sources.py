"""Objects made of real headers, and of long series: valid for an independent checker."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydicom import Dataset, examples

from medvlm.intensity import IntensityRecipe
from medvlm.reporting.find import find_studies
from medvlm.reporting.material import gather
from medvlm.reporting.pick import pick
from medvlm.reporting.report import Instance, StudyReport, Used
from medvlm.reporting.writers import WRITERS, Material

FORMS = [name for name, writer in WRITERS.items() if writer.dicom and name != "seg"]
RECIPES = (IntensityRecipe(name="any", modalities=("*",), axes=("yx", "yxc", "zyx", "tyx", "tyxc")),)
Check = Callable[[bytes], Sequence[str]]


@pytest.mark.usefixtures("pango")
@pytest.mark.parametrize("source", ["ct", "mr", "rgb_color", "ybr_color", "jpeg2k", "overlay"])
def test_objects_of_real_files_are_valid(source: str, report: StudyReport, complaints: Check) -> None:
    (study,), _ = find_studies([examples.get_path(source)])
    chosen = pick(study, RECIPES).chosen
    assert chosen is not None
    first = chosen.entries[0]
    shown = (Instance(first.sop_class, first.instance),)
    used = Used(chosen.name, "current", first.modality, study.uid, first.series, shown, 0, "any", "x")
    material = gather(chosen, 0, RECIPES, FORMS, dicom=True)
    for name in FORMS:
        with warnings.catch_warnings(action="ignore"):
            data = WRITERS[name].write(replace(report, images=(used,)), material)
        assert data is not None
        assert complaints(data) == [], name


def test_a_series_of_three_hundred_slices_is_referred_to_whole(
    report: StudyReport, headers: Sequence[Dataset], complaints: Check, opened: Any
) -> None:
    many = []
    for number in range(300):
        one = copy.deepcopy(headers[0])
        one.SOPInstanceUID, one.InstanceNumber = f"1.2.3.4.{number}", number + 1
        one.ImagePositionPatient = [0, 0, 2.0 * number]
        many.append(one)
    shown = tuple(Instance(str(one.SOPClassUID), str(one.SOPInstanceUID)) for one in many)
    long = replace(report, images=(replace(report.current, instances=shown, key=150),))
    for name in ("sr", "tid1500"):
        data = WRITERS[name].write(long, Material(tuple(many)))
        assert data is not None
        assert complaints(data) == []
        (study,) = opened(data).CurrentRequestedProcedureEvidenceSequence
        assert len(study.ReferencedSeriesSequence[0].ReferencedSOPSequence) == 300
