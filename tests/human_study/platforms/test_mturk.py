"""The MTurk adapter against botocore's stub, and the checks that neither botocore nor the stub makes."""

import json
import sys
from decimal import Decimal

import pandas as pd
import pytest

from data.errors import InputError
from human_study.batch.batch import read_batch
from human_study.batch.hits import write_batch
from human_study.platforms import mturk
from human_study.platforms import mturk_study as study
from human_study.platforms.mturk_api import CLOSURE, PRODUCTION, SANDBOX, Requester, connect

boto3 = pytest.importorskip("boto3")
from botocore.exceptions import EndpointConnectionError, NoCredentialsError  # noqa: E402
from botocore.stub import ANY, Stubber  # noqa: E402

OFFER = study.Offer("Which picture looks more realistic?", "Compare pictures.", "1.50", 2, 15,
                    images_url="https://host/images")


def requester(address: str = SANDBOX, region: str = "us-east-1") -> Requester:
    return Requester(boto3.client("mturk", region_name=region, endpoint_url=address, aws_access_key_id="x",
                                  aws_secret_access_key="x"))


@pytest.fixture
def sandbox():
    made = requester()
    with Stubber(made.client) as stub:
        made.stub = stub
        yield made
        stub.assert_no_pending_responses()


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    run = _make_run(tmp_path_factory.mktemp("mturk") / "run")
    write_batch(run, "crn2017-unlimited", ["pix2pix", "image_space"], "crn")
    return read_batch(run.study / "crn2017-unlimited")


def _make_run(folder):
    """A run with the least that a batch needs."""
    import numpy as np

    from data.files import write_json, write_png
    from evaluation.rundir import Method, RunDirectory
    run, rng = RunDirectory(folder), np.random.default_rng(0)
    methods = ["crn", "pix2pix", "image_space"]
    write_json(folder / "run.json", {"config": {"methods": methods, "study": {"reference": "crn"}}})
    for name in ("00000", "00001", "00002", "00003"):
        write_png(run.dataset / "layouts" / f"{name}.png", np.zeros((16, 32), np.uint8))
        for file in (run.photo_file(name), *(run.image_file(method, name) for method in methods)):
            write_png(file, rng.integers(0, 255, (16, 32, 3), dtype=np.uint8))
    for method in methods:
        run.write_method(Method(method, method))
    return run


@pytest.fixture
def manifest(batch, tmp_path):
    return study.Manifest.begin(tmp_path / "manifest.json", batch, OFFER, "sandbox")


def expect_setup(stub) -> None:
    stub.add_response("list_qualification_types", {"QualificationTypes": []})
    stub.add_response("create_qualification_type", {"QualificationType": {"QualificationTypeId": "3QUAL"}})
    stub.add_response("create_hit_type", {"HITTypeId": "3TYPE"}, {
        "Title": OFFER.title, "Description": OFFER.description, "Keywords": OFFER.keywords, "Reward": "1.50",
        "AssignmentDurationInSeconds": 900, "AutoApprovalDelayInSeconds": 259200,
        "QualificationRequirements": [{"QualificationTypeId": "3QUAL", "Comparator": "DoesNotExist",
                                       "ActionsGuarded": "DiscoverPreviewAndAccept"}]})


def expect_hit(stub, batch, part, hit_id: str) -> None:
    stub.add_response("create_hit_with_hit_type", {"HIT": {"HITId": hit_id}}, {
        "HITTypeId": "3TYPE", "LifetimeInSeconds": 604800, "MaxAssignments": part.assignments, "Question": ANY,
        "RequesterAnnotation": part.annotation, "UniqueRequestToken": study.token(batch, "sandbox", part)})


