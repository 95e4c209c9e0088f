"""Small parts of English sentences: counts, lists, capital letters."""

from collections.abc import Iterable


def counted(number: int, one: str, many: str = "") -> str:
    """
    >>> counted(1, "layout"), counted(2, "layout"), counted(0, "class", "classes")
    ('1 layout', '2 layouts', '0 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 4) -> str:
    """Names joined for a sentence; of more than `most` only the first ones and a count.

    >>> listed(["A", "B", "C"]), listed("ABCDEFG")
    ('A, B and C', 'A, B, C and 4 more')
    """
    names = list(names)
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def capitalised(text: str) -> str:
    """First letter upper case, unless the first word has upper-case letters of its own.

    >>> capitalised("pixel accuracy"), capitalised("mIoU of the judge")
    ('Pixel accuracy', 'mIoU of the judge')
    """
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first[1:] == first[1:].lower() else text
