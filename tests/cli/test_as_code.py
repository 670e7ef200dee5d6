"""`domains records`, `domains wait`, `domains check` of many, and `apply`: their output and exit codes, for scripts."""

import json
import threading
from pathlib import Path

import pytest

from letterhead.cli.apply import loss_of, names_of_mail_from
from letterhead.cli.exit_codes import Exit
from tests.rigs.command import Running, letterhead, running
from tests.rigs.processes import free_port
from tests.rigs.record_readers import READERS

LIST = """
[domains."first.test"]

[domains."FIRST-B.test"]
mail-from = "bounce"

[domains."idle.test"]
start = false
"""
WRONG = (
    "domains = 3", '[domains."a.test"]\ncolour = 1', "[domains.", '[domains."-"]', "",
    '[domains."a.test"]\n[domains."A.test"]', f'[domains."a.test"]\nselector = {"9" * 5000}', "a = " + "[" * 5000,
)  # fmt: skip


def write(folder: Path, text: str) -> str:
    """Write a list of domains, and return its path."""
    path = folder / "domains.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_a_list_is_applied_once(service: Running, tmp_path: Path) -> None:
    """--plan shows and does nothing; apply adds, and the second time nothing is to be done."""
    file = write(tmp_path, LIST)
    planned = service.call("apply", file, "--plan")
    assert planned.code == 2
    assert "first-b.test" in planned.out
    assert service.call("domains", "show", "first.test").code == Exit.REFUSED
    done = service.call("apply", file)
    assert done.code == Exit.OK, done.out + done.err
    again = service.call("apply", file, "--json")
    assert again.code == Exit.OK
    actions = {each["sender"]: each["action"] for each in json.loads(again.out)}
    assert {actions[name] for name in ("first.test", "first-b.test", "idle.test")} == {"keep"}
    assert service.call("apply", file, "--plan").code == Exit.OK
    assert service.get("/domains/first-b.test").json()["mailFrom"] == "bounce.first-b.test"
    assert service.get("/domains/idle.test").json()["status"] == "NOT_STARTED"


def test_what_differs_is_shown_and_left(service: Running, tmp_path: Path) -> None:
    """What nobody can change of a domain that is there is drift; a domain that can't be added stops no other."""
    service.call("domains", "add", "drift.test", "--mail-from", "one")
    file = write(tmp_path, '[domains."drift.test"]\nmail-from = "two"\n')
    planned = service.call("apply", file, "--plan")
    assert (planned.code, "mail-from is one.drift.test there" in planned.out) == (2, True)
    assert service.call("apply", file).code == Exit.NOT_GOOD
    mixed = service.call("apply", write(tmp_path, '[domains."co.uk"]\n[domains."good.test"]\n'))
    assert mixed.code == Exit.NOT_GOOD
    assert "[domain-public-suffix]" in mixed.out
    assert service.call("domains", "show", "good.test").code == Exit.OK
    started = service.call("apply", write(tmp_path, '[domains."late.test"]\nstart = false\n'))
    assert started.code == Exit.OK
    assert service.call("apply", write(tmp_path, '[domains."late.test"]\n'), "--plan").code == Exit.OK
    assert "start" in service.call("apply", write(tmp_path, '[domains."late.test"]\nstart = true\n')).out
    assert service.get("/domains/late.test").json()["status"] == "PENDING"


def test_deletes_only_when_told(tmp_path: Path) -> None:
    """What the file does not have is left alone; --delete asks, and --yes deletes; once more, nothing is to be done."""
    with running(tmp_path) as service:
        for name in ("stays.test", "goes.test"):
            service.call("domains", "add", name)
        file = write(tmp_path, '[domains."stays.test"]\n')
        assert service.call("apply", file, "--plan").code == Exit.OK
        assert "left alone" in service.call("apply", file).out
        assert service.call("apply", file, "--plan", "--delete").code == 2
        unasked = service.call("apply", file, "--delete")
        assert unasked.code == Exit.USAGE
        assert "goes.test" in unasked.err
        assert service.call("domains", "show", "goes.test").code == Exit.OK
        assert service.call("apply", file, "--delete", "--yes").code == Exit.OK
        assert service.call("domains", "show", "goes.test").code == Exit.REFUSED
        assert service.call("apply", file, "--delete", "--yes").code == Exit.OK