def test_publish_makes_every_hit_once_and_a_second_run_nothing(sandbox, batch, manifest):
    todo = study.parts(batch, OFFER)
    expect_setup(sandbox.stub)
    for i, part in enumerate(todo):
        expect_hit(sandbox.stub, batch, part, f"3HIT{i}")
    assert study.publish(sandbox, batch, OFFER, manifest) == len(todo) == len(batch.hits)
    stored = json.loads(manifest.file.read_text())
    assert [hit["hit_id"] for hit in stored["hits"].values()] == [f"3HIT{i}" for i in range(len(todo))]
    assert not stored["interrupted"]
    assert study.publish(sandbox, batch, OFFER, manifest) == 0


def test_interrupted_publishing_goes_on_and_takes_in_the_hit_whose_answer_was_lost(sandbox, batch, manifest):
    first, second = study.parts(batch, OFFER)
    expect_setup(sandbox.stub)
    sandbox.stub.add_client_error("create_hit_with_hit_type", "ThrottlingException", "Rate exceeded")
    with pytest.raises(InputError, match="slow down"):
        study.publish(sandbox, batch, OFFER, manifest)
    again = study.Manifest.begin(manifest.file, batch, OFFER, "sandbox")
    assert again.content["interrupted"] and again.content["hit_type_id"] == "3TYPE"
    lost = {"HITId": "3LOST", "HITTypeId": "3TYPE", "RequesterAnnotation": first.annotation, "MaxAssignments": 2}
    other = {"HITId": "3OTHER", "HITTypeId": "3ELSE", "RequesterAnnotation": second.annotation}
    sandbox.stub.add_response("list_hits", {"HITs": [other], "NextToken": "more"}, {"MaxResults": 100})
    sandbox.stub.add_response("list_hits", {"HITs": [lost]}, {"MaxResults": 100, "NextToken": "more"})
    expect_hit(sandbox.stub, batch, second, "3HIT1")
    assert study.publish(sandbox, batch, OFFER, again) == 1
    assert {note: hit["hit_id"] for note, hit in again.content["hits"].items()} == {
        first.annotation: "3LOST", second.annotation: "3HIT1"}


def test_a_repeated_token_gives_the_hit_that_exists(sandbox, batch, manifest):
    expect_setup(sandbox.stub)
    for i in range(2):
        sandbox.stub.add_client_error(
            "create_hit_with_hit_type", "RequestError",
            f"The HIT with ID '3ABCDEFGHIJKLMNOPQRSTUVWXYZ00{i}' already exists (AWS.MechanicalTurk.HitAlreadyExists)")
    study.publish(sandbox, batch, OFFER, manifest)
    assert sorted(hit["hit_id"] for hit in manifest.content["hits"].values()) == [
        "3ABCDEFGHIJKLMNOPQRSTUVWXYZ000", "3ABCDEFGHIJKLMNOPQRSTUVWXYZ001"]


def test_an_existing_qualification_is_found_and_not_made_again(sandbox, batch):
    name = f"Took part: {batch.study_id} {batch.spec_sha256[:12]}"
    sandbox.stub.add_response("list_qualification_types",
                              {"QualificationTypes": [{"Name": "other", "QualificationTypeId": "3NO"},
                                                      {"Name": name, "QualificationTypeId": "3YES"}]})
    assert study._qualification(sandbox, batch) == "3YES"


def test_tokens_differ_between_sites_and_parts_and_fit(batch):
    todo = study.parts(batch, OFFER)
    tokens = {study.token(batch, site, part) for site in ("sandbox", "production") for part in todo}
    assert len(tokens) == 2 * len(todo) and {len(one) for one in tokens} == {64}


@pytest.mark.parametrize("assignments, split", [(1, [1]), (9, [9]), (10, [9, 1]), (20, [9, 9, 2])])
def test_no_hit_has_ten_assignments(batch, assignments, split):
    offer = study.Offer("t", "d", "1.00", assignments, 15, images_url="https://h")
    first = next(iter(batch.hits))
    assert [part.assignments for part in study.parts(batch, offer) if part.key == first] == split


