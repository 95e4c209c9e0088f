"""A study on MTurk: which HITs to make and what they cost, publishing, collecting, paying. Commands: human_study.platforms.mturk.

Every call is written to a manifest, so that a command that was stopped goes on where it was when it is run again.
"""

import hashlib
import math
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal, InvalidOperation
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.files import fingerprint, read_json, write_json
from human_study.batch.batch import Batch
from human_study.batch.page import external_question_xml, hit_document, html_question_xml
from human_study.platforms.mturk_api import CREDENTIALS, SLOW, Requester, RequestRefused

CHEAP_ASSIGNMENTS = 9  # a HIT with 10 or more assignments costs another 20 %
TAKEN_PART = 1  # value of the own qualification
EXTERNAL = "external"  # key of the HITs that lead to the study server


@dataclass(frozen=True)
class Offer:
    """What workers are offered. reward: US dollars as text; page_url: the study server's panel link, instead of
    pictures at images_url in a page sent to MTurk."""

    title: str
    description: str
    reward: str
    assignments: int  # workers per planned HIT
    minutes: int  # allowed per HIT
    keywords: str = "images, comparison, research, survey"
    lifetime_days: int = 7
    approval_days: int = 3
    images_url: str = ""
    page_url: str = ""

    def check(self) -> "Offer":
        """Raises InputError for a reward that is no amount and for a page that MTurk would not show."""
        if not re.fullmatch(r"[0-9]+(\.[0-9]{1,2})?", self.reward) or Decimal(self.reward) <= 0:
            raise InputError(f"--reward {self.reward}: expected dollars such as 1.50")
        if bool(self.images_url) == bool(self.page_url):
            raise InputError("give either --images-url (page sent to MTurk) or --page-url (page of the study server)")
        if not (self.images_url or self.page_url).startswith("https://"):
            raise InputError(f"{self.images_url or self.page_url}: MTurk's pages are https and show https only")
        if self.assignments < 1 or not 1 <= self.minutes <= 24 * 60:
            raise InputError("at least 1 assignment per HIT, and 1 to 1440 minutes")
        return self


@dataclass(frozen=True)
class Part:
    """One HIT to make: the planned HIT `key`, split so that no part has more than 9 assignments."""

    key: str
    number: int
    assignments: int

    @property
    def annotation(self) -> str:
        return f"{self.key}:{self.number}"


def parts(batch: Batch, offer: Offer) -> list[Part]:
    """All HITs to make."""
    wanted = {EXTERNAL: len(batch.hits) * offer.assignments} if offer.page_url else \
        dict.fromkeys(batch.hits, offer.assignments)
    return [Part(key, i, min(CHEAP_ASSIGNMENTS, total - CHEAP_ASSIGNMENTS * i)) for key, total in wanted.items()
            for i in range(math.ceil(total / CHEAP_ASSIGNMENTS))]


def missing(todo: Sequence[Part], manifest: Path) -> list[Part]:
    """The HITs that were not made yet by what the manifest says."""
    made = read_json(manifest)["hits"] if manifest.exists() else {}
    return [part for part in todo if part.annotation not in made]


def cost(reward: str, assignments_per_hit: Sequence[int]) -> Decimal:
    """Dollars to be paid, fees included: 20 % of the reward, 40 % on HITs with 10 or more assignments, at least one
    cent per assignment.

    >>> cost("1.00", [9, 9]), cost("1.00", [10])
    (Decimal('21.60'), Decimal('14.00'))
    """
    try:
        pay = Decimal(reward)
    except InvalidOperation:
        raise InputError(f"reward '{reward}' is no amount of dollars") from None
    rates = [Decimal("0.2") if n <= CHEAP_ASSIGNMENTS else Decimal("0.4") for n in assignments_per_hit]
    fees = [max(pay * rate, Decimal("0.01")) for rate in rates]
    total = sum((n * (pay + fee) for n, fee in zip(assignments_per_hit, fees, strict=True)), Decimal(0))
    return total.quantize(Decimal("0.01"), ROUND_UP)


def token(batch: Batch, environment: str, part: Part) -> str:
    """UniqueRequestToken, 64 characters: a call repeated with it makes no second HIT."""
    return hashlib.sha256(f"{environment}|{batch.spec_sha256}|{part.annotation}".encode()).hexdigest()


def question(batch: Batch, offer: Offer, part: Part) -> str:
    """XML of one HIT's question. Raises InputError above MTurk's limit of bytes."""
    if part.key == EXTERNAL:
        return external_question_xml(offer.page_url)
    return html_question_xml(hit_document(batch, part.key, offer.images_url))


