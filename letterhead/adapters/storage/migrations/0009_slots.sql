-- Where the domain's keys lie in our own zone, as JSON: what is there is taken away after the domain is gone.
ALTER TABLE intents ADD COLUMN slots TEXT;