def test_nothing_is_deleted_where_something_failed(tmp_path: Path) -> None:
    """A domain that can't be added keeps those that are not in the file; a file of another account deletes nothing."""
    with running(tmp_path) as service:
        for name in ("stays.test", "kept.test"):
            service.call("domains", "add", name)
        failed = service.call(
            "apply", write(tmp_path, '[domains."stays.test"]\n[domains."co.uk"]\n'), "--delete", "--yes"
        )
        assert failed.code == Exit.NOT_GOOD
        assert "not deleted" in failed.out
        for text in ("[domains]\n", '[domains."other.test"]\n'):
            file = write(tmp_path, text)
            refused = service.call("apply", file, "--delete", "--yes")
            assert (refused.code, "none is deleted" in refused.err) == (Exit.USAGE, True)
            assert "none is deleted" in service.call("apply", file, "--delete", "--plan").err
        assert service.call("domains", "show", "other.test").code == Exit.REFUSED
        for name in ("stays.test", "kept.test"):
            assert service.call("domains", "show", name).code == Exit.OK


def test_a_loss_is_a_sentence() -> None:
    """The question says what would be lost, and of many domains how many more there are."""
    assert loss_of(["a.test"]).startswith("1 domain would be deleted")
    assert loss_of([f"d{at}.test" for at in range(23)]).endswith("d19.test and 3 more.")


def test_a_plan_without_settings_is_no_drift(tmp_path: Path) -> None:
    """Without an API key, or with an address that is none, --plan exits with 3: 2 would say that something differs."""
    file = write(tmp_path, LIST)
    assert letterhead("apply", file, "--plan", folder=tmp_path).code == Exit.REFUSED
    wrong = letterhead("apply", file, "--plan", folder=tmp_path, URL="ftp://a.test", API_KEY="lh_live_x")
    assert wrong.code == Exit.REFUSED, wrong.out + wrong.err


def test_mail_from_is_compared_as_the_api_reads_it() -> None:
    """A label or a full name, with U-labels, capitals and a final dot, means the same MAIL FROM domain."""
    for text in ("rücklauf", "RÜCKLAUF", "xn--rcklauf-n2a", "rücklauf.acme.test", "Rücklauf.ACME.test."):
        assert "xn--rcklauf-n2a.acme.test" in names_of_mail_from(text, "acme.test"), text
    assert names_of_mail_from("123", "acme.test") == {"123.acme.test"}
    assert names_of_mail_from("a b", "acme.test") == set()


@pytest.mark.parametrize("text", WRONG)
def test_a_file_that_is_wrong_is_no_drift(service: Running, tmp_path: Path, text: str) -> None:
    """A file that can't be read is 3, not 2, and nothing was done."""
    result = service.call("apply", write(tmp_path, text), "--plan")
    assert result.code == Exit.REFUSED, result.out
    assert "fix:" in result.err


def test_records_are_printed_and_written(service: Running, tmp_path: Path) -> None:
    """One domain on stdout in each format; all of them into files, one for each zone where the tool wants it so."""
    service.call("domains", "add", "files.test")
    for name, read in READERS.items():
        printed = service.call("domains", "records", "files.test", "--format", name)
        assert printed.code == Exit.OK, printed.err
        assert any(each.owner.endswith("._domainkey.files.test") for each in read(printed.out)), name
    folder = tmp_path / "zones"
    written = service.call("domains", "records", "--all", "--format", "octodns", "--directory", str(folder))
    assert written.code == Exit.OK
    assert (folder / "files.test.yaml").read_text("utf-8").startswith("---\n")
    again = service.call("domains", "records", "--all", "--format", "octodns", "--directory", str(folder))
    assert "Unchanged" in again.out
    for name, text in (("gone.test.yaml", "---\n# Records for Letterhead: …\n"), ("own.test.yaml", "---\n")):
        (folder / name).write_text(text, "utf-8")
    left = service.call("domains", "records", "--all", "--format", "octodns", "--directory", str(folder))
    assert ("gone.test.yaml is left" in left.err.replace("\n", " "), "own.test.yaml" in left.err) == (True, False)
    service.call("domains", "records", "--all", "-f", "terraform-route53", "--directory", str(folder))
    assert (folder / "letterhead.tf").exists()
    for wrong in ([], ["files.test", "--all"], ["files.test", "--zone", "files.test"]):
        assert service.call("domains", "records", *wrong).code == Exit.USAGE
    assert service.call("domains", "records", "nobody.test").code == Exit.REFUSED