@pytest.mark.parametrize("reward, hits, price", [
    ("1.00", [9], "10.80"), ("1.00", [10], "14.00"), ("0.01", [1], "0.02"), ("0.05", [9, 9], "1.08"),
    ("0.33", [1], "0.40")])
def test_cost_with_fees(reward, hits, price):
    assert study.cost(reward, hits) == Decimal(price)


@pytest.mark.parametrize("change, message", [
    ({"reward": "1.505"}, "reward"), ({"reward": "free"}, "reward"), ({"reward": "0"}, "reward"),
    ({"images_url": "http://h"}, "https"), ({"images_url": ""}, "either"), ({"page_url": "https://p"}, "either"),
    ({"assignments": 0}, "assignment"), ({"minutes": 0}, "minutes")])
def test_offers_that_cannot_be(change, message):
    with pytest.raises(InputError, match=message):
        study.Offer(**{**vars(OFFER), **change}).check()


def test_wrong_region_or_address_is_refused_and_connect_never_makes_one():
    with pytest.raises(InputError, match="us-east-1"):
        requester("https://mturk-requester.eu-west-1.amazonaws.com", "eu-west-1")
    with pytest.raises(InputError, match="us-east-1"):
        requester(SANDBOX, "eu-west-1")


def test_sandbox_is_the_default(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert connect().client.meta.endpoint_url == SANDBOX and not connect().production
    assert connect(production=True).client.meta.endpoint_url == PRODUCTION


def test_missing_boto3_says_which_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(InputError, match=r"pip install '\.\[mturk\]'"):
        connect()


@pytest.mark.parametrize("parameters, message", [
    ({"Reward": 0.5}, "expected a string"), ({"Reward": "0.555"}, "expected the pattern"),
    ({"Title": "x" * 129}, "129"), ({"Colour": "red"}, "unknown parameter")])
def test_parameters_are_checked_before_the_call(sandbox, parameters, message):
    good = {"Title": "t", "Description": "d", "Reward": "0.50", "AssignmentDurationInSeconds": 60}
    with pytest.raises(InputError, match=message):
        sandbox.call("CreateHITType", **{**good, **parameters})
    with pytest.raises(InputError, match="parameter Title is missing"):
        sandbox.call("CreateHITType", **{name: good[name] for name in good if name != "Title"})


@pytest.mark.parametrize("parameters, message", [
    ({"UniqueRequestToken": "x" * 65}, "65 characters"), ({"Question": "é" * 35_000}, "70000 bytes"),
    ({"HITTypeId": "lower"}, "pattern")])
def test_lengths_and_patterns_that_the_stub_lets_pass(sandbox, parameters, message):
    with pytest.raises(InputError, match=message):
        sandbox.call("CreateHITWithHITType", **{"HITTypeId": "3T", "LifetimeInSeconds": 60, **parameters})


def test_nested_parameters_are_checked(sandbox):
    with pytest.raises(InputError, match=r"CreateHITType.QualificationRequirements: .*Comparator is missing"):
        sandbox.call("CreateHITType", Title="t", Description="d", Reward="1", AssignmentDurationInSeconds=60,
                     QualificationRequirements=[{"QualificationTypeId": "3QUAL"}])


def test_a_page_that_is_too_large_is_refused_before_any_call(batch):
    offer = study.Offer("t", "d", "1.00", 1, 15, images_url="https://host/" + "x" * 66_000)
    with pytest.raises(InputError, match="bytes"):
        study.question(batch, offer, study.parts(batch, offer)[0])


@pytest.mark.parametrize("error, status, message", [
    ("RequestError", 400, "HIT does not exist"), ("ServiceFault", 410, "permanently close"),
    ("UnrecognizedClientException", 400, "credentials")])
def test_errors_of_the_service_in_one_line(sandbox, error, status, message):
    sandbox.stub.add_client_error("get_hit", error, "This HIT does not exist", status)
    with pytest.raises(InputError, match=message) as caught:
        sandbox.call("GetHIT", HITId="3HIT")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error, message", [
    (EndpointConnectionError(endpoint_url=SANDBOX), CLOSURE[:40]), (NoCredentialsError(), "no AWS credentials")])
