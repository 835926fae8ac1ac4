"""Where findings lie, voxel by voxel, as DICOM segmentation (PS3.3 A.51), for studies that have masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medvlm.reporting.report import StudyReport
from medvlm.reporting.uids import make_uid
from medvlm.reporting.writers import packages
from medvlm.reporting.writers.codes import concept, finding_code
from medvlm.reporting.writers.dicom import finish, identity, own_uid
from medvlm.study import ImageError

if TYPE_CHECKING:
    from medvlm.reporting.writers import Material

_ABNORMAL = ("49755003", "SCT", "Morphologically Abnormal Structure")


def write_segmentation(report: StudyReport, material: Material) -> bytes | None:
    """One segment a mask, on exactly the slices that were shown.

    Args:
        report: The report.
        material: Its masks, ``(slices, H, W)`` in the order of its headers.

    Returns:
        The file; None where there is no mask, or all are empty.

    Raises:
        ImageError: If a mask does not have the form of the images.
        ImportError: If highdicom is not installed.
    """
    masks = {name: mask for name, mask in material.masks.items() if mask.any()}
    if not masks:
        return None
    highdicom = packages.highdicom()
    first = material.headers[0]
    form = (len(material.headers), int(first.Rows), int(first.Columns))
    if wrong := {name: mask.shape for name, mask in masks.items() if mask.shape != form}:
        raise ImageError(f"masks of another form than the images {form}: {wrong}; give one plane a file that was shown")
    if len(material.headers) > 1 and "FrameOfReferenceUID" not in first:
        raise ImageError("seg: slices without a FrameOfReferenceUID (0020,0052) have no place: leave seg out")
    made = highdicom.seg.Segmentation(
        source_images=list(material.headers),
        pixel_array=np.stack(list(masks.values()), axis=-1).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[_segment(report, number, name, highdicom) for number, name in enumerate(masks, start=1)],
        manufacturer_model_name=report.origin.model[:64],
        software_versions=report.origin.version,
        device_serial_number=report.origin.weights[:64],
        content_label="AI_FINDINGS",
        **identity(report, "seg"),
    )
    for element in made.iterall():
        if element.keyword == "DimensionOrganizationUID":
            element.value = own_uid(report, "seg", "dimensions")
    if "FrameOfReferenceUID" not in made:
        made.PatientOrientation = first.get("PatientOrientation")  # type 2C: it must be there, empty if unknown
    return finish(made, report, "segmentation")


def _segment(report: StudyReport, number: int, name: str, highdicom: Any) -> Any:
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=concept(_ABNORMAL),
        segmented_property_type=concept(finding_code(name)),
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=report.origin.model,
            version=report.origin.version,
            family=concept(("123110", "DCM", "Artificial Intelligence")),
        ),
        tracking_uid=make_uid(report.study, report.run, "segment", name),
        tracking_id=name,
    )
