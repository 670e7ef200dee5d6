"""Each container that lives longer than a call is named here with its bound; a new one fails until it is."""

from pathlib import Path

import pytest

from tests.house.containers import containers

ROOT = Path(__file__).parents[2]

# Lives as long as the process: how many entries, how many octets, until when. `n x m` is entries times octets of each.
PROCESS = {
    "adapters/dns/cache.py:Cache._entries": "4,096 entries; 16 MB; their TTL, 10 min at most",
    "adapters/alerts.py:_plugin": "seven; a class of Apprise for each scheme; for ever",
    "adapters/dns/hosts.py:load_domain_connect_hosts": "one; the file of Domain Connect APIs; for ever",
    "adapters/dns/hosts.py:load_hosts": "one; the file of DNS hosts; for ever",
    "adapters/dns/labels.py:name_from": "1,024 entries; a name each, 255 octets at most; until 1,024 others",
    "adapters/dns/labels.py:name_text": "1,024 entries; a name each, 255 octets at most; until 1,024 others",
    "adapters/dns/packet_rates.py:PacketRates._buckets": "2,048 addresses; 1 KB each; until 2,048 others",
    "adapters/dns/packet_rates.py:_Bucket.proven": "100 names of each address; 255 octets each; 30 hours",
    "adapters/dns/packet_rates.py:_Queue.last": "accounts whose checks wait; an id each; until none waits",
    "adapters/dns/packet_rates.py:_Queue.turns": "checks that wait; a number each; until the check ends",
    "adapters/dns/packet_rates.py:_Queue.waiting": "packets of the checks under way; a future each; the check's time",
    "adapters/dns/wire.py:_parse_kept": "256 entries; a message each, 1,232 octets on the wire; until 256 others",
    "adapters/dns/wire.py:_question": "1,024 entries; 260 octets each; until 1,024 others",
    "adapters/dns/wire.py:prepared_packet": "1,024 entries; 290 octets each; until 1,024 others",
    "adapters/dns/wire.py:type_number": "64 entries; a name of a type each; until 64 others are asked",
    "adapters/dns/wire.py:type_text": "64 entries; a name of a type each; until 64 others are asked",
    "adapters/keyring.py:EnvelopeKeyring._ciphers": "the keys of LETTERHEAD_KEYS; 32 octets each; for ever",
    "adapters/languages.py:read_language": "8 languages; 200 KB each; for ever",
    "adapters/metrics.py:PrometheusMeter._by_response": "methods x routes x statuses; 1 KB each; for ever",
    "adapters/metrics.py:PrometheusMeter._calls": "providers x calls x outcomes; 1 KB each; for ever",
    "adapters/metrics.py:PrometheusMeter._checks": "statuses; 1 KB each; for ever",
    "adapters/metrics.py:PrometheusMeter._deliveries": "outcomes; 1 KB each; for ever",
    "adapters/metrics.py:PrometheusMeter._relayed": "outcomes; 1 KB each; for ever",
    "adapters/metrics.py:PrometheusMeter._requests": "methods x routes x statuses; 1 KB each; for ever",
    "adapters/providers/simulated.py:SimulatedProvider._behaviours": "domains of a trial; 1 KB each; for ever",
    "adapters/providers/simulated.py:SimulatedProvider._identities": "domains of a trial; 1 KB each; for ever",
    "adapters/smart_host.py:SmtpSmartHost._idle": "as many as messages are handed on at once; one socket each; 30 s",
    "adapters/sns/__init__.py:SnsNotices._fetched": "10 entries; a time each; until 10 others",
    "adapters/sns/__init__.py:SnsNotices._keys": "CACHED entries; a key each; until its certificate ends",
    "adapters/storage/audit_log.py:AuditLog._rows": "10,000 rows; 500 octets each; until 10,000 others",
    "adapters/storage/leases.py:SqlLeases._come_to": "3 queues of checks; a number each; until the queue is short",
    "adapters/storage/postgres_pool.py:PostgresPool._resting": "the pool's size; a connection each; RESTED_SECONDS",
    "adapters/storage/postgres_pool.py:PostgresPool._tasks": "the pool's size; a task each; until it is shut",
    "adapters/storage/postgres_pool.py:PostgresPool._used": "the pool's size; a connection each; one transaction",
    "adapters/storage/postgres_servers.py:PostgresServers._keys": "keys of the database's URL; its text; for ever",
    "adapters/storage/postgres_servers.py:PostgresServers._resolved": "hosts of the URL; an answer each; for ever",
    "adapters/storage/postgres_servers.py:PostgresServers._silent": "hosts of the URL; a time each; for ever",
    "adapters/storage/write_batcher.py:WriteBatcher._waiting": "requests under way; a row each; the write under way",
    "core/check/check_memory.py:CheckMemory._checks": "2,048 domains; 8 KB of values each; until 2,048 others",
    "core/dkim/damaged_keys.py:is_key_of": "64 entries; a TXT record each, 16 KB at most; until 64 others",
    "core/dkim/key_record.py:parse_key_record": "8 entries; a TXT record each, 16 KB at most; until 8 others",
    "core/dmarc/record.py:_report_uris": "8 entries; a TXT record each, 16 KB at most; until 8 others",
    "core/dmarc/record.py:parse_dmarc_record": "8 entries; a TXT record each, 16 KB at most; until 8 others",
    "core/findings/diagnosis.py:readable": "32 entries; a TXT record each, 16 KB at most; until 32 others",
    "core/languages/language.py:Language.messages": "the texts of a catalogue; a text each; for ever",
    "core/languages/templates.py:split_template": "2,048 templates of ours; a template each; for ever",
    "core/message/message.py:a_label": "64 entries; a name each, 255 octets at most; until 64 others",
    "core/plan/dns_hosts.py:name_pattern": "512 entries, the DNS hosts; a pattern each; for ever",
    "core/relay/queue.py:QueueUsage._messages": "accounts with mail in the queue; a number each; until handed on",
    "core/relay/queue.py:QueueUsage._octets": "accounts with mail in the queue; a number each; until handed on",
    "core/schedule/shares.py:AccountQueue._held": "the places; an account's id each; until the place is freed",
    "core/schedule/shares.py:AccountQueue._waiting": "what its owner lets wait; the owner's; until its turn",
    "core/schedule/shares.py:Places._held": "the places; an account's id each; until the place is freed",
    "core/schedule/shares.py:Places._served": "200 accounts; an id and a number each; until 200 others",
    "core/spf/macros.py:expand_for_domain": "64 entries; a term each, 16 KB at most; until 64 others",
    "core/spf/passing_terms.py:_passing_terms": "32 entries; a record's terms each; until 32 others",
    "core/spf/record.py:parse_spf_record": "32 entries; a TXT record each, 16 KB at most; until 32 others",
    "operations/account_work.py:WorkCounter._counted": "20,000 accounts and kinds; 300 octets each; a minute",
    "operations/connection_limits.py:ConnectionLimits._each": "open connections; an address each; until it ends",
    "operations/recent_results.py:RecentResults._kept": "8 MB; results of at most 1/16 each; 60 s at most, by a timer",
    "operations/recent_results.py:RecentResults._underway": "16 places and who waits for one; a task each; one check",
    "operations/request_usage.py:RequestUsage._made": "accounts that ask in a second; a number each; 1 s",
    "operations/request_usage.py:RequestUsage._totals": "10,000 accounts; a number each; a month",
    "operations/request_usage.py:RequestUsage._used": "keys that ask in a second; a time each; 1 s",
    "operations/token_buckets.py:TokenBuckets._levels": "10,000 entries; 200 octets each; until 10,000 others",
    "relay/delivery_loop.py:DeliveryLoop._running": "messages handed on at once; a task each; one attempt",
    "relay/delivery_loop.py:DeliveryLoop._later": "messages of the queue on disk; an entry each; until due",
    "relay/submission_handler.py:SubmissionHandler._receiving": "accounts that send now; a number each; one message",
    "relay/smtp_connection.py:SmtpConnections._open": "200 connections; a connection each; until it ends",
    "web/app.py:Resource._allow": "one; a header; for ever",
    "web/app.py:Resource._endpoints": "methods of a path; a row each; for ever",
    "web/app.py:described": "one; the OpenAPI document; for ever",
    "web/app.py:docs_page=": "one; a page; for ever",
    "web/app.py:document": "one; the OpenAPI document; for ever",
    "web/app.py:edition=": "one; a digest; for ever",
    "web/app.py:reference_page=": "one; a page; for ever",
    "web/auth.py:Credentials._known": "10,000 keys; 1 KB each; not used after 0.8 s, dropped at 10,000",
    "web/context.py:AppState.streams_each": "200 streams; an id each; until the stream ends",
    "web/list_cache.py:ListCache._lists": "16 MB; lists of at most 1/16 each; until the octets are wanted",
    "web/reference.py:files": "three files; 4 MB; for ever",
    "wiring/dns.py:self._load": "one; the Public Suffix List; for ever",
    "wiring/dns.py:suffixes": "two; the Public Suffix List; for ever",
    "worker.py:FairScheduler._waiting": "checks under way; a future each; one turn",
}

