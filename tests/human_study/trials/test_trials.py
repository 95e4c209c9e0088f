"""Protocols, MATLAB's stream and designs: goldens, exact balance, refusals."""

import hashlib
from collections import Counter

import pytest

from data.errors import InputError
from evaluation.run_directory import PHOTOS
from human_study.__main__ import main
from human_study.protocol.protocols import BLURRED, PROTOCOLS, UNDER_TEST, load_protocol
from human_study.trials import draw as design
from human_study.trials.cast import Cast
from human_study.trials.draw import draw, generator, matlab, timed_counts
from human_study.trials.trials import Stock

GOLDEN = {
    "crn2017-unlimited": ("data_GAN.csv", 59_154, "852707377812eb55862f3631ece9270fb9c4d4ebfe61a7d0faab62bc721b0e7d"),
    "crn2017-timed": ("data_timed_cityscapes_good.csv", 127_236,
                      "6883ff175112fe77d612b9ccb658334b3efd45bc4a694332eb3fd37d11f29990"),
}
LAYOUTS = [f"{i:05d}" for i in range(500)]
CAST = Cast("crn", ("pix2pix", "unet"), "image_space")


def sides(trials):
    """Per cell: how often the method named first is on the left minus on the right."""
    surplus = Counter()
    for trial in trials:
        first_left = trial.condition.startswith(f"{trial.methods[0]}_vs_")
        surplus[trial.condition, trial.exposure_ms, trial.sentinel] += 1 if first_left else -1
    return surplus


# --- goldens ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("protocol", GOLDEN)
def test_published_tables_byte_for_byte(protocol, tmp_path):
    name, size, digest = GOLDEN[protocol]
    main(["hits", "--protocol", protocol, "--rng", "matlab", "--out", str(tmp_path)])
    content = (tmp_path / name).read_bytes()
    assert len(content) == size and hashlib.sha256(content).hexdigest() == digest


def test_matlab_design_on_a_run_has_the_published_structure():
    hits = draw(PROTOCOLS["crn2017-unlimited"], Cast("crn", ("gan",), UNDER_TEST), LAYOUTS, "s", rng="matlab")
    for hit, rows in zip(hits, matlab.unlimited_hits(), strict=True):
        names = {"crn": "baseline", "gan": "other", PHOTOS: "real"}
        assert [(names[t.methods[0]], names[t.methods[1]], int(t.image_id) + 1) for t in hit.trials] == [
            (row.left, row.right, row.image) for row in rows]
    for name, settings, layouts, message in (
            ("crn2017-timed", [], 499, "exactly 500 layouts, the run has 499"), ("lab", [], 500, "not 'lab'"),
            ("crn2017-timed", ["hits=3"], 500, "fix hits"),
            ("crn2017-unlimited", ["sentinels=5"], 500, "fix sentinels")):
        with pytest.raises(InputError, match=message):
            draw(load_protocol(name, settings), CAST, LAYOUTS[:layouts], "s", rng="matlab")
    with pytest.raises(SystemExit):
        main(["hits", "--protocol", "crn2017-timed", "--rng", "matlab", "--set", "hits=3", "--out", "nowhere"])


# --- designs ---------------------------------------------------------------------------------------------------------

def test_unlimited_500_layouts():
    hits = draw(PROTOCOLS["crn2017-unlimited"], Cast("crn", ("pix2pix", "unet"), UNDER_TEST), LAYOUTS, "s")
    assert len(hits) == 10
    for table in ("pix2pix", "unet"):
        own = [hit for hit in hits if hit.table == table]
        test = [trial for hit in own for trial in hit.trials if trial.sentinel == "none"]
        assert sorted(trial.image_id for trial in test) == LAYOUTS
        assert set(sides(test).values()) == {0}
        for hit in own:
            sentinels = [trial for trial in hit.trials if trial.sentinel == "perceptual"]
            assert len(hit.trials) == 110 and len(sentinels) == 10 and hit.trials[0].sentinel == "none"
            assert set(sides(hit.trials).values()) == {0}
            assert {frozenset((t.methods[0], t.methods[1])) for t in sentinels} == {frozenset((PHOTOS, table))}
            assert all(t.methods[t.sentinel_answer == "right"] == PHOTOS for t in sentinels)
            assert len({t.image_id for t in hit.trials}) == 110  # a sentinel's scene is not tested in its HIT
    first, second = ([t.methods[0] == "crn" for t in hit.trials if t.sentinel == "none"] for hit in (hits[0], hits[5]))
    assert first != second  # sides are drawn anew for every baseline