def test_unreachable_service_and_missing_credentials(monkeypatch, error, message):
    made = requester()

    def fail(**_):
        raise error
    monkeypatch.setattr(made.client, "get_account_balance", fail)
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        made.call("GetAccountBalance")


def assignment(i: int, **more) -> dict:
    return {"AssignmentId": f"3A{i}", "WorkerId": f"A{i}", "HITId": "3HIT", "AssignmentStatus": "Submitted",
            "AcceptTime": pd.Timestamp("2025-10-09T07:30:20Z").to_pydatetime(), "Answer": "<x/>", **more}


def test_collect_reads_all_pages_marks_workers_and_keeps_the_file_private(sandbox, manifest, tmp_path):
    manifest.put(qualification_type_id="3QUAL", hits={"key0:0": {"hit_id": "3HIT", "assignments": 9}})
    asked = {"HITId": "3HIT", "MaxResults": 100, "AssignmentStatuses": ["Submitted", "Approved", "Rejected"]}
    first = [assignment(i) for i in range(100)]
    sandbox.stub.add_response("list_assignments_for_hit", {"Assignments": first, "NextToken": "n"}, asked)
    sandbox.stub.add_response("list_assignments_for_hit", {"Assignments": [assignment(100)]},
                              {**asked, "NextToken": "n"})
    for i in sorted(range(101), key=str):
        sandbox.stub.add_response("associate_qualification_with_worker", {}, {
            "WorkerId": f"A{i}", "IntegerValue": 1, "QualificationTypeId": "3QUAL", "SendNotification": False})
    file = tmp_path / "private" / "a.json"
    records = study.collect(sandbox, manifest, file)
    assert len(records) == 101 and records[0]["hit_key"] == "key0"
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(file.read_text())["Assignments"][100]["AcceptTime"] == "2025-10-09T07:30:20+00:00"


def responses(**columns) -> pd.DataFrame:
    rows = pd.DataFrame({"platform": "mturk", "assignment_id": ["3A1", "3A1", "3A2", "3A3"],
                         "trial_index": [0, 1, 0, 0],
                         "submit_status": ["submitted", "submitted", "submitted", "approved"],
                         "accepted": pd.array([True, True, False, True], dtype="boolean"),
                         "used": pd.array([False, False, False, True], dtype="boolean"),
                         "exclude_reasons": ["sentinel", "too_fast", "instructions_ignored", None]})
    return rows.assign(**columns)


def test_pay_follows_accepted_and_not_used():
    rows = study.pay_list(responses(), "1.50").set_index("assignment_id")
    assert rows["reward"].to_dict() == {"3A1": "1.50", "3A2": "0.00", "3A3": "1.50"}
    assert rows.loc["3A1", "exclude_reasons"] == "too_fast" and rows.loc["3A1", "used"] == 0
    with pytest.raises(InputError, match="accepted"):
        study.pay_list(responses(accepted=pd.array([None] * 4, dtype="boolean")), "1.50")


def test_approve_pays_what_waits_and_never_rejects(sandbox):
    sandbox.stub.add_response("approve_assignment", {}, {"AssignmentId": "3A1"})
    assert study.approve(sandbox, study.pay_list(responses(), "1.50")) == study.Approved(1, ["3A2"], {})


