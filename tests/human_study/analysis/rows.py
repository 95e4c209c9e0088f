"""Rows of tables of responses, for the tests of the analysis."""

from human_study.responses.columns import condition_name


def row(participant: str, trial: int, **more) -> dict:
    return {"study_id": "study", "spec_sha256": "a" * 64, "platform": "local", "session_id": f"s-{participant}",
            "participant": participant, "trial_index": trial, "trial_id": f"t{trial}", "block": "test",
            "image_id": f"i{trial}", "sentinel": "none", "rt_ms": 900.0 + trial, "submit_status": "submitted", **more}


def pair(participant: str, trial: int, left: str, right: str, chosen: str, **more) -> dict:
    return row(participant, trial, **{"condition": condition_name(*sorted((left, right))), "layout": "side_by_side",
                                      "left_method": left, "right_method": right, "chosen": chosen, **more})


def single(participant: str, trial: int, shown: str, chosen: str, method: str = "crn", **more) -> dict:
    return row(participant, trial, task="real_or_fake", layout="single", condition=f"photos_vs_{method}", shown=shown,
               chosen=chosen, **more)


def ranked(participant: str, trial: int, shown: list[str], order: list[str], **more) -> dict:
    return row(participant, trial, **{"task": "ranking", "layout": "grid", "condition": "_vs_".join(sorted(shown)),
                                      "shown": ";".join(shown), "ranked": ";".join(order), "chosen": "ranked", **more})