@pytest.mark.parametrize("layouts, hits, test, sentinels", [(20, 1, 20, 2), (131, 2, 66, 7), (100, 1, 100, 10),
                                                            (1, 1, 1, 1), (101, 2, 51, 6)])
def test_unlimited_with_fewer_layouts(layouts, hits, test, sentinels):
    found = draw(PROTOCOLS["crn2017-unlimited"], Cast("crn", ("pix2pix",), UNDER_TEST), LAYOUTS[:layouts], "s")
    kinds = Counter(trial.sentinel for trial in found[0].trials)
    assert (len(found), kinds["none"], kinds["perceptual"]) == (hits, test, sentinels)
    shown = [trial.image_id for hit in found for trial in hit.trials if trial.sentinel == "none"]
    assert sorted(shown) == LAYOUTS[:layouts]
    test = [t for hit in found for t in hit.trials if t.sentinel == "none"]
    assert abs(sides(test)["crn_vs_pix2pix", None, "none"]) <= 1


def test_timed_500_layouts():
    hits = draw(PROTOCOLS["crn2017-timed"], CAST, LAYOUTS, "s")
    assert len(hits) == 20
    for hit in hits:
        cells = Counter((trial.condition, trial.exposure_ms) for trial in hit.trials if trial.sentinel == "none")
        assert len(hit.trials) == 110 and len(cells) == 21 and set(cells.values()) == {5}
        assert max(map(abs, sides(hit.trials).values())) <= 1
        assert len({trial.image_id for trial in hit.trials}) == 110  # no scene primes another trial
        for trial in hit.trials:
            if trial.sentinel == "perceptual":
                assert set(trial.methods) == {PHOTOS, "image_space"} and trial.exposure_ms == 4000
    own = [trial for hit in hits if hit.table == "pix2pix" for trial in hit.trials]
    assert set(sides(own).values()) == {0}  # 25 left and 25 right in each of the 21 cells
    assert {trial.condition for trial in own if trial.sentinel == "none"} == {
        "crn_vs_photos", "pix2pix_vs_photos", "crn_vs_pix2pix"}