def test_approving_twice_is_no_error_and_one_refusal_does_not_stop_the_others(sandbox):
    rows = study.pay_list(responses(), "1.50")
    sandbox.stub.add_client_error("approve_assignment", "RequestError", "Assignment 3A1 has already been approved")
    assert study.approve(sandbox, rows) == study.Approved(0, ["3A2"], {})
    both = study.pay_list(responses(accepted=pd.array([True] * 4, dtype="boolean")), "1.50")
    sandbox.stub.add_client_error("approve_assignment", "RequestError", "Assignment 3A1 was returned")
    sandbox.stub.add_response("approve_assignment", {}, {"AssignmentId": "3A2"})
    assert study.approve(sandbox, both) == study.Approved(1, [], {"3A1": "Assignment 3A1 was returned"})
    sandbox.stub.add_client_error("approve_assignment", "ThrottlingException", "Rate exceeded")
    with pytest.raises(InputError, match="slow down"):
        study.approve(sandbox, both)


def test_rejection_needs_a_reason(sandbox):
    with pytest.raises(InputError, match="feedback"):
        study.reject(sandbox, "3A1", "  ")
    sandbox.stub.add_response("reject_assignment", {}, {"AssignmentId": "3A1", "RequesterFeedback": "why"})
    study.reject(sandbox, "3A1", "why")


def test_close_expires_every_hit(sandbox, manifest):
    manifest.put(hits={"k:0": {"hit_id": "3A"}, "k:1": {"hit_id": "3B"}})
    for hit in ("3A", "3B"):
        sandbox.stub.add_response("update_expiration_for_hit", {}, {"HITId": hit, "ExpireAt": ANY})
    assert study.close(sandbox, manifest) == 2


def test_manifest_of_another_offer_or_site_is_refused(batch, manifest):
    dearer = study.Offer(**{**vars(OFFER), "reward": "9.00"})
    with pytest.raises(InputError, match="another offer"):
        study.Manifest.begin(manifest.file, batch, dearer, "sandbox")
    with pytest.raises(InputError, match="another environment"):
        study.Manifest.begin(manifest.file, batch, OFFER, "production")
    with pytest.raises(InputError, match="published in the sandbox"):
        study.Manifest.read(manifest.file, requester(PRODUCTION))
    with pytest.raises(InputError, match="nothing was published"):
        study.Manifest.read(manifest.file.with_name("none.json"), requester())


def command(batch, *more: str) -> list[str]:
    return [more[0], "--run", str(batch.folder.parents[1]), *more[1:]]


PUBLISH = ("publish", "--reward", "1.50", "--assignments", "2", "--images-url", "https://host/images")


def test_dry_run_writes_the_xml_and_calls_nothing(batch, capsys, monkeypatch):
    monkeypatch.setattr(mturk, "connect", lambda production: pytest.fail("a dry run connects to nothing"))
    mturk.main(command(batch, *PUBLISH, "--dry-run"))
    files = sorted((batch.secret / "mturk" / "dry-run").glob("*.xml"))
    assert len(files) == len(batch.hits) and "at most $7.20" in capsys.readouterr().out
    text = files[0].read_text()
    assert text.startswith("<HTMLQuestion") and "https://host/images" in text
    assert not any(name in text for name in ("pix2pix", "image_space", "crn_vs"))


@pytest.mark.parametrize("typed", ["yes", "", EOFError])
def test_production_needs_the_name_typed(batch, capsys, monkeypatch, typed):
    def answer(_):
        if typed is EOFError:
            raise EOFError
        return typed
    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(mturk, "connect", lambda production: requester(PRODUCTION if production else SANDBOX))
    monkeypatch.setattr(mturk.confirm, "__defaults__", (answer,))
    with pytest.raises(SystemExit):
        mturk.main(command(batch, *PUBLISH, "--production"))
    out, err = capsys.readouterr()
    assert CLOSURE in out and "2 HITs for at most $7.20" in out and "nothing was done" in err
    assert not (batch.secret / "mturk" / "manifest-production.json").exists()


