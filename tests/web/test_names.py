"""Hold that every name in the public JSON is camelCase: in the description, and in what is really sent."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.web.conftest import running

NAME = re.compile(r"[a-z][A-Za-z0-9]*")
DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text("utf-8"))
RECORDS = "VerificationRecords"  # the records' ids, as existing clients read them


def names_in(value: Any) -> Iterator[str]:
    """Return every name in a JSON value, except the ids of the records."""
    if isinstance(value, dict):
        for name, held in value.items():
            yield name
            yield from names_in(list(held.values()) if name == "verificationRecords" else held)
    elif isinstance(value, list):
        for each in value:
            yield from names_in(each)


def test_the_description_names_nothing_else() -> None:
    """No property and no parameter of any operation has another form."""
    schemas = DOCUMENT["components"]["schemas"]
    found = {(schema, name) for schema, each in schemas.items() for name in each.get("properties", {})}
    found |= {
        (path, each["name"])
        for path, operations in DOCUMENT["paths"].items()
        for operation in operations.values()
        for each in operation.get("parameters", [])
        if each["in"] != "header"
    }
    assert len(found) > 200
    assert {(place, name) for place, name in found if not NAME.fullmatch(name) and place != RECORDS} == set()


async def test_what_is_sent_names_nothing_else(tmp_path: Path) -> None:
    """A domain in full, with all that its check saw; what stands in a record stays as it is."""
    hostile = '"taken_at": x "negative_ttl":'
    zone = f"$ORIGIN acme.dev.\n@ 300 IN SOA ns1 a 1 1 1 1 60\n@ 300 IN NS ns1\n@ 300 IN TXT {json.dumps(hostile)}\n"
    async with running(tmp_path, zones=zone) as house, house.client(house.keys["acme"]) as acme:
        await acme.post("/domains", json={"sender": "acme.dev"})
        await house.world.look("acme.dev", thorough=True)
        answer = await acme.get("/domains/acme.dev")
    names = set(names_in(answer.json()))
    assert {"snapshot", "takenAt", "exchanges", "negativeTtl"} <= names
    assert {name for name in names if not NAME.fullmatch(name)} == set()
    assert json.dumps(hostile)[1:-1] in answer.text
