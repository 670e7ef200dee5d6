"""The MAIL FROM domain (RFC 5321 4.1.1.2): its MX and SPF, and what may be wrong with them."""
