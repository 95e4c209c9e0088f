"""Where a session's staircases stand: every method has its own, and its answers are those to the trials before."""

from evaluation.run_directory import PHOTOS
from human_study.batch.folder import PlannedTrial
from human_study.server.store import Session, Store


def exposure_now(store: Store, session: Session, index: int) -> int | None:
    """Exposure of trial `index`, ms, by the answers before it; None where the plan fixed it."""
    trials = store.trials(session)
    if index >= len(trials) or not trials[index].adaptive:
        return None
    answers = store.chosen(session.session_id)
    before = [(trial, answers[i]) for i, trial in enumerate(trials[:index]) if i in answers and trial.adaptive
              and trial.condition == trials[index].condition and answers[i] != "none"]
    return store.batch.protocol.staircase.level([_right(trial, chosen) for trial, chosen in before])


def _right(trial: PlannedTrial, chosen: str) -> bool:
    return (chosen == "real") == (trial.methods == (PHOTOS,))
