"""DomainKeys Identified Mail (RFC 6376, with Ed25519 keys of RFC 8463): key records in DNS, and signatures on messages.

The public face is `topic` for key records and `signature` and `verify` for messages.

- `key_record`: a key record parsed into tags (RFC 6376 3.6.1), and the public key in it
- `topic`: the planned key records, whether they are there, and the rules that recognise each way of getting them wrong
- `damaged_keys`: rules that recognise the planned key in a damaged value
- `advice`: rules for a key record that is present, and the old keys that may be deleted
- `diagnoses`: the text of each diagnosis, `dkim.…`
- `signature`: a DKIM-Signature field (RFC 6376 3.5), and the octets of a message that it signs (3.4, 3.7)
- `signing`: which fields the relay signs, and the octets of its DKIM-Signature field
- `verify`: the verification of one signature (RFC 6376 6.1)
- `verify_repaired`: the same, over a message whose copy is damaged, with the damage undone
- `changes`: what became of a message after it was signed, where its signature fails
"""
