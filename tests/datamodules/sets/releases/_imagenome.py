"""Small Chest ImaGenome folders in the exact layout of the release."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

PATIENT, STUDY, BEFORE = "10000032", "50000002", "50000001"
GOLD_BOXES = (
    "image_id,x1,y1,x2,y2,width,height,bbox_name,annot_id,original_x1,original_x2,original_y1,original_y2,"
    "original_width,original_height,annotator,coord224,coord_original\n"
    'now.dcm,100,30,180,190,80,160,left lung,a1,1500,2700,300,2280,1200,1980,W,"[1,2]","[3,4]"\n'
)
GOLD_ATTRIBUTES = (
    "patient_id study_id image_id row_id section bbox relation label_name context sentence categoryID attribute\n"
).replace(" ", "\t")
GOLD_COMPARISONS = (
    "patient_id relationship_id subject_id object_id bbox comparison attribute sentence bbox_coord_224_subject "
    "bbox_coord_224_object bbox_coord_original_subject bbox_coord_original_object label_name current_image_id "
    "previous_image_id\n"
).replace(" ", "\t")


def metadata(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    lines = ["dicom_id,subject_id,study_id,ViewPosition,Rows,Columns"]
    for image, study in (("now", STUDY), ("before", BEFORE), ("gold", "50000009"), ("other", "50000003")):
        lines.append(f"{image},{PATIENT},{study},PA,2544,3056")
    (root / "mimic-cxr-2.0.0-metadata.csv").write_text("\n".join(lines) + "\n")


def images(root: Path, *names: str) -> None:
    for name, study in (("now", STUDY), ("before", BEFORE)):
        folder = root / f"files/p10/p{PATIENT}/s{study}"
        folder.mkdir(parents=True, exist_ok=True)
        if name in names:
            (folder / f"{name}.jpg").write_bytes(b"not read")


def region(image: str, name: str, x1: float, y1: float, x2: float, y2: float) -> dict[str, Any]:
    return {
        "object_id": f"{image}_{name}",
        "x1": 100,
        "y1": 30,
        "x2": 180,
        "y2": 190,
        "width": 80,
        "height": 160,
        "bbox_name": name,
        "synsets": ["C0225730"],
        "name": name.title(),
        "original_x1": x1,
        "original_y1": y1,
        "original_x2": x2,
        "original_y2": y2,
        "original_width": x2 - x1,
        "original_height": y2 - y1,
    }


def change(name: str, words: list[str], findings: list[str], number: int = 0) -> dict[str, Any]:
    return {
        "relationship_id": f"now|{number}",
        "predicate": "['No status change']",
        "relationship_names": [f"comparison|yes|{word}" for word in words],
        "relationship_contexts": [1.0 for _ in words],
        "phrase": "Unchanged.",
        "attributes": [f"anatomicalfinding|yes|{finding}" for finding in findings],
        "bbox_name": name,
        "subject_id": f"now_{name}",
        "object_id": f"before_{name}",
    }


def graph(image: str = "now") -> dict[str, Any]:
    return {
        "image_id": image,
        "viewpoint": "PA",
        "patient_id": int(PATIENT),
        "study_id": int(STUDY),
        "objects": [
            region(image, "left lung", 1528, 254.4, 3056, 2544),
            region(image, "right lung", 0, 254.4, 1528, 2544),
        ],
        "attributes": [
            {
                "left lung": True,
                "bbox_name": "left lung",
                "attributes": [
                    ["anatomicalfinding|yes|lung opacity", "nlp|yes|abnormal", "disease|no|pneumonia"],
                    ["anatomicalfinding|yes|edema", "technicalassessment|yes|low lung volumes"],
                    ["anatomicalfinding|no|edema"],
                ],
                "phrases": ["Opacity.", "Edema.", "No edema."],
                "object_id": f"{image}_left lung",
            },
            {"bbox_name": "right lung", "attributes": [["anatomicalfinding|no|pneumothorax"]], "phrases": ["None."]},
            {"bbox_name": "unknown", "attributes": [["tubesandlines|yes|chest tube"]], "phrases": ["Tube."]},
        ],
        "relationships": [
            change("left lung", ["worsened"], ["lung opacity"]),
            change("right lung", ["improved", "worsened"], ["edema"], 1),
            change("right lung", ["no change"], [], 2),
        ],
    }


def silver(root: Path, zipped: bool = True) -> None:
    folder = root / "silver_dataset"
    (folder / "splits").mkdir(parents=True)
    for name in ("train", "valid", "test"):
        lines = [",subject_id,study_id,dicom_id,path,ViewPosition"]
        lines += [f"{n},{PATIENT},{STUDY},{image},x.dcm,PA" for n, image in enumerate(("now", "gold", "other"))]
        (folder / "splits" / f"{name}.csv").write_text("\n".join(lines) + "\n")
    avoid = f"subject_id,study_id,dicom_id,path,ViewPosition\n{PATIENT},50000009,gold,x.dcm,PA\n"
    (folder / "splits/images_to_avoid.csv").write_text(avoid)
    if zipped:
        with zipfile.ZipFile(folder / "scene_graph.zip", "w") as archive:
            archive.writestr("scene_graph/now_SceneGraph.json", json.dumps(graph()))
    else:
        (folder / "scene_graph").mkdir()
        (folder / "scene_graph/now_SceneGraph.json").write_text(json.dumps(graph()))


def gold(root: Path) -> None:
    folder = root / "gold_dataset"
    folder.mkdir(parents=True)
    (folder / "gold_bbox_coordinate_annotations_1000images.csv").write_text(GOLD_BOXES)
    start = [PATIENT, STUDY, "now.dcm", "1", "findings", "left lung"]
    attributes = [
        ["1", "lung opacity", "yes", "s", "anatomicalfinding", "a"],
        ["1", "pneumonia", "no", "s", "disease", "a"],
        ["0", "nodule", "yes", "s", "anatomicalfinding", "a"],
    ]
    rows = "".join("\t".join(start + row) + "\n" for row in attributes)
    (folder / "gold_object_attribute_with_coordinates.txt").write_text(GOLD_ATTRIBUTES + rows)
    comparison = [PATIENT, "r1", "now_left lung", "before_left lung", "left lung", "worsened", "a", "s"]
    comparison += ["[1]", "[1]", "[1]", "[1]", "['lung opacity']", "now", "before"]
    text = GOLD_COMPARISONS + "\t".join(comparison) + "\n"
    (folder / "gold_object_comparison_with_coordinates.txt").write_text(text)