# Lives no longer than what it is part of: a request, a check, a message, a run of a command.
SHORT = {
    "operations/bound_keys.py:BoundStore._checks": "a request: the events of its answer, one at most",
    "operations/bound_keys.py:BoundStore._found": "a request: a name and an id of each domain of its answer",
    "operations/bound_keys.py:BoundStore._webhooks": "a request: the ids of at most 20 endpoints, of 100 octets",
    "core/domain/profile.py:DomainProfile.labels": "a request: 16 labels of 97 characters",
    "core/zone_changes/plan_changes.py:ZoneContext.outside": "a plan of changes: at most 64 packets of answers",
    "core/zone_changes/zone_answers.py:ZoneAnswers._nodes": "a plan of changes: the zone that the host's port bounds",
    "adapters/dns_hosts/powerdns.py:PowerDnsZones.unread": "a call of a DNS host: a zone of 16 MB at most",
    "adapters/dns_hosts/rfc2136.py:Rfc2136Zones._standing": "a call of a DNS host: 100,000 records at most",
    "adapters/dns_hosts/rfc2136.py:Rfc2136Zones.unread": "a call of a DNS host: 100,000 records at most",
    "adapters/dns_hosts/route53.py:Route53Zones._health_checks": "a call of a DNS host: none at all",
    "adapters/dns_hosts/single_records.py:OvhZones._entries": "a call of a DNS host: a request each, within its 45 s",
    "web/schemas_dns_plans.py:DnsPlanAccess.credential": "a request: 12 fields, within its body",
    "web/schemas_dns_plans.py:NewDnsPlan.credential": "a request: 12 fields, within its body",
    "adapters/dns_hosts/table.py:HostRow.options": "the table of DNS hosts, which is in the code",
    "adapters/backup_file.py:BackupFileReader._counts": "a run of the command: one for each table",
    "adapters/storage/tables.py:schema_tables": "one for each migration",
    "operations/sealed_rows.py:KeyOwners._domains": "a run of the command: the domains of a backup",
    "operations/sealed_rows.py:SecretCheck.damaged": "a run of the command: a line for each key that does not open",
    "operations/sealed_rows.py:SecretCheck.missing": "a run of the command: key-encryption keys",
    "operations/sealed_rows.py:SecretCheck.used": "a run of the command: key-encryption keys",
    "adapters/dns/delegation.py:Delegations._private": "a round of questions",
    "adapters/dns/delegation.py:Delegations._running": "a round of questions",
    "adapters/dns/delegation.py:ZoneCut.glue": "counted by the cache that keeps it",
    "adapters/dns/resolver.py:_Round._again": "a round of questions",
    "adapters/dns/resolver.py:_Round._server_sets": "a round of questions",
    "adapters/dns/server_set.py:ServerSet._asked": "a round of questions",
    "adapters/dns/server_set.py:ServerSet._read": "a round of questions",
    "adapters/dns/text_zone.py:TextZone._nodes": "zone text that a command is given",
    "adapters/dns/text_zone.py:TextZone.copies": "zone text that a command is given",
    "adapters/dns/text_zone.py:TextZone.failures": "zone text that a command is given",
    "adapters/dns/text_zone.py:TextZone.includes": "zone text that a command is given",
    "adapters/dns/text_zone.py:TextZone.overrides": "zone text that a command is given",
    "adapters/dns/text_zone.py:TextZone.sets": "zone text that a command is given",
    "adapters/dns/text_zone.py:TextZone.unread": "zone text that a command is given",
    "adapters/dns/text_zone.py:ZoneCopy.lines": "zone text that a command is given",
    "adapters/dns/text_zone.py:ZoneCopy.sets": "zone text that a command is given",
    "adapters/dns/transport.py:QuestionBudget.silent": "a round of questions",
    "adapters/dns/zone_reader.py:ZoneTextReader._long": "zone text that a command is given",
    "adapters/dns/zone_reader.py:ZoneTextReader._unread": "zone text that a command is given",
    "adapters/dns/zone_reader.py:ZoneTextReader.zones": "zone text that a command is given",
    "adapters/dns/zone_reader.py:_TextReading._entries": "zone text that a command is given",
    "adapters/dns/zone_reader.py:_TextReading._pending": "zone text that a command is given",
    "adapters/dns/zone_reader.py:_TextReading.long_strings": "zone text that a command is given",
    "adapters/dns/zone_reader.py:_TextReading.unread": "zone text that a command is given",
    "adapters/smart_host.py:_Transaction._replies": "a message that is handed on",
    "cli/check.py:_Printer._results": "a run of the command",
    "cli/demo/stage.py:Zones.texts": "a run of the demo",
    "core/findings/diagnosis.py:Match.places": "a check",
    "core/plan/record_formats.py:_Labels._given": "an export of records",
    "core/rotation/rotation.py:KeyObservation.old": "a check",
    "core/schedule/shares.py:PlacesHeld.served": "a claim",
    "core/spf/lookups.py:_TreeWalker._known": "a check",
    "core/spf/lookups.py:_TreeWalker._names": "a check",
    "core/spf/lookups.py:_TreeWalker.errors": "a check",
    "core/spf/lookups.py:_TreeWalker.wanted": "a check",
    "core/spf/lookups.py:_Voids.errors": "a check",
    "core/spf/lookups.py:_Voids.found": "a check",
    "core/spf/lookups.py:_Voids.wanted": "a check",
    "core/spf/passing_terms.py:PassingTerms.found": "a check",
    "core/spf/passing_terms.py:PassingTerms.unanswered": "a check",
    "core/spf/passing_terms.py:PassingTerms.wanted": "a check",
    "operations/dns_questions.py:_AskedOnce._replies": "a check",
    "operations/dns_questions.py:_AskedOnce.wanted": "a check",
    "ports/relay.py:RelayResult.answers": "a message that is handed on",
    "web/context.py:RequestContext.form": "a request",
    "web/middleware.py:RequestLog.headers": "a request",
    "web/pages/confirmation.py:ConfirmationPage.fields": "a request",
    "web/pages/confirmation.py:ConfirmationPage.places": "a request",
}

