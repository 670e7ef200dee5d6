"""A request for many domains that is cut off by kill -9: what is there is whole, and the same request finishes it."""

import threading
from pathlib import Path

import httpx2
import pytest

from tests.rigs.letterhead import Installation
from tests.rigs.waiting import until

DOMAINS = 60


@pytest.mark.timeout(300)
def test_a_bulk_that_is_killed_is_finished_by_itself_again(tmp_path: Path) -> None:
    """Killed after some of its domains: each of those has its key and records; sent again, none is there twice."""
    house = Installation(tmp_path, DNS_RESOLVERS="127.0.0.1:9", RATE_LIMIT="500/s burst 1000")
    assert house.run("migrate").returncode == 0
    house.stock(8)  # the others need keys of their own, so that the request takes its time
    serving = house.serve("--no-worker")
    key = serving.open_account()
    asked = {"domains": [{"sender": f"d{number}.test"} for number in range(DOMAINS)]}
    cut = threading.Event()

    def post() -> None:
        with serving.client(key) as client:
            try:
                client.post("/domains/bulk", json=asked, timeout=60)
            except httpx2.TransportError:
                cut.set()

    posting = threading.Thread(target=post)
    posting.start()
    with serving.client(key) as client:
        until(lambda: len(client.get("/domains").json()) >= 10)
    serving.kill()
    posting.join()
    assert cut.is_set()
    with house.serving("--no-worker") as again, again.client(key) as client:
        there = client.get("/domains").json()
        assert 10 <= len(there) < DOMAINS
        assert all(each["privateDKIMKey"] for each in there)
        left, results = asked["domains"], dict[str, str]()
        while left:
            answer = client.post("/domains/bulk", json={"domains": left}, timeout=60).json()["results"]
            results |= {each["sender"]: each["result"] for each in answer}
            left = [{"sender": each["sender"]} for each in answer if each["result"] == "failed"]
        assert len(results) == DOMAINS
        listed = {each["sender"]: each["selector"] for each in client.get("/domains").json()}
        assert len(listed) == DOMAINS
        assert all(listed[each["sender"]] == each["selector"] for each in there)
        assert {results[each["sender"]] for each in there} == {"exists"}