@pytest.mark.parametrize("layouts, expected", [(500, (5, 5)), (110, (5, 5)), (109, (4, 4)), (44, (2, 2)), (12, (1, 1))])
def test_timed_counts_shrink_with_the_layouts(layouts, expected):
    assert timed_counts(PROTOCOLS["crn2017-timed"], layouts) == expected
    hit = draw(PROTOCOLS["crn2017-timed"], CAST, LAYOUTS[:layouts], "s")[0]
    assert len(hit.trials) == 21 * expected[0] + expected[1]
    uses = Counter(trial.image_id for trial in hit.trials).values()
    assert max(uses) == -(-len(hit.trials) // layouts)  # never more often than needed


def test_lab_is_exactly_balanced_and_shows_each_scene_once():
    protocol = load_protocol("lab", ["hits=12"])
    hits = draw(protocol, Cast("crn", ("a", "b", "c"), BLURRED), LAYOUTS[:200], "s")
    assert len(hits) == 12
    for hit in hits:
        test = [t for t in hit.trials if t.sentinel == "none"]
        assert len(test) == 48 and set(Counter(t.condition for t in test).values()) == {16}
        assert set(sides(test).values()) == {0}
        scenes = [t.image_id for t in hit.trials if t.sentinel != "instruction"]
        assert len(scenes) == len(set(scenes)) == 48 + 10 + 3
        assert [t.block for t in hit.trials] == ["practice"] * 3 + ["test"] * 60
        assert Counter(t.sentinel for t in hit.trials if t.block == "test") == {
            "none": 48, "perceptual": 10, "instruction": 2}
        for t in hit.trials:
            if t.sentinel == "instruction":
                assert t.image_id == f"choose-{t.sentinel_answer}"
    by_condition = [Counter(t.image_id for hit in hits[:3] for t in hit.trials if t.condition == f"crn_vs_{m}")
                    for m in "abc"]
    assert by_condition[0] == by_condition[1] == by_condition[2]  # paired: the same scenes in every condition
    orders = [[(t.image_id, t.methods[0]) for t in hit.trials] for hit in hits[:2]]
    assert orders[0] != orders[1]


@pytest.mark.parametrize("cells, asked, given", [(1, 48, 48), (1, 49, 48), (7, 48, 42), (3, 50, 48), (30, 48, 48)])
def test_trials_per_participant(cells, asked, given):
    assert design.tests_per_participant(load_protocol("lab", [f"test_trials={asked}"]), cells) == given


def test_in_a_pilot_several_participants_judge_every_image_of_a_comparison():
    hits = draw(PROTOCOLS["pilot"], Cast("crn", ("a", "b"), BLURRED), LAYOUTS, "s")
    judged = Counter((t.condition, t.image_id) for hit in hits for t in hit.trials if t.sentinel == "none")
    assert len(hits) == 8 and set(judged.values()) == {4} and len(judged) == 2 * 24
    assert len({tuple(t.image_id for t in hit.trials) for hit in hits}) == 8  # everybody in an order of his own


def test_every_scene_comes_twice_before_any_comes_a_third_time():
    stock = Stock(LAYOUTS[:10], generator(0, "x"))
    uses = Counter()
    for _ in range(12):
        taken = stock.take(7)
        uses.update(taken)
        assert len(set(taken)) == 7 and max(uses.values()) - min(uses[scene] for scene in LAYOUTS[:10]) <= 1


def test_many_cells_are_balanced_over_participants():
    protocol = load_protocol("lab", ["hits=60", "test_trials=20", "pairs=all"])
    hits = draw(protocol, Cast("crn", tuple("abcde"), BLURRED), LAYOUTS[:100], "s")  # 15 cells
    test = [t for hit in hits for t in hit.trials if t.sentinel == "none"]
    assert len({t.condition for t in test}) == 15
    assert max(map(abs, sides(test).values())) <= 1
    assert set(Counter(t.condition for t in test).values()) == {80}


def test_repeats_are_mirrored_and_come_later():
    hits = draw(load_protocol("lab", ["repeats=4"]), CAST, LAYOUTS, "s")
    for hit in hits:
        place = {t.trial_id: i for i, t in enumerate(hit.trials)}
        repeats = [t for t in hit.trials if t.sentinel == "repeat"]
        assert len(repeats) == 4
        for t in repeats:
            first = hit.trials[place[t.trial_id.removesuffix("/repeat")]]
            assert first.methods == t.methods[::-1] and place[first.trial_id] < place[t.trial_id]
    with pytest.raises(InputError, match="repeats=40"):
        draw(load_protocol("lab", ["repeats=40"]), CAST, LAYOUTS, "s")


def test_too_few_scenes_is_an_error_not_a_repetition():
    with pytest.raises(InputError, match="61 layouts are needed.*the run has 60"):
        draw(PROTOCOLS["lab"], CAST, LAYOUTS[:60], "s")
    with pytest.raises(InputError, match="no layouts"):
        draw(PROTOCOLS["lab"], CAST, [], "s")


def test_seeds():
    protocol = PROTOCOLS["lab"]
    assert draw(protocol, CAST, LAYOUTS, "s", 0) == draw(protocol, CAST, LAYOUTS, "s", 0)
    assert draw(protocol, CAST, LAYOUTS, "s", 0) != draw(protocol, CAST, LAYOUTS, "s", 1)
    assert draw(protocol, CAST, LAYOUTS, "s", 0) != draw(protocol, CAST, LAYOUTS, "t", 0)


# --- protocols -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, settings, message", [
    ("crn2017-timd", [], "did you mean 'crn2017-timed'"),
    ("lab", ["hit=3"], "unknown key 'hit': did you mean 'hits'"),
    ("lab", ["hits=0"], "key 'hits'.*got 0"),
    ("lab", ["texts.en.titel=x"], "did you mean 'title'"),
    ("lab", ["rules.x.y=1"], "unknown key 'rules.x'"),
    ("lab", ["hits"], "expected key=value"),
    ("lab", ["min_viewport=[500, 300]"], "min_viewport is smaller"),
    ("lab", ["exposures_ms=[125, 125]"], "different positive"),
    ("lab", ["anchor=under-test"], "belongs to design unlimited-tables"),
    ("crn2017-unlimited", ["exposures_ms=[125]"], "no time limit"),
    ("crn2017-unlimited", ["hits=3"], "leave hits and pairs out"),
    ("crn2017-unlimited", ["pairs=all"], "leave hits and pairs out"),
    ("crn2017-unlimited", ["repeats=2"], "belong to design per-participant"),
    ("crn2017-timed", ["practice=2"], "belong to design per-participant"),
    ("crn2017-timed", ["instruction_checks=1"], "belong to design per-participant"),
    ("lab", ["sentinel_exposure_ms=500"], "with exposures_ms"),
    ("none.yaml", [], r"no such file \(a protocol"),
])
def test_wrong_protocols(name, settings, message):
    with pytest.raises(InputError, match=message) as error:
        load_protocol(name, settings)
    assert "\n" not in str(error.value)


