package store

// The tables in which the importer says what it did and how current the rest is.

func importTables() []Table {
	return []Table{
		{Name: "project_syncs", Meaning: "How current a project's data is.", newest: newestLast, Columns: []Column{
			instanceID(),
			{Name: "project_id", Type: BigInt, Key: true, Meaning: "the project", References: "projects.id"},
			{Name: "cursor", Type: Text, Nullable: true, Meaning: "where an unfinished walk goes on; the importer's own, NULL when none is open"},
			{Name: "synced_to", Type: Timestamp, Nullable: true, Meaning: "everything that GitLab changed before this is stored …"},
			{Name: "backfilled_from", Type: Timestamp, Nullable: true, Meaning: "… and since this"},
			{Name: "open_pipelines", Type: BigInt, Nullable: true, Meaning: "pipelines that still run and are followed"},
			{Name: "last_synced_at", Type: Timestamp, Nullable: true, Meaning: "when it was last visited"},
			{Name: "last_error_code", Type: Text, Nullable: true, Meaning: "what went wrong at the last visit; NULL when nothing did"},
			{Name: "last_error_at", Type: Timestamp, Nullable: true, Meaning: "when something last went wrong"},
			{Name: "requests", Type: BigInt, Meaning: "requests spent on it, all syncs together"},
		}},
		{Name: "syncs", Meaning: "One run of the importer. Of rounds that weir made by itself and that found nothing, the last week is kept.", newest: newestLast, Columns: []Column{
			{Name: "id", Type: BigInt, Key: true, Meaning: "weir's number of the run, from 1"},
			{Name: "instance_id", Type: BigInt, Meaning: "which GitLab", References: "instances.id"},
			{Name: "connection_id", Type: BigInt, Meaning: "which connection"},
			{Name: "kind", Type: Text, Meaning: "sync (what changed), full (everything again) or open (only what had not ended)"},
			{Name: "state", Type: Text, Meaning: "running, complete, incomplete (some projects could not be read), paused (current; history goes on in the next), failed or interrupted"},
			{Name: "started_at", Type: Timestamp, Meaning: "when it began"},
			{Name: "finished_at", Type: Timestamp, Nullable: true, Meaning: "when it ended; NULL while it runs"},
			{Name: "rows", Type: JSON, Nullable: true, Meaning: "rows written, by table"},
			{Name: "requests", Type: BigInt, Meaning: "requests made of GitLab"},
			{Name: "requests_by_endpoint", Type: JSON, Nullable: true, Meaning: "the same, by endpoint"},
			{Name: "throttled_seconds", Type: Double, Meaning: "for how long rate limits, GitLab's or your own ceiling, held requests back"},
			{Name: "plan", Type: Text, Meaning: "how rows were fetched"},
			{Name: "plan_requests", Type: JSON, Nullable: true, added: 6, Meaning: "requests that each plan would have needed for what was read; of the plan that was used, those that it made"},
			{Name: "polled", Type: Boolean, Nullable: true, added: 9, Meaning: "nobody asked for it: weir looked by itself; NULL: of before weir noted that"},
		}},
		{Name: "sync_errors", Meaning: "Something that a run of the importer could not do.", newest: newestLast, Columns: []Column{
			{Name: "sync_id", Type: BigInt, Key: true, Meaning: "the run", References: "syncs.id"},
			{Name: "seq", Type: BigInt, Key: true, Meaning: "order within the run, from 1"},
			{Name: "instance_id", Type: BigInt, Meaning: "which GitLab", References: "instances.id"},
			{Name: "project_id", Type: BigInt, Nullable: true, Meaning: "the project; NULL: concerns the whole run", References: "projects.id"},
			{Name: "code", Type: Text, Meaning: "what went wrong, in one word"},
			{Name: "detail", Type: Text, Meaning: "what went wrong, in a sentence"},
			{Name: "at", Type: Timestamp, Meaning: "when"},
		}},
	}
}
