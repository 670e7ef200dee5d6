"""DNS from real servers (`resolver`) and from zone text (`zonefile`), behind the same port.

The resolver finds zone cuts (`delegation`, with a `cache`), asks the servers of a zone (`server_set`) over UDP and TCP
(`transport`), and reads their responses (`wire`, `labels`, `interpret`). `dnspython_values` converts what dnspython
parses.

`update` writes the zone of delegated keys; `hosts` reads the table of DNS hosts.
"""
