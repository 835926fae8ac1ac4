"""The studies that worklists name, found below their folders; a line that names none is a failure with its number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from medvlm.reporting.find import group, look_at, place_of, walk
from medvlm.reporting.look import Looked
from medvlm.reporting.priors import Archive, Facts, facts
from medvlm.reporting.studies import Prior, Stray, Study, compared, make_study, study_id
from medvlm.reporting.worklist import Task, Unread, read_worklist


class _Unfit(Exception):
    """A line that cannot be followed; its text is the reason."""


def listed_studies(
    lists: Sequence[Path], roots: Sequence[Path], base: Path, leave_out: Path | None, priors: bool
) -> tuple[list[Study], list[Stray]]:
    """The studies that worklists name, with their priors and histories, and the lines that name none.

    Args:
        lists: The worklists.
        roots: Where UIDs are looked up, beside the folders of the lists.
        base: Folder below which all of them lie.
        leave_out: A folder that is not searched.
        priors: Whether priors are found by patient and date for lines that name none.

    Raises:
        SampleError: If a worklist cannot be read.
    """
    lines = [(path, line) for path in lists for line in read_worklist(path)]
    tasks = [line for _, line in lines if isinstance(line, Task)]
    strays = [_stray(path, line, base) for path, line in lines if isinstance(line, Unread)]
    shelf = _Shelf(tasks, roots, base, leave_out, priors)
    studies: dict[str, tuple[Study, int]] = {}
    for task in tasks:
        try:
            study = shelf.study(task)
            if study.id in studies:
                raise _Unfit(f"the same study as line {studies[study.id][1]}; give each line its own id to report both")
        except _Unfit as error:
            strays.append(_stray(task.source, Unread(task.line, str(error)), base))
        else:
            studies[study.id] = study, task.line
    return [study for _, (study, _) in sorted(studies.items())], [*strays, *shelf.strays]


def _stray(path: Path, line: Unread, base: Path) -> Stray:
    name = study_id(f"{place_of(path, base)}:{line.line}:{line.failed}")
    return Stray(name, path, "failed" if line.failed else "skipped", f"line {line.line}: {line.reason}")


class _Shelf:
    """Every file that the lines of worklists can mean, looked at once."""

    def __init__(
        self, tasks: Sequence[Task], roots: Sequence[Path], base: Path, leave_out: Path | None, priors: bool
    ) -> None:
        self.base, self.strays = base, list[Stray]()
        named = {path for task in tasks for path in _named(task)}
        self.files = {path: list(walk(path, base, leave_out, self.strays)) for path in sorted(named)}
        by_uid = any(_is_uid(text) for task in tasks for text in (task.study_uid, *task.prior))
        places = {task.source.parent.resolve() for task in tasks} if by_uid else set()
        searched = {*places, *(root.resolve() for root in roots)}
        unheard: list[Stray] = []  # of what no line names nothing is said
        found = [file for place in sorted(searched) for file in walk(place, base, leave_out, unheard)]
        below = [file for files in self.files.values() for file in files]
        self.looked = look_at(dict.fromkeys([*below, *found]), base)
        self.groups = group(_images(self.looked.values()), base)
        self.archive = Archive(
            (_made(name, members), facts(members)) for name, members in (self.groups.items() if priors else ())
        )

    def study(self, task: Task) -> Study:
        """The study of a line, with its priors and history.

        Raises:
            _Unfit: If there is none, or several.
        """
        members = self._members(task.source, task.study_uid or task.path, uid=bool(task.study_uid))
        ((name, _),) = group(members, self.base).items()
        study = _made(study_id(task.id) if task.id else name, members)
        known = facts(members)
        priors = [self._prior(task, text, known) for text in task.prior]
        if not task.prior and (nearest := self.archive.nearest(study, known)):
            priors = [nearest]
        return compared(study, priors, task.history)

    def _prior(self, task: Task, text: str, own: Facts | None) -> Prior:
        try:
            members = self._members(task.source, text, uid=_is_uid(text))
        except _Unfit as error:
            raise _Unfit(f"prior: {error}") from None
        ((name, _),) = group(members, self.base).items()
        known = facts(members)
        if own is None or known is None:
            return Prior(_made(name, members))
        if own[0] != known[0]:
            raise _Unfit("prior: it is of another patient (PatientID, its issuer or date of birth differ)")
        days = (own[1] - known[1]).days
        if days < 0:
            raise _Unfit(f"prior: it is {-days} days later than the study")
        return Prior(_made(name, members), days)

    def _members(self, source: Path, text: str, *, uid: bool) -> Sequence[Looked]:
        if uid:
            members = self.groups.get(study_id(text), ())
            if not members:
                raise _Unfit("no file of this StudyInstanceUID is below the list's folder")
            return members
        path = _resolved(source, text)
        looked = [self.looked[file] for file in self.files[path]]
        groups = group(_images(looked), self.base)
        if len(groups) > 1:
            raise _Unfit(f"{len(groups)} studies are there; name one by its study_uid, or its file or folder")
        if not groups:
            reasons = sorted({one.reason for one in looked if isinstance(one, Stray)})
            raise _Unfit("; ".join(reasons) or "no file is there")
        (members,) = groups.values()
        return members


def _images(looked: Iterable[Looked | Stray]) -> Iterable[Looked]:
    return (one for one in looked if isinstance(one, Looked))


def _made(name: str, members: Sequence[Looked]) -> Study:
    return make_study(name, [(one.kind, one.entry) for one in members])


def _named(task: Task) -> Iterable[Path]:
    """The paths of a line that are there; the others are said when the line is followed."""
    for text in (task.path, *task.prior):
        if text and not _is_uid(text):
            try:
                yield _resolved(task.source, text)
            except _Unfit:
                continue


def _is_uid(text: str) -> bool:
    return bool(text) and set(text) <= set("0123456789.") and text.count(".") > 1 and ".." not in text


def _resolved(source: Path, text: str) -> Path:
    """A path of a line.

    Raises:
        _Unfit: If it leads out of the list's folder, or there is nothing.
    """
    folder = source.parent.resolve()
    try:
        path = (folder / text).resolve()
        if not path.is_relative_to(folder):
            raise _Unfit("its path leads out of the list's folder; put the list above what it names")
        if not path.exists():
            raise _Unfit("nothing is at its path; paths are relative to the list's folder")
    except (OSError, RuntimeError):  # a name too long, a circle of links
        raise _Unfit("its path cannot be followed; give that of a file or folder") from None
    return path