def test_production_with_the_name_typed_asks_for_the_balance_first(batch, capsys, monkeypatch):
    made = requester(PRODUCTION)
    monkeypatch.setattr(mturk, "connect", lambda production: made)
    monkeypatch.setattr(mturk.confirm, "__defaults__", (lambda _: batch.study_id,))
    with Stubber(made.client) as stub:
        stub.add_response("get_account_balance", {"AvailableBalance": "5.00"})
        with pytest.raises(SystemExit):
            mturk.main(command(batch, *PUBLISH, "--production"))
    assert "the account holds $5.00" in capsys.readouterr().err


@pytest.fixture
def published(batch):
    """published(offer, parts): a manifest of HITs made in production, as `publish` leaves it."""
    file = batch.secret / "mturk" / "manifest-production.json"

    def write(offer, todo):
        study.Manifest.begin(file, batch, offer, "production").put(
            qualification_type_id="3QUAL", hit_type_id="3TYPE",
            hits={part.annotation: {"hit_id": "3HIT", "assignments": part.assignments} for part in todo})

    yield write
    file.unlink(missing_ok=True)


def test_only_what_is_missing_must_be_paid(batch, published, capsys, monkeypatch):
    offer = mturk.offer_of(mturk._parser().parse_args(command(batch, *PUBLISH)), batch)
    todo = study.parts(batch, offer)
    published(offer, todo[:1])
    made = requester(PRODUCTION)
    monkeypatch.setattr(mturk, "connect", lambda production: made)
    monkeypatch.setattr(mturk.confirm, "__defaults__", (lambda _: batch.study_id,))
    with Stubber(made.client) as stub:
        stub.add_response("get_account_balance", {"AvailableBalance": "3.60"})  # enough for one HIT, not for both
        stub.add_response("create_hit_with_hit_type", {"HIT": {"HITId": "3NEW"}})
        mturk.main(command(batch, *PUBLISH, "--production"))
        mturk.main(command(batch, *PUBLISH, "--production"))  # nothing is missing: nothing to confirm
    out = capsys.readouterr().out
    assert out.count("PRODUCTION") == 1 and "1 HITs for at most $3.60" in out


def test_approving_in_production_needs_the_name_typed(batch, published, tmp_path, capsys, monkeypatch):
    published(OFFER, study.parts(batch, OFFER))
    monkeypatch.setattr(mturk, "connect", lambda production: requester(PRODUCTION))
    monkeypatch.setattr(mturk, "read_responses", lambda file: responses())
    monkeypatch.setattr(mturk.confirm, "__defaults__", (lambda _: "yes",))
    with pytest.raises(SystemExit):
        mturk.main(command(batch, "approve", "--production"))
    out, err = capsys.readouterr()
    assert "approve 1 assignments and pay $1.50" in out and "nothing was done" in err


def test_answers_to_an_external_question_are_on_the_server(batch, published, tmp_path, capsys, monkeypatch):
    offer = study.Offer("t", "d", "1.00", 1, 15, page_url="https://h/p/TOKEN")
    published(offer, study.parts(batch, offer))
    made = requester(PRODUCTION)
    monkeypatch.setattr(mturk, "connect", lambda production: made)
    monkeypatch.setattr(mturk, "default_key_file", lambda *_: tmp_path / "study.key")
    with Stubber(made.client) as stub:
        stub.add_response("list_assignments_for_hit", {"Assignments": []})
        mturk.main(command(batch, "collect", "--production"))
    out = capsys.readouterr().out
    assert out.rstrip().endswith(f"--protocol crn2017-unlimited {batch.secret / 'study.sqlite'}")


def test_external_question_leads_to_the_server(batch):
    offer = study.Offer("t", "d", "1.00", 12, 15, page_url="https://h/p/TOKEN?a=1&b=2")
    todo = study.parts(batch, offer)
    assert sum(part.assignments for part in todo) == 12 * len(batch.hits)
    assert max(part.assignments for part in todo) == 9
    assert "https://h/p/TOKEN?a=1&amp;b=2" in study.question(batch, offer, todo[0])
