"""The scene graphs of Chest ImaGenome: regions with boxes, what is seen in them, how it changed; silver and gold.

Silver is one JSON a frontal image, in a folder or in ``scene_graph.zip``; gold is three tables. A box is there twice:
in a padded 224 x 224 picture and in pixels of the original image (``original_x1``, ...); only the latter is used.

What is seen is written ``category|yes or no|finding``; of the categories only those that name something to be seen
are kept (``nlp|yes|abnormal`` and ``technicalassessment`` are not).
"""

from __future__ import annotations

import ast
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medvlm.study import SampleError

from .boxes import Box, numbers
from .records import UnusableRecordError, find_file, is_there
from .table import read_table

SEEN = ("anatomicalfinding", "disease", "tubesandlines", "device")
CHANGES = {"improved": "improved", "no change": "no change", "worsened": "worsened"}
SUFFIX = "_SceneGraph.json"
BOXES = "gold_bbox_coordinate_annotations_1000images.csv"
ATTRIBUTES = "gold_object_attribute_with_coordinates.txt"
COMPARISONS = "gold_object_comparison_with_coordinates.txt"
EDGES = ("original_x1", "original_y1", "original_x2", "original_y2")


@dataclass(frozen=True, slots=True)
class Change:
    """How a region changed since an earlier image.

    Attributes:
        region: Name of the region.
        before: DICOM id of the earlier image.
        words: ``improved``, ``no change`` or ``worsened``; several where the report says several.
        findings: What changed; may be empty.
    """

    region: str
    before: str
    words: frozenset[str]
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """What is known of one image.

    Attributes:
        image: DICOM id.
        boxes: Box of each region in pixels of the original image.
        seen: By region and finding, whether it is there; a contradiction holds both True and False.
        changes: Comparisons with earlier images.
    """

    image: str
    boxes: dict[str, Box] = field(default_factory=dict)
    seen: dict[tuple[str, str], set[bool]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    def note(self, region: str, category: str, relation: str, finding: str) -> None:
        """Add what one sentence says of one region."""
        if category in SEEN and relation in ("yes", "no") and finding:
            self.seen.setdefault((region, finding), set()).add(relation == "yes")


def image_id(text: str) -> str:
    """Return the DICOM id of an image, which some tables write with ``.dcm``, some before a region's name.

    Examples:
        >>> image_id("0a1-b2.dcm"), image_id("0a1-b2_left lung")
        ('0a1-b2', '0a1-b2')
    """
    return text.strip().partition("_")[0].removesuffix(".dcm")


class SilverGraphs:
    """The scene graphs of the silver set, read one by one."""

    def __init__(self, root: Path | str) -> None:
        """Find them.

        Args:
            root: Folder of the release.

        Raises:
            FileNotFoundError: If neither the folder nor the zip is there.
        """
        folder = Path(root) / "silver_dataset" / "scene_graph"
        self.path = (
            folder if folder.is_dir() else find_file(root, ["silver_dataset/scene_graph.zip"], "Chest ImaGenome")
        )
        self._zip: zipfile.ZipFile | None = None
        self._names: dict[str, str] = {}

    def read(self, image: str) -> Graph:
        """Return the scene graph of an image.

        Args:
            image: DICOM id.

        Raises:
            UnusableRecordError: If there is none, or it is no scene graph.
            SampleError: If the zip is broken.
        """
        text = self._text(image)
        if text is None:
            raise UnusableRecordError(image, "no scene graph")
        try:
            found = json.loads(text)
        except ValueError as error:
            raise UnusableRecordError(image, "scene graph is no valid JSON") from error
        return silver_graph(found, image)

    def _text(self, image: str) -> bytes | None:
        """Return the file of an image, or None."""
        if self.path.is_dir():
            file = self.path / f"{image}{SUFFIX}"
            return file.read_bytes() if is_there(file) else None
        try:
            if self._zip is None:
                self._zip = zipfile.ZipFile(self.path)
                self._names = {Path(name).name: name for name in self._zip.namelist()}
            name = self._names.get(f"{image}{SUFFIX}")
            return self._zip.read(name) if name else None
        except (zipfile.BadZipFile, EOFError) as error:
            raise SampleError(f"{self.path}: expected the zip of scene graphs, found: {error}") from None


def silver_graph(found: Any, image: str) -> Graph:
    """Make a graph of one silver scene graph.

    Args:
        found: Its JSON.
        image: DICOM id.

    Raises:
        UnusableRecordError: If it is no scene graph, or has a broken box.
    """
    if not isinstance(found, dict) or not isinstance(found.get("objects"), list):
        raise UnusableRecordError(image, "scene graph has no list of objects")
    graph = Graph(image)
    for part in _objects(found, "objects"):
        if all(part.get(edge) is not None for edge in EDGES):
            graph.boxes[str(part.get("bbox_name"))] = numbers((part[edge] for edge in EDGES), image)
    for part in _objects(found, "attributes"):
        for sentence in _list(part, "attributes"):
            for token in sentence if isinstance(sentence, list) else [sentence]:
                category, relation, finding = _token(token)
                graph.note(str(part.get("bbox_name")), category, relation, finding)
    for part in _objects(found, "relationships"):
        words = frozenset(_token(name)[2] for name in _list(part, "relationship_names"))
        tokens = [_token(token) for token in _list(part, "attributes")]
        findings = tuple(dict.fromkeys(finding for kind, _, finding in tokens if kind in SEEN))
        before = image_id(str(part.get("object_id", "")))
        graph.changes.append(Change(str(part.get("bbox_name")), before, words, findings))
    return graph


def _list(found: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list; what is none says nothing."""
    value = found.get(key)
    return value if isinstance(value, list) else []


def _objects(found: Mapping[str, Any], key: str) -> Iterator[dict[str, Any]]:
    """Give the objects of a list; what is no object says nothing."""
    yield from (part for part in _list(found, key) if isinstance(part, dict))


def _token(token: Any) -> tuple[str, str, str]:
    """Take ``category|relation|finding`` apart; anything else is three empty texts."""
    parts = token.split("|") if isinstance(token, str) else []
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else ("", "", "")


def gold_graphs(root: Path | str) -> dict[str, Graph]:
    """Return the graphs of the gold set by DICOM id.

    Args:
        root: Folder of the release.

    Raises:
        FileNotFoundError: If a table is absent.
    """
    graphs: dict[str, Graph] = {}
    for row in _gold(root, BOXES, ("image_id", "bbox_name", *EDGES)):
        image = image_id(row["image_id"])
        graph = graphs.setdefault(image, Graph(image))
        graph.boxes[row["bbox_name"].strip()] = numbers((row[edge] for edge in EDGES), image)
    for row in _gold(root, ATTRIBUTES, ("image_id", "bbox", "label_name", "categoryID", "relation", "context")):
        known = graphs.get(image_id(row["image_id"]))
        if known is not None and row["relation"].strip() in ("1", "1.0"):
            known.note(row["bbox"].strip(), row["categoryID"].strip(), row["context"].strip(), _finding(row))
    for row in _gold(root, COMPARISONS, ("bbox", "comparison", "label_name", "current_image_id", "previous_image_id")):
        known = graphs.get(image_id(row["current_image_id"]))
        if known is not None:
            words = frozenset(word.strip() for word in row["comparison"].split(";;"))
            before = image_id(row["previous_image_id"])
            known.changes.append(Change(row["bbox"].strip(), before, words, (_finding(row),)))
    return graphs


def _gold(root: Path | str, name: str, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Give the rows of a gold table."""
    path = find_file(root, [f"gold_dataset/{name}"], "Chest ImaGenome")
    for row in read_table(path, columns):
        if not isinstance(row, UnusableRecordError):
            yield row


def _finding(row: Mapping[str, str]) -> str:
    """Return the finding of a gold row, written as a text or as the list of one text."""
    text = row["label_name"].strip()
    if not text.startswith("["):
        return text
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return ", ".join(map(str, found)) if isinstance(found, list) else text