PLANTED = [
    ("KNOWN: dict[str, int] = {}\n\ndef know(each):\n    KNOWN[each] = 1", "KNOWN"),
    ("SEEN = set()\n\ndef see(each):\n    SEEN.add(each)", "SEEN"),
    ("class One:\n    def __init__(self) -> None:\n        self._all = deque[int]()", "One._all"),
    ("class One:\n    def __init__(self) -> None:\n        self._a, self._b = 1, OrderedDict()", "One._b"),
    ("class One:\n    waiting: list[int] = field(default_factory=list)", "One.waiting"),
    (
        "class One:\n    def __init__(self) -> None:\n        self.queue: A = asyncio.Queue()",
        "One.queue",
    ),
    ("@lru_cache(maxsize=None)\ndef look(each):\n    return each", "look"),
    ("@functools.cache\ndef look(each):\n    return each", "look"),
]


def test_every_container_is_named_with_its_bound() -> None:
    """Those that are found by their form are those that are named; what is no more is named no more."""
    found = set(containers(ROOT / "letterhead"))
    assert sorted(found - {*PROCESS, *SHORT}) == [], "name its bound in entries, octets and time"
    assert sorted({*PROCESS, *SHORT} - found) == [], "it is no more"
    assert not PROCESS.keys() & SHORT.keys()


def test_every_bound_says_entries_octets_and_time() -> None:
    """Three parts, none of them empty."""
    assert [name for name, bound in PROCESS.items() if len([part for part in bound.split("; ") if part]) != 3] == []


@pytest.mark.parametrize(("source", "name"), PLANTED)
def test_a_new_container_is_found(tmp_path: Path, source: str, name: str) -> None:
    """Whichever way it is made."""
    (tmp_path / "planted.py").write_text(source)
    assert list(containers(tmp_path)) == [f"planted.py:{name}"]


def test_a_constant_is_none(tmp_path: Path) -> None:
    """A table that nobody changes, and what lives in a function, are not asked for."""
    source = "TABLE = {'a': 1}\n\ndef read():\n    found = []\n    found.append(TABLE['a'])"
    (tmp_path / "planted.py").write_text(source)
    assert list(containers(tmp_path)) == []
