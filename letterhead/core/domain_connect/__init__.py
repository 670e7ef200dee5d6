"""Domain Connect (draft-ietf-dconn-domainconnect), of which this service is a service provider.

- `apply_link`: the answer: a signed link by which the customer's DNS host adds the records, or why there is none
- `host_settings`: what leads from a zone to its DNS host: the TXT record, the settings, the known API hosts
- `template`: the operator's template, and which group of it and which variables stand for each planned record
- `template_rules`: the rules that DNS hosts and the public repository check templates by
- `apply_query`: the query of a link, what is signed of it, and the records of the public key
- `choice`: which records of a plan a link sets
- `collisions`: what would be overwritten, or can't be known, and forbids a link
"""
