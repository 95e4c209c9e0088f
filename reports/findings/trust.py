"""Which distances can be trusted: those that call a sharp plausible picture nearer to the photograph than a blur."""

from data.errors import InputError
from data.files import read_mapping
from evaluation.run_directory import RunDirectory
from reports.tables.names import score_title
from writing.words import capitalised, listed

TRUSTED = 0.75  # share of layouts on which the draw must be nearer
FILE = "trust.json"


def sentences(run: RunDirectory) -> list[str]:
    """What scores/trust.json says, in words; empty where the run has none."""
    file = run.path / "scores" / FILE
    if not file.exists():
        return []
    found = read_mapping(file)
    if not isinstance(found.get("protocol"), dict) or not isinstance(found.get("scores"), list):
        raise InputError(f"{file}: not made by the metric trust; delete it, and score again")
    layouts = found["protocol"]["layouts"]
    single = [row for row in found["scores"] if row["layouts"]]
    of_sets = [row for row in found["scores"] if not row["layouts"]]
    shares = listed([f"{score_title(row['score'])} in {row['draw nearer']:.0%}" for row in single], 8)
    lines = [f"Known truth: on {layouts} layouts each distance was asked whether another draw of the same layout or "
             f"the mean of eleven draws, a blur, is nearer to the photograph. The draw was nearer by {shares}"]
    if blurred := [score_title(row["score"]) for row in single if row["draw nearer"] < TRUSTED]:
        verb = "prefers" if len(blurred) == 1 else "prefer"
        lines.append(f"{capitalised(listed(blurred, 8))} {verb} blurs too often to judge realism; a method may lead "
                     "there because it averages")
    if of_sets:
        told = [f"{score_title(row['score'])} ({row['mean / draw']:.1f} times as far for the blurs)" for row in of_sets]
        lines.append(f"As sets, draws against blurs: {listed(told, 8)}")
    return lines