def test_many_are_checked(service: Running) -> None:
    """Each domain has a line, and the worst exit code counts; DNS is silent here, so that nothing is known."""
    for name in ("many-a.test", "many-b.test"):
        service.call("domains", "add", name)
    result = service.call("domains", "check", "many-a.test", "many-b.test")
    assert result.code == Exit.NOT_SEEN, result.out + result.err
    assert {"many-a.test", "many-b.test"} <= set(result.out.split())
    with_stranger = service.call("domains", "check", "many-a.test", "nobody.test", "-o", "json")
    assert with_stranger.code == Exit.REFUSED
    assert [each["result"] for each in json.loads(with_stranger.out)] == ["checked", "failed"]
    assert service.call("domains", "check", "many-a.test", "--all").code == Exit.USAGE
    assert service.call("domains", "check").code == Exit.USAGE


def test_waiting_ends_in_time(service: Running) -> None:
    """When the time is over: 5 where DNS did not say, the finding on stderr; 2 and 3 for what can't be waited for."""
    service.call("domains", "add", "waits.test")
    result = service.call("domains", "wait", "waits.test", "--timeout", "2s")
    assert result.code == Exit.NOT_SEEN, result.out + result.err
    assert "waits.test  PENDING" in result.out
    assert "did not reach verified within 2s" in result.err
    as_json = service.call("domains", "wait", "waits.test", "--timeout", "0s", "--json", "--until", "mail-from")
    assert json.loads(as_json.out)["sender"] == "waits.test"
    assert "privateDKIMKey" in service.get("/domains/waits.test").json()
    assert "privateDKIMKey" not in as_json.out  # terminals and pipelines keep what is printed
    assert service.call("domains", "wait", "waits.test", "--timeout", "soon").code == Exit.USAGE
    assert service.call("domains", "wait", "nobody.test", "--timeout", "5s").code == Exit.REFUSED
    service.call("domains", "add", "asleep.test", "--no-start")
    asleep = service.call("domains", "wait", "asleep.test", "--timeout", "60s")
    assert (asleep.code, "domains start asleep.test" in asleep.err) == (Exit.NOT_GOOD, True)


def test_nothing_answers(tmp_path: Path) -> None:
    """Without a server, waiting ends at once with 4: a wrong address is not waited for."""
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    assert letterhead("domains", "wait", "a.test", folder=tmp_path, URL=url, API_KEY="lh_live_x").code == 4


def test_a_restart_is_waited_through(tmp_path: Path) -> None:
    """`wait` goes on while the server is stopped and started again, and sees what changed meanwhile."""
    port = free_port("127.0.0.1")
    with running(tmp_path, BIND=f"127.0.0.1:{port}") as service:
        service.call("domains", "add", "restart.test")
        key = service.key
    found = []
    with running(tmp_path, BIND=f"127.0.0.1:{port}") as service:

        def wait() -> None:
            found.append(
                letterhead(
                    "domains",
                    "wait",
                    "restart.test",
                    "--timeout",
                    "120s",
                    folder=tmp_path,
                    URL=service.url,
                    API_KEY=key,
                )
            )

        waiting = threading.Thread(target=wait)
        waiting.start()
        service.process.wait_until(lambda: "/domains/{sender}" in service.output)
    with running(tmp_path, BIND=f"127.0.0.1:{port}") as service:
        assert waiting.is_alive()
        service.call("domains", "delete", "restart.test", "--yes")
        waiting.join(timeout=90)
    (result,) = found
    assert result.code == Exit.REFUSED
    assert "trying again" in result.err or "restart.test" in result.err