def test_what_a_setting_implies_is_not_overruled_by_the_preset(tmp_path):
    """A preset fixes only what it sets itself: nothing that follows from a setting of the user."""
    file = tmp_path / "phones.yaml"
    file.write_text("extends: lab\nstacked: true\nrules: {use_min_sentinels: 0.8}\n")
    assert load_protocol("lab", ["stacked=true"]).rules.use_stacked and load_protocol(str(file)).rules.use_stacked
    assert not load_protocol("lab", ["stacked=true", "rules.use_stacked=false"]).rules.use_stacked
    assert not PROTOCOLS["lab"].rules.use_stacked and PROTOCOLS["ranking"].rules.use_stacked
    for name, protocol in PROTOCOLS.items():
        changed = load_protocol(name, ["languages=[de]"])
        assert changed.text().title != protocol.text().title and changed.model_dump(
            exclude={"languages", "texts"}) == protocol.model_dump(exclude={"languages", "texts"})
        assert load_protocol(name) == protocol  # settings of one call stay with it


def test_protocol_file(tmp_path):
    file = tmp_path / "pilot.yaml"
    file.write_text("extends: lab\nhits: 5\ntexts: {en: {title: Pilot}}\n")
    protocol = load_protocol(str(file))
    assert (protocol.name, protocol.hits, protocol.text().title) == ("pilot", 5, "Pilot")
    assert protocol.text().question == PROTOCOLS["lab"].text().question
    assert protocol.sha256() != PROTOCOLS["lab"].sha256()
    with pytest.raises(Exception, match="frozen"):
        protocol.hits = 6
    for text, message in (("- a\n", "a mapping"), ("extends: [lab]\n", "unknown"), ("extends: 3\n", "unknown")):
        file.write_text(text)
        with pytest.raises(InputError, match=message):
            load_protocol(str(file))
