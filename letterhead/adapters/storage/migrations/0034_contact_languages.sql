-- The language of the mails to a domain's contact; NULL is English. Versions before this one leave it alone, and write
-- NULL where they change a profile.
ALTER TABLE domain_profiles ADD COLUMN contact_language TEXT;
