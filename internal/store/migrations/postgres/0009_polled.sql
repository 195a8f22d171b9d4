-- Which imports nobody asked for: rounds of polling. Of those before this nobody
-- knows, so they are kept.

ALTER TABLE syncs ADD COLUMN polled BOOLEAN;
