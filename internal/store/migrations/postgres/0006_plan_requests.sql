-- What an import would have cost by each plan. Of those before this nobody knows.

ALTER TABLE syncs ADD COLUMN plan_requests JSON;
