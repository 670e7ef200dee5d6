-- Whether mail from names below a domain is signed with its key: not for domains that are there already. For an account,
-- what its new domains begin with; NULL: as the setting says.
ALTER TABLE domains ADD COLUMN covers SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN covers SMALLINT;

-- The delegated zone that a domain lies in, where that is not the domain itself: a verified claim takes it out of the
-- cover of a name above it.
ALTER TABLE domains ADD COLUMN cut TEXT;
UPDATE domains
SET cut = /*sqlite json_extract(life, '$.zone') */ /*postgresql CAST(life AS JSON) ->> 'zone' */
WHERE held = 1 AND sender LIKE
    '%.' || /*sqlite json_extract(life, '$.zone') */ /*postgresql (CAST(life AS JSON) ->> 'zone') */
    AND /*sqlite json_extract(life, '$.zone') */ /*postgresql (CAST(life AS JSON) ->> 'zone') */ LIKE '%.%.%';
CREATE INDEX /*postgresql CONCURRENTLY */ domains_cut ON domains (cut) WHERE held = 1 AND cut IS NOT NULL;
