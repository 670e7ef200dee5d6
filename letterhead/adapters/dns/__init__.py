"""DNS from real servers (`resolver`) and from zone text (`zonefile`), behind the same port.

The resolver finds zone cuts (`delegation`, with a `cache`), asks the servers of a zone (`server_set`) over UDP and TCP
(`transport`), each at a bounded rate (`packet_rates`), and reads their responses (`wire`, `labels`, `interpret`).
`dnspython_values` converts what dnspython parses.

Zone text is split into entries (`zone_lines`), of which `zone_records` reads records, `zone_origin` the zone's name,
and `zone_reader` makes zones (`text_zone`).

`update` writes the zone of delegated keys; `hosts` reads the table of DNS hosts.
"""
