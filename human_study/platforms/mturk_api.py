"""Calls to MTurk's requester API: sandbox by default, every parameter checked before it is sent, errors in one line.

boto3's own default is the production site, and it checks types but neither patterns nor lengths; both are mended here.
"""

import re
from collections.abc import Iterator
from typing import Any

from data.errors import InputError

REGION = "us-east-1"  # the only one; any other silently builds an address that does not exist
SANDBOX = "https://mturk-requester-sandbox.us-east-1.amazonaws.com"
PRODUCTION = "https://mturk-requester.us-east-1.amazonaws.com"
CLOSURE = ("Amazon announced that Mechanical Turk closed to new customers on 30 July 2026 and that its API "
           "\"will permanently close on September 30, 2026\"")
LENGTHS = {"Title": 128, "Description": 2000, "Keywords": 1000, "RequesterAnnotation": 255,
           "RequesterFeedback": 1024}  # stated in the documentation, absent from the service model
QUESTION_BYTES = 65_535
SLOW = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown")
CREDENTIALS = ("UnrecognizedClientException", "InvalidClientTokenId", "AccessDeniedException", "SignatureDoesNotMatch")


class RequestRefused(InputError):
    """MTurk refused a call. `code` and `text` are its own words."""

    def __init__(self, message: str, code: str, text: str):
        super().__init__(message)
        self.code, self.text = code, text


def connect(production: bool = False) -> "Requester":
    """A client of the sandbox or, asked for, of the production site. Credentials come from boto3's usual places.

    Raises InputError when boto3 is not installed.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise InputError("boto3 is not installed; it comes with the extra `mturk`: "
                         "pip install '.[mturk]' in this project's folder") from None
    config = Config(retries={"mode": "adaptive", "max_attempts": 8}, connect_timeout=15, read_timeout=60)
    return Requester(boto3.client("mturk", region_name=REGION, endpoint_url=PRODUCTION if production else SANDBOX,
                                  config=config))


class Requester:
    """`call` and `pages` of one client, with the checks of this module."""

    def __init__(self, client: Any):
        address = client.meta.endpoint_url.rstrip("/")
        if address not in (SANDBOX, PRODUCTION) or client.meta.region_name != REGION:
            raise InputError(f"MTurk client for {address} (region {client.meta.region_name}): MTurk is in {REGION} "
                             f"only; expected {SANDBOX} or {PRODUCTION}")
        self.client, self.production = client, address == PRODUCTION

    @property
    def environment(self) -> str:
        return "production" if self.production else "sandbox"

    def call(self, operation: str, **parameters: Any) -> dict:
        """E.g. call("CreateHITType", Title=...). Raises InputError; RequestRefused where MTurk itself refused."""
        from botocore import exceptions as boto
        from botocore import xform_name
        check(self.client.meta.service_model.operation_model(operation).input_shape, parameters, operation)
        try:
            return getattr(self.client, xform_name(operation))(**parameters)
        except boto.ClientError as error:
            raise self._refused(operation, error) from None
        except boto.ParamValidationError as error:
            raise InputError(f"MTurk {operation}: {' '.join(str(error).split())}") from None
        except (boto.NoCredentialsError, boto.PartialCredentialsError):
            raise InputError("MTurk: no AWS credentials found; set them up as boto3 documents (aws configure, "
                             "environment or profile)") from None
        except (boto.ConnectionError, boto.HTTPClientError) as error:
            raise InputError(f"MTurk {operation}: {self.client.meta.endpoint_url} cannot be reached "
                             f"({type(error).__name__}). {CLOSURE}. What was done is in the manifest; run the same "
                             "command again to go on") from None

    def _refused(self, operation: str, error: Any) -> InputError:
        code = error.response.get("Error", {}).get("Code", "")
        text = " ".join(error.response.get("Error", {}).get("Message", "").split())
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        said = f"MTurk {operation} ({self.environment}): {code}: {text}"
        if code in SLOW:
            said += "; MTurk asks to slow down: wait a minute and run the same command again, finished calls are kept"
        elif status == 410 or "closed" in text.lower() or "no longer available" in text.lower():
            said += f". {CLOSURE}"
        elif code in CREDENTIALS:
            said += "; check the credentials and that the account is linked to MTurk (the sandbox is linked apart)"
        return RequestRefused(said, code, text)

    def pages(self, operation: str, key: str, **parameters: Any) -> Iterator[dict]:
        """All entries of a paged list, e.g. pages("ListHITs", "HITs")."""
        token = {}
        while True:
            page = self.call(operation, MaxResults=100, **parameters, **token)
            yield from page.get(key, [])
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}


def check(shape: Any, parameters: dict[str, Any], where: str) -> None:
    """Refuse what the service would: unknown or missing parameters, lengths, patterns, the size of a question.

    shape: a structure of botocore's service model. Raises InputError naming the parameter.
    """
    if missing := set(shape.required_members) - set(parameters):
        raise InputError(f"MTurk {where}: parameter {sorted(missing)[0]} is missing")
    for name, value in parameters.items():
        if name not in shape.members:
            raise InputError(f"MTurk {where}: unknown parameter {name}")
        _check_value(shape.members[name], name, value, where)


def _check_value(shape: Any, name: str, value: Any, where: str) -> None:
    if shape.type_name == "structure" and isinstance(value, dict):
        check(shape, value, f"{where}.{name}")
    elif shape.type_name == "list" and isinstance(value, list | tuple):
        for one in value:
            _check_value(shape.member, name, one, where)
    elif shape.type_name == "string" and not isinstance(value, str):
        raise InputError(f"MTurk {where}: {name} is {value!r}, expected a string")
    elif isinstance(value, str):
        _check_string(shape.metadata, name, value, where)


def _check_string(rules: dict[str, Any], name: str, value: str, where: str) -> None:
    longest = rules.get("max") or LENGTHS.get(name)
    if len(value) < rules.get("min", 0) or (longest and len(value) > longest):
        raise InputError(f"MTurk {where}: {name} has {len(value)} characters, allowed are "
                         f"{rules.get('min', 0)} to {longest}")
    if (pattern := rules.get("pattern")) and not re.search(pattern, value):
        raise InputError(f"MTurk {where}: {name} is '{value}', expected the pattern {pattern}")
    if name == "Question" and (size := len(value.encode("utf-8"))) > QUESTION_BYTES:
        raise InputError(f"MTurk {where}: Question has {size} bytes, at most {QUESTION_BYTES} are taken")
