-- The sender domains that a key is bound to and the networks that it may come from, as JSON; NULL: all of them.
ALTER TABLE api_keys ADD COLUMN binding TEXT;
ALTER TABLE api_keys ADD COLUMN networks TEXT;
