"""The zone of the planned records: its registration, delegation, DNSSEC, nameservers and caches (RFC 1034, RFC 2308).

The public face is `topic.TOPIC`, and `resolver_outage` for the operations.

- `topic`: findings about the zone itself: name not registered, CNAME at the apex (RFC 1912 2.4), wildcards (RFC 4592)
- `delegation`: findings about the zone's nameservers (RFC 1034 4.2.1, RFC 1912 2.8)
- `unanswered`: findings about records of which no answer came, by reason
- `sender_name`: findings about the sender's name itself (RFC 5321 4.1.2, RFC 5892)
- `zone_text`: findings about a zone text that is looked at in place of the network (RFC 1035 5.1)
- `caching`: findings about what resolvers still have in their caches (RFC 1035 3.2.1, RFC 2308)
- `resolver_outage`: when several zones without an answer are an outage of the service's own resolvers
"""
