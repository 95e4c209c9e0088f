"""Small parts of English sentences: counts, lists, capital letters."""

from collections.abc import Iterable


def counted(number: int, one: str, many: str = "") -> str:
    """
    >>> counted(1, "layout"), counted(2, "layout"), counted(0, "class", "classes")
    ('1 layout', '2 layouts', '0 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 4) -> str:
    """Names as a part of a sentence; of many the first, and how many more.

    >>> listed(["A", "B", "C"]), listed("ABCDEFG")
    ('A, B and C', 'A, B, C and 4 more')
    """
    names = list(names)
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def capitalised(text: str) -> str:
    """First letter large, unless the first word has its own spelling.

    >>> capitalised("pixel accuracy"), capitalised("mIoU of the judge")
    ('Pixel accuracy', 'mIoU of the judge')
    """
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first[1:] == first[1:].lower() else text