# --- publishing ------------------------------------------------------------------------------------------------------

class Manifest:
    """What was made, as JSON, written after every call. Holds no credentials and no worker ids."""

    def __init__(self, file: Path, content: dict):
        self.file, self.content = file, content

    @classmethod
    def begin(cls, file: Path, batch: Batch, offer: Offer, environment: str) -> "Manifest":
        """A new manifest, or the one to go on with. Raises InputError when that one is of another study or offer."""
        fresh = {"environment": environment, "study_id": batch.study_id, "spec_sha256": batch.spec_sha256,
                 "offer": asdict(offer), "offer_sha256": fingerprint(asdict(offer)), "hits": {}}
        if not file.exists():
            manifest = cls(file, fresh)
            manifest.save()
            return manifest
        found = read_json(file)
        for name in ("environment", "spec_sha256", "offer_sha256"):
            if found.get(name) != fresh[name]:
                raise InputError(f"{file}: begun with another {name.removesuffix('_sha256')}; go on with the same "
                                 "options, or close that one and move its manifest away")
        return cls(file, found)

    @classmethod
    def read(cls, file: Path, requester: Requester) -> "Manifest":
        """Raises InputError when nothing was published, or on the other site."""
        if not file.exists():
            raise InputError(f"{file}: nothing was published in the {requester.environment} yet")
        content = read_json(file)
        if content["environment"] != requester.environment:
            raise InputError(f"{file}: published in the {content['environment']}, this is the {requester.environment}")
        return cls(file, content)

    def save(self) -> None:
        write_json(self.file, self.content)

    def put(self, **entries: object) -> None:
        self.content.update(entries)
        self.save()


def publish(requester: Requester, batch: Batch, offer: Offer, manifest: Manifest) -> int:
    """Make what is not made yet: qualification, HIT type, HITs. Returns the number of HITs made by this call."""
    content = manifest.content
    if "qualification_type_id" not in content:
        manifest.put(qualification_type_id=_qualification(requester, batch))
    if "hit_type_id" not in content:
        manifest.put(hit_type_id=_hit_type(requester, offer, content["qualification_type_id"]))
    todo = [part for part in parts(batch, offer) if part.annotation not in content["hits"]]
    if todo and manifest.content.get("interrupted"):
        _find_lost(requester, manifest)  # tokens expire after 24 hours: look before making a HIT again
        todo = [part for part in todo if part.annotation not in content["hits"]]
    if todo:
        manifest.put(interrupted=True)
    for part in todo:
        content["hits"][part.annotation] = {"hit_id": _make_hit(requester, batch, offer, part, content["hit_type_id"]),
                                            "assignments": part.assignments}
        manifest.save()
    manifest.put(interrupted=False)
    return len(todo)


def _qualification(requester: Requester, batch: Batch) -> str:
    """Id of this study's own qualification "has taken part"; ids of sandbox and production differ."""
    name = f"Took part: {batch.study_id} {batch.spec_sha256[:12]}"
    for found in requester.pages("ListQualificationTypes", "QualificationTypes", Query=name,
                                 MustBeRequestable=False, MustBeOwnedByCaller=True):
        if found["Name"] == name:
            return found["QualificationTypeId"]
    made = requester.call("CreateQualificationType", Name=name, QualificationTypeStatus="Active",
                          Description="Has already taken part in this study, which everybody can do once.")
    return made["QualificationType"]["QualificationTypeId"]


def _hit_type(requester: Requester, offer: Offer, qualification: str) -> str:
    """The same values give the same id."""
    once = {"QualificationTypeId": qualification, "Comparator": "DoesNotExist",
            "ActionsGuarded": "DiscoverPreviewAndAccept"}
    made = requester.call(
        "CreateHITType", Title=offer.title, Description=offer.description, Keywords=offer.keywords,
        Reward=offer.reward, AssignmentDurationInSeconds=60 * offer.minutes,
        AutoApprovalDelayInSeconds=86400 * offer.approval_days, QualificationRequirements=[once])
    return made["HITTypeId"]


def _make_hit(requester: Requester, batch: Batch, offer: Offer, part: Part, hit_type: str) -> str:
    try:
        made = requester.call(
            "CreateHITWithHITType", HITTypeId=hit_type, LifetimeInSeconds=86400 * offer.lifetime_days,
            MaxAssignments=part.assignments, Question=question(batch, offer, part),
            RequesterAnnotation=part.annotation, UniqueRequestToken=token(batch, requester.environment, part))
        return made["HIT"]["HITId"]
    except RequestRefused as error:
        known = re.search(r"\b[A-Z0-9]{20,64}\b", error.text)
        if "hitalreadyexists" in (error.code + error.text).lower() and known:
            return known[0]  # made by a call whose answer was lost
        raise


