"""The verdict in words, its hedges and its doubts."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.run_directory import FLOOR, PER_IMAGE, PHOTOS, Method, Score, Value
from evaluation.trainings import Training, Trainings
from reports.findings import doubts, people, verdict
from reports.findings.axes import AXES, leading_column, rank_ranges
from reports.findings.choice import chosen_layout
from reports.findings.ranking import ranking
from reports.findings.trainings import Evidence
from reports.tables import facts
from reports.tables.classes import per_class_tables
from reports.tables.names import entry_text
from reports.tables.provenance import line
from reports.tables.scores import differences_table, main_table
from tests.scores import fd, score_of, tau, value_of

A, B, C = Method("a", "Alpha"), Method("b", "Beta"), Method("c", "Gamma")


def scores(metric: str = "segmentation", name: str = "mIoU", features: str = "", **values) -> list[Score]:
    """One score of some methods; a value is (number, half width of its interval)."""
    return [score_of(metric, method, [value_of(name, number, (number - half, number + half) if half else None,
                                         features=features)]) for method, (number, half) in values.items()]


def findings_of(found: list[Score], methods=(A, B, C), **options) -> dict[str, verdict.Finding]:
    table = main_table(list(methods), found)
    trained = options.pop("trained", Evidence(Trainings([]), 100))
    return {f.axis: f for f in verdict.findings(table, found, methods, trained, **options)}


def trained(*numbers: dict[str, float], budgets=(100,), source="") -> Evidence:
    """Trainings with a mIoU of each method; one after another at the budgets."""
    each = len(numbers) // len(budgets)
    return Evidence(Trainings([
        Training(i % each, budgets[i // each], None, [A, B, C], scores(**{name: (x, 0.01) for name, x in one.items()}))
        for i, one in enumerate(numbers)]), budgets[0], source)


SETTLED = [{"a": 0.70 + i / 1000, "b": 0.60 - i / 1000, "c": 0.3 + i / 1000} for i in range(3)]
OPEN = [{"a": 0.70 + i / 5, "b": 0.60 - i / 5, "c": 0.3 + i / 5} for i in range(3)]


def test_a_leader_among_checkpoints_is_named_with_its_lead():
    finding = findings_of(scores(a=(0.7, 0.01), b=(0.6, 0.01), c=(0.3, 0.01)))["Layout"]
    assert not finding.settled
    assert finding.text == ("Alpha leads among these checkpoints: mIoU 0.700 [0.690, 0.710], 0.100 above Beta; the "
                            "intervals do not overlap. Gamma is last with 0.300. One training each: another seed may "
                            "change this order.")


def test_overlapping_intervals_are_no_lead():
    finding = findings_of(scores(a=(0.7, 0.06), b=(0.62, 0.06), c=(0.3, 0.01)))["Layout"]
    assert not finding.settled
    assert "but its interval overlaps with that of Beta" in finding.text
    every = findings_of(scores(a=(0.7, 0.3), b=(0.62, 0.3), c=(0.3, 0.3)))["Layout"]
    assert every.text.startswith("No checkpoint leads: mIoU ranges from 0.700 (Alpha) to 0.300 (Gamma)")
    same = findings_of(scores(a=(0.7, 0.3), b=(0.7, 0.3)))["Layout"]
    assert same.text.startswith("Every method has mIoU 0.700: this score does not separate them.")


def test_what_leads_as_a_method_is_told_by_seeds_alone():
    found = scores(a=(0.7, 0.01), b=(0.6, 0.01), c=(0.3, 0.01))
    own = findings_of(found, trained=trained(*SETTLED))["Layout"]
    assert own.settled and "In 3 trainings Alpha leads as a method: settled." in own.text
    wide = findings_of(found, trained=trained(*OPEN))["Layout"]
    assert not wide.settled
    assert "In 3 trainings another seed moved Alpha by 0.200, so this order is not settled" in wide.text
    two = findings_of(found, trained=trained(*SETTLED[:2]))["Layout"]
    assert not two.settled and "2 trainings settle no order" in two.text
    borrowed = findings_of(scores(a=(0.5, 0.01), b=(0.6, 0.01), c=(0.3, 0.01)),
                           trained=trained(*SETTLED, source=" of the reference results street"))["Layout"]
    assert not borrowed.settled
    assert ("In 3 trainings of the reference results street Alpha leads as a method: settled, unlike in this run, "
            "where Beta is ahead.") in borrowed.text


def test_orders_that_change_with_the_budget_are_told():
    later = [{"a": 0.72, "b": 0.81 + i / 1000, "c": 0.3 + i / 1000} for i in range(3)]
    later = [one | {"a": 0.72 - i / 1000} for i, one in enumerate(later)]
    found = scores(a=(0.7, 0.01), b=(0.6, 0.01), c=(0.3, 0.01))
    finding = findings_of(found, trained=trained(*SETTLED, *later, budgets=(100, 1000)), first="b")["Budget"]
    assert finding.text == ("Each method of this run saw 100 images. The trainings have 100 and 1,000. At 1,000 images "
                            "Beta has the best mIoU, 0.811 (settled). Beta passes Alpha in mIoU between 100 and 1,000 "
                            "images (settled).")
    single = findings_of(found, trained=trained(SETTLED[0], later[0], budgets=(100, 1000)), first="b")["Budget"]
    assert "(by the means of few trainings, not settled)" in single.text
    assert "Budget" not in findings_of(found, trained=trained(*SETTLED), first="b")


def test_without_intervals_an_order_is_open():
    finding = findings_of(scores(a=(0.7, 0), b=(0.6, 0)))["Layout"]
    assert not finding.settled and "without intervals the order is uncertain" in finding.text


def test_a_distance_is_better_when_lower_and_another_score_may_disagree():
    found = scores("distances", "FD", "judge", a=(1.0, 0.1), b=(3.0, 0.1)) + [
        score_of("distances", FLOOR, [fd(0.5)])]
    for one, precision in zip(found, (0.2, 0.9), strict=False):
        one.values.append(value_of("precision", precision, features="judge"))
    text = findings_of(found)["Likeness to photographs"].text
    assert text.startswith("Alpha leads among these checkpoints: Fréchet distance (judge) 1.000 [0.900, 1.100], 2.000 "
                           "below Beta")
    assert "0.500 apart" in text and "However, Precision (judge) ranks Beta first." in text


def test_diversity_is_told_beside_independent_draws():
    several = Method("a", "Alpha", images_per_layout=4)
    found = scores("diversity", "pairwise pixels", a=(0.3, 0.01)) + [score_of("modes", "a", [
        value_of("car colours covered", 0.2), value_of("car colours covered", 0.4, None, "exact", draws=4)])]
    text = findings_of(found, methods=(several, B))["Diversity"].text
    assert "Alpha makes 4 images per layout" in text
    assert "car colours covered 20% (4 independent draws: 40%)" in text
    assert "No method in this run makes more" in findings_of(scores(a=(0.7, 0.1)))["Diversity"].text


def test_images_from_elsewhere_are_no_demonstration():
    record = {"config": {"data": {"dataset": "camvid", "size": [64, 128]}, "study": {"baseline": "crn"}}}
    foreign = Method("theirs", "Theirs", kind="images")
    text = verdict.budget(record, [foreign], 100, 0, None)
    assert "made elsewhere" in text and "demonstration" not in text and "100 layouts" in text
    assert verdict.title(record, [foreign], "CamVid") == "Theirs on CamVid"
    trained = Method("crn", "CRN", images_seen=1600)
    small = verdict.budget({"config": {"data": {"train": 1600}}}, [trained], 500, 0, 120.0)
    assert "one pass over 1,600 training pairs" in small and "not a replication" in small
    assert "worth about 120 independent ones" in small
    assert "not a replication" not in verdict.budget({"config": {"data": {"train": 2975}}},
                                                  [Method("crn", "CRN", images_seen=595_000)], 500, 3, None)


def test_ranks_are_ranges_where_intervals_overlap():
    table = main_table([A, B, C], scores(a=(0.5, 0.1), b=(0.45, 0.1), c=(0.1, 0.1)))
    assert rank_ranges(table, table.columns[0]) == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
    unsure = main_table([A, B], scores(a=(0.5, 0), b=(0.4, 0)))
    assert rank_ranges(unsure, table.columns[0]) == {"a": (1, 2), "b": (1, 2)}
    ranked = ranking(main_table([A, B, C], scores(a=(0.1, 0.1), b=(0.45, 0.1), c=(0.5, 0.1))))
    assert [row.name for row in ranked.rows] == ["c", "b", "a"]
    assert ranked.note(ranked.rows[0], ranked.columns[0]) == "rank 1–2"


def test_unknown_scores_can_lead_and_names_of_draws_cannot():
    new = Value("new score", 0.1, higher_is_better=True, axis="layout")
    found = [Score("new metric", m.name, [replace(new, draws=1), new], {}) for m in (A, B)]
    assert leading_column(main_table([A, B], found), AXES[0]).name == "new score"


# --- doubts ---------------------------------------------------------------------------------------------------------

def test_classes_that_the_judge_cannot_see_and_methods_above_the_photographs():
    classes = {PHOTOS: {"road": 0.9, "pole": 0.02, "car": 0.5}, "a": {"road": 0.8, "pole": 0.0, "car": 0.7}}
    found = [Score("segmentation", name, [], {}, details={"IoU per class": values}) for name, values in classes.items()]
    tables = per_class_tables([A], found)
    assert doubts.unseen_classes(tables) == [
        "The judge does not recognise pole even on photographs (IoU below 0.1): no method can score on this class, yet "
        "it counts in mIoU"]
    assert "Above the photographs on 1 class: car (Alpha)" in doubts.classes_above_photographs(tables)[0]


def test_too_few_resamples_for_any_significance():
    found = [score_of("differences", name, [value_of("mIoU", 0.1, against="c")],
                   details={"tests": {"mIoU minus c": {"p": 0.01, "p (Holm)": 0.07}}}) for name in ("a", "b")]
    table = differences_table([A, B, C], found)
    few, many = ({"config": {"score": {"bootstrap": n}}} for n in (60, 1000))
    assert "no corrected p-value can fall below 0.066" in doubts.smallest_p(few, table)[0]
    assert "No difference is significant: all 2" in doubts.smallest_p(many, table)[0]


def test_a_score_that_is_the_same_for_all_and_a_distance_below_the_floor():
    found = scores("distances", "FD", "judge", a=(0.1, 0.01), b=(0.1, 0.01)) + [
        score_of("distances", FLOOR, [fd(0.5)])]
    table = main_table([A, B], found)
    assert doubts.constant_scores(table) == [
        "The same for every method, so of no use to compare them: Fréchet distance (judge) (0.100)"]
    assert doubts.floor(table)[0].startswith("Alpha and Beta are nearer to the photographs")


def test_methods_of_different_precision_are_told():
    one, two, three = (replace(m, precision=p) for m, p in ((A, "float32"), (B, "bf16"), (C, "bf16")))
    assert doubts.mixed_precisions([one, two, three]) == [
        "Methods were trained in different precisions: Beta and Gamma in bf16; Alpha in float32"]
    assert doubts.mixed_precisions([two, three]) == doubts.mixed_precisions([A, B]) == []


# --- people, names, protocol, the one picture -------------------------------------------------------------------------

def test_agreement_is_one_sentence():
    found = score_of("agreement", "nyu", [tau(-0.8), fd(0.9), tau(0.5, variant=PER_IMAGE)],
                  details={"p (Holm)": {"mIoU": 0.2, "FD-judge": 0.01}, "human order": {"a": 1, "b": 2, "c": 3}},
                  subject="The paper’s order on NYU")
    assert people.agreement_sentences([found]) == [
        "1 of 2 scores agree with the paper’s order on NYU (3 methods) beyond chance: Fréchet distance (judge). "
        "Highest tau: Fréchet distance (judge), +0.90; lowest: mIoU, −0.80."]
    found.details["p (Holm)"]["FD-judge"] = 1.0
    assert "None of 2 scores agrees" in people.agreement_sentences([found])[0]


@pytest.mark.parametrize(("one", "name", "label"), [
    (fd(1), "FD-judge", "Fréchet distance (judge)"), (value_of("FID", 1), "FID", "FID"),
    (value_of("mIoU", 1), "mIoU", "mIoU"),
    (value_of("precision", 1, features="judge", variant="train against val"), "precision-judge, train against val",
     "Precision (judge), train against val"),
    (value_of("map distance", 1, features="judge", images=4), "best-of-4 map distance-judge",
     "Best of 4: map distance (judge)"),
    (value_of("car colours covered", 1, draws=1), "car colours covered, 1 independent draw",
     "Car colours covered, 1 independent draw"),
    (value_of("mIoU", 1, against="crn"), "mIoU minus crn", "mIoU"),
    (value_of("mIoU", 1, effect="generator crn"), "generator crn", "Generator crn"),
    (value_of("pairwise pixels", 1), "pairwise pixels", "Pairwise pixels"),
    (Value("something new", 1.0), "something new", "Something new")])
def test_names_of_scores_are_readable_and_fields_survive_a_file(one, name, label):
    assert (one.name, one.label) == (name, label)
    assert Value.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_no_raw_json_in_text():
    value = {"input size": [64, 128], "layers": ["a", "b"], "exact": True, "of": {"x": None}}
    assert entry_text(value) == "input size: 64×128; layers: a, b; exact: yes; of: (x: –)"
    text = line([Score("distances", "a", [], {"extractors": {"judge": {"judge": {"name": "a net"}}}, "N": 1000,
                                              "image size": [64, 128]})])
    assert text == "Features of the judge (a net); 1,000 layouts at 64×128."


def test_dependent_layouts_are_told():
    note = "the 101 layouts depend on their neighbours, worth about 3 independent ones"
    found = [score_of("segmentation", "a", [
        value_of("mIoU", 0.5, None, f"{note}: too few for an interval", independent_layouts=3.2),
        value_of("pixel accuracy", 0.5, (0.4, 0.6), f"{note}; interval widened", independent_layouts=8.0),
        value_of("mean class accuracy", 0.5, (0.4, 0.6))])]
    assert facts.independent_layouts(found) == 3.2
    assert facts.independent_layouts(scores(a=(0.5, 0.1))) is None
    assert facts.interval_notes(found) == {"segmentation": [
        f"Without interval: mIoU ({note}: too few for an interval)",
        f"Interval of Pixel accuracy ({note}; interval widened)"]}


def test_the_one_picture_is_the_median_layout(tiny_run):
    layouts = tiny_run.layouts()
    assert chosen_layout(tiny_run, [])[0] == layouts[len(layouts) // 2]
    each = np.linspace(1, 0, len(layouts))
    found = [Score("segmentation", name, [Value("mIoU", 0.5)], {}, {"mIoU": (each + shift).tolist()})
             for name, shift in (("crn", 0), ("pix2pix", 0.3))]
    name, rule = chosen_layout(tiny_run, found)
    assert np.sort(each)[(len(each) - 1) // 2] == each[layouts.index(name)]
    assert "the layout with the median mIoU" in rule
