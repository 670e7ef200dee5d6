"""The DNS hosts whose zones are written, through octoDNS and its providers (the extra `letterhead[dns-hosts]`).

`table` lists the hosts and `hosts` opens a zone at one of them. `zone` reads and writes it: `records` converts RRsets,
`faults` reads errors, `limits` bounds the time and size of what a library does. `powerdns`, `rfc2136`,
`route53`, `google` and `single_records` are providers of octoDNS with what they lack for zones that others keep too.
"""
