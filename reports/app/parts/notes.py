"""Notes and tags on layouts, in one plain file of the run: notes.json, {layout: {"note": text, "tags": [text]}}."""

from dataclasses import asdict, dataclass

from data.errors import InputError
from data.files import read_json, write_json
from evaluation.run_directory import RunDirectory

FILE = "notes.json"


@dataclass(frozen=True)
class Note:
    note: str = ""
    tags: tuple[str, ...] = ()


def read(run: RunDirectory) -> dict[str, Note]:
    """Layout -> its note. Raises InputError for a file that does not contain notes."""
    file = run.path / FILE
    if not file.exists():
        return {}
    try:
        return {str(layout): Note(str(entry.get("note", "")), tuple(map(str, entry.get("tags", ()))))
                for layout, entry in read_json(file).items()}
    except (AttributeError, TypeError):
        raise InputError(f'{file}: expected {{layout: {{"note": text, "tags": [text]}}}}') from None


def write(run: RunDirectory, layout: str, note: Note) -> None:
    """Leaves the notes on other layouts unchanged. Raises InputError if the file cannot be written."""
    entries = {name: asdict(entry) for name, entry in (read(run) | {layout: note}).items() if entry != Note()}
    try:
        write_json(run.path / FILE, entries)
    except OSError as error:
        raise InputError(f"{run.path / FILE}: cannot be written ({error.strerror})") from None


def tags(notes: dict[str, Note]) -> list[str]:
    return sorted({tag for note in notes.values() for tag in note.tags})
