"""Chunks are the same whatever is still to do, and every study is in one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from medvlm.reporting.chunks import PATIENCE, TOGETHER, Queue, cut, shard, spread
from medvlm.reporting.find import Entry, Study, study_id

STUDIES = [
    Study(study_id(str(number)), "picture", "", "", (Entry(path=Path(str(number)), stamp=""),)) for number in range(10)
]
IDS = [study.id for study in STUDIES]


def test_a_chunk_is_the_same_whatever_of_it_is_wanted() -> None:
    whole = cut(STUDIES, IDS, 4)
    assert [len(chunk.studies) for chunk in whole] == [4, 4, 2]
    (rest,) = cut(STUDIES, IDS[5:6], 4)
    assert rest.studies == whole[1].studies
    assert rest.wanted == {IDS[5]}
    assert cut(STUDIES, [], 4) == cut([], IDS, 4) == []


def test_what_died_often_is_tried_alone_and_last() -> None:
    chunks = cut(STUDIES, IDS, 4)
    order = list(spread(chunks, {IDS[0]: TOGETHER, IDS[9]: TOGETHER - 1}))
    assert [chunk.ids for chunk in order[:2]] == [chunks[1].ids, chunks[2].ids]
    assert [chunk.ids for chunk in order[2:]] == [(name,) for name in IDS[:4]]
    assert TOGETHER < PATIENCE


@pytest.mark.parametrize("count", [1, 3, 12])
def test_every_study_is_in_one_part(count: int) -> None:
    parts = [shard(STUDIES, index, count) for index in range(1, count + 1)]
    assert sorted(study.id for part in parts for study in part) == sorted(IDS)


@pytest.mark.parametrize(("index", "count"), [(0, 2), (3, 2), (1, 0), (-1, 3)])
def test_a_part_that_is_none_is_refused(index: int, count: int) -> None:
    with pytest.raises(ValueError, match="expected 1/"):
        shard(STUDIES, index, count)


def test_a_queue_notes_what_is_taken_and_takes_more() -> None:
    chunks, noted = cut(STUDIES, IDS, 5), []
    queue = Queue(chunks[:1], lambda chunk: noted.append(chunk.ids))
    assert queue.take() == chunks[0]
    assert queue.take() is None
    queue.put(chunks[1:])
    assert list(queue) == chunks[1:]
    assert noted == [chunk.ids for chunk in chunks]