def _find_lost(requester: Requester, manifest: Manifest) -> None:
    """Take into the manifest the HITs of this HIT type that were made but not written down."""
    content = manifest.content
    for hit in requester.pages("ListHITs", "HITs"):
        note = hit.get("RequesterAnnotation", "")
        if hit.get("HITTypeId") == content["hit_type_id"] and note and note not in content["hits"]:
            content["hits"][note] = {"hit_id": hit["HITId"], "assignments": hit.get("MaxAssignments")}
    manifest.save()


# --- collecting and paying -------------------------------------------------------------------------------------------

def collect(requester: Requester, manifest: Manifest, file: Path) -> list[dict]:
    """All submitted assignments of all HITs as JSON (readable by its owner only) for human_study.platforms.collect; who took
    part gets the qualification, so that nobody can again."""
    records = []
    for annotation, hit in manifest.content["hits"].items():
        for found in requester.pages("ListAssignmentsForHIT", "Assignments", HITId=hit["hit_id"],
                                     AssignmentStatuses=["Submitted", "Approved", "Rejected"]):
            record = {name: value.isoformat() if isinstance(value, datetime) else value
                      for name, value in found.items()}
            records.append({**record, "hit_key": annotation.partition(":")[0]})
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_json(file, {"Assignments": records})
    os.chmod(file, 0o600)
    for worker in sorted({record["WorkerId"] for record in records}):
        requester.call("AssociateQualificationWithWorker", WorkerId=worker, IntegerValue=TAKEN_PART,
                       QualificationTypeId=manifest.content["qualification_type_id"], SendNotification=False)
    return records


def pay_list(responses: pd.DataFrame, reward: str) -> pd.DataFrame:
    """One row per MTurk assignment: accepted or not, with the reasons, and the reward. Pay follows `accepted` only;
    whether the answers are analysed (`used`) has no part in it."""
    own = responses[responses["platform"].eq("mturk")]
    rows = own.groupby("assignment_id").agg(
        status=("submit_status", "first"), accepted=("accepted", "first"), trials=("trial_index", "size"),
        used=("used", "sum"), exclude_reasons=("exclude_reasons", _session_reasons)).reset_index()
    if rows["accepted"].isna().any():
        raise InputError("responses: `accepted` is empty; import them with python -m human_study collect, which "
                         "applies the study's rules")
    return rows.assign(reward=[reward if accepted else "0.00" for accepted in rows["accepted"]])


def _session_reasons(texts: pd.Series) -> str:
    names = {name for text in texts.dropna() for name in text.split(";")}
    return ";".join(sorted(names - {"sentinel", "practice"}))


@dataclass(frozen=True)
class Approved:
    """What `approve` did. undecided: assignments left for a person; refused: assignment -> MTurk's reason."""

    done: int
    undecided: list[str]
    refused: dict[str, str]


def waiting(payable: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Assignments that wait for a decision: those that the rules accept, and the others."""
    open_ones = payable[payable["status"].eq("submitted")]
    accepted = open_ones["accepted"].astype(bool)
    return open_ones.loc[accepted, "assignment_id"].tolist(), open_ones.loc[~accepted, "assignment_id"].tolist()


def approve(requester: Requester, payable: pd.DataFrame) -> Approved:
    """Approve every accepted assignment that still waits; one that MTurk refuses does not stop the others.

    An assignment that was approved meanwhile is no error. Nothing is ever rejected here.
    """
    accepted, undecided = waiting(payable)
    done, refused = 0, {}
    for assignment in accepted:
        try:
            requester.call("ApproveAssignment", AssignmentId=assignment)
            done += 1
        except RequestRefused as error:
            if error.code in SLOW + CREDENTIALS:
                raise
            if "approved" not in error.text.lower():
                refused[assignment] = error.text
    return Approved(done, undecided, refused)


def reject(requester: Requester, assignment: str, feedback: str) -> None:
    """Reject one assignment. Raises InputError without a reason for the worker."""
    if not feedback.strip():
        raise InputError("a rejection needs --feedback: the worker is told why")
    requester.call("RejectAssignment", AssignmentId=assignment, RequesterFeedback=feedback)


def close(requester: Requester, manifest: Manifest) -> int:
    """Take all HITs off the market; submitted work stays. Returns their number."""
    past = datetime(2015, 1, 1, tzinfo=UTC)
    for hit in manifest.content["hits"].values():
        requester.call("UpdateExpirationForHIT", HITId=hit["hit_id"], ExpireAt=past)
    return len(manifest.content["hits"])
