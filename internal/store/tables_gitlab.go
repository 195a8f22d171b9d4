package store

// The tables that hold what GitLab said. Every one of them but instances says
// in synced_at when the answer that a row came from was asked for.

func instanceID() Column {
	return Column{Name: "instance_id", Type: BigInt, Key: true, Meaning: "which GitLab", References: "instances.id"}
}

func deletedAt() Column {
	return Column{Name: "deleted_at", Type: Timestamp, Nullable: true, Meaning: "when weir learnt that GitLab no longer has it; the row keeps its data"}
}

func syncedAt() Column {
	return Column{Name: "synced_at", Type: Timestamp, Meaning: "when the answer that this row came from was asked for; of a web hook, the newest time in it"}
}

func timePrecision() Column {
	return Column{Name: "time_precision", Type: Text, Meaning: "how exact the row's times are: ms, or s where GitLab cut the fraction off"}
}

func gitlabTables() []Table {
	return []Table{
		{Name: "instances", Meaning: "A GitLab that weir imports from.", newest: newestLast, Columns: []Column{
			{Name: "id", Type: BigInt, Key: true, Meaning: "weir's number of the GitLab, from 1"},
			{Name: "base_url", Type: Text, Meaning: "scheme, host, port and relative root, without a slash at the end"},
			{
				Name: "version", Type: Text, Nullable: true, Meaning: "GitLab's version when last asked",
				keep: keepAlways, keepWhy: "a token that may not read it says nothing about the version known before",
			},
			{Name: "created_at", Type: Timestamp, Meaning: "when weir first met it"},
		}},
		{Name: "groups", Meaning: "A group that a connection can see.", newest: newestAsked, Columns: []Column{
			instanceID(),
			{Name: "id", Type: BigInt, Key: true, Meaning: "GitLab's id of the group"},
			{Name: "parent_id", Type: BigInt, Nullable: true, Meaning: "the group that it lies in; NULL at the top", References: "groups.id"},
			{Name: "full_path", Type: Text, Meaning: "path with all groups above: acme/platform"},
			{Name: "name", Type: Text, Meaning: "name as shown"},
			{Name: "visibility", Type: Text, Nullable: true, Meaning: "private, internal or public"},
			{Name: "web_url", Type: Text, Nullable: true, Meaning: "page on GitLab"},
			{Name: "created_at", Type: Timestamp, Nullable: true, Meaning: "when it was created"},
			deletedAt(), syncedAt(),
		}},
		{Name: "projects", Meaning: "A project in the reach of a gitlab-pipelines connection.", newest: newestAsked, Columns: []Column{
			instanceID(),
			{Name: "id", Type: BigInt, Key: true, Meaning: "GitLab's id of the project"},
			{Name: "group_id", Type: BigInt, Nullable: true, Meaning: "the group that it lies in; NULL in a personal namespace", References: "groups.id"},
			{Name: "full_path", Type: Text, Meaning: "path with all groups: acme/platform/shop"},
			{Name: "name", Type: Text, Meaning: "name as shown"},
			{Name: "default_branch", Type: Text, Nullable: true, Meaning: "name of the default branch; NULL in an empty repository"},
			{Name: "archived", Type: Boolean, Nullable: true, Meaning: "whether it is read-only"},
			{Name: "visibility", Type: Text, Nullable: true, Meaning: "private, internal or public"},
			{Name: "topics", Type: TextList, Nullable: true, Meaning: "topics, in GitLab's order"},
			{Name: "web_url", Type: Text, Nullable: true, Meaning: "page on GitLab"},
			{Name: "created_at", Type: Timestamp, Nullable: true, Meaning: "when it was created"},
			{Name: "last_activity_at", Type: Timestamp, Nullable: true, Meaning: "GitLab's own last activity, up to an hour late"},
			{Name: "ci_access", Type: Text, Meaning: "whether its pipelines can be read: enabled, disabled (CI/CD is switched off) or forbidden (to the token)"},
			{
				Name: "repository_id", Type: BigInt, Nullable: true, Meaning: "its repository, where a gitlab connection brought one", References: "repositories.id",
				keep: keepAlways, keepWhy: "a project has one repository for life, and a gitlab-pipelines connection alone does not know it",
			},
			deletedAt(), syncedAt(),
		}},
		{Name: "repositories", Meaning: "A git repository, as a gitlab connection sees it.", newest: newestAsked, Columns: []Column{
			instanceID(),
			{Name: "id", Type: BigInt, Key: true, Meaning: "the id of its project"},
			{Name: "source", Type: Text, Meaning: "where it lives: gitlab"},
			{Name: "external_id", Type: Text, Meaning: "its id there, as text"},
			{Name: "organization", Type: Text, Meaning: "first part of the path"},
			{Name: "name", Type: Text, Meaning: "last part of the path, or name as shown"},
			{Name: "full_path", Type: Text, Meaning: "path with all groups"},
			{Name: "default_branch", Type: Text, Nullable: true, Meaning: "name of the default branch; NULL when empty"},
			{Name: "archived", Type: Boolean, Nullable: true, Meaning: "whether it is read-only"},
			{Name: "web_url", Type: Text, Nullable: true, Meaning: "page on GitLab"},
			deletedAt(), syncedAt(),
		}},
		{Name: "users", Meaning: "A GitLab user seen on a pipeline or a job.", newest: newestAsked, Columns: []Column{
			instanceID(),
			{Name: "id", Type: BigInt, Key: true, Meaning: "GitLab's id of the user"},
			{Name: "username", Type: Text, Meaning: "login name"},
			{Name: "name", Type: Text, Nullable: true, Meaning: "name as shown", keep: keepAlways, keepWhy: lastKnown},
			{Name: "state", Type: Text, Nullable: true, Meaning: "active, blocked, …", keep: keepAlways, keepWhy: lastKnown},
			{
				Name: "bot", Type: Boolean, Nullable: true, Meaning: "whether it is the user of a token or an integration",
				keep: keepAlways, keepWhy: "a user does not become a bot, and only some answers say it",
			},
			{Name: "web_url", Type: Text, Nullable: true, Meaning: "page on GitLab", keep: keepAlways, keepWhy: lastKnown},
			syncedAt(),
		}},
		pipelinesTable(),
		jobsTable(),
		{Name: "job_needs", Meaning: "A needs edge between two jobs of a pipeline, where it was fetched.", newest: newestAsked, Columns: []Column{
			instanceID(),
			{Name: "pipeline_id", Type: BigInt, Key: true, Meaning: "the pipeline of both jobs", References: "pipelines.id"},
			{Name: "job_name", Type: Text, Key: true, Meaning: "the job that waits"},
			{Name: "needs_name", Type: Text, Key: true, Meaning: "the job that it waits for"},
			syncedAt(),
		}},
		{Name: "runners", Meaning: "A runner seen on a job.", newest: newestAsked, Columns: []Column{
			instanceID(),
			{Name: "id", Type: BigInt, Key: true, Meaning: "GitLab's id of the runner"},
			{Name: "description", Type: Text, Nullable: true, Meaning: "what its owner wrote", keep: keepAlways, keepWhy: lastKnown},
			{Name: "runner_type", Type: Text, Nullable: true, Meaning: "instance_type, group_type or project_type", keep: keepAlways, keepWhy: lastKnown},
			{
				Name: "tags", Type: TextList, Nullable: true, Meaning: "tags of the jobs that it takes; NULL until an answer said them",
				keep: keepAlways, keepWhy: "jobs name their runner without its tags",
			},
			{Name: "active", Type: Boolean, Nullable: true, Meaning: "whether it takes jobs", keep: keepAlways, keepWhy: lastKnown},
			syncedAt(),
		}},
	}
}

const lastKnown = "some answers leave it out; the last known value is better than none"

func pipelinesTable() Table {
	return Table{Name: "pipelines", Meaning: "One run of a pipeline; child pipelines are rows of their own.", newest: newestVersion, Columns: []Column{
		instanceID(),
		{Name: "id", Type: BigInt, Key: true, Meaning: "GitLab's id of the pipeline"},
		{Name: "project_id", Type: BigInt, Meaning: "the project that it ran in", References: "projects.id"},
		{Name: "iid", Type: BigInt, Nullable: true, Meaning: "its number within the project"},
		{Name: "name", Type: Text, Nullable: true, Meaning: "name from workflow:name"},
		{Name: "status", Type: Text, Meaning: "GitLab's word, unknown ones too: created, waiting_for_resource, preparing, waiting_for_callback, pending, running, success, failed, canceling, canceled, skipped, manual, scheduled"},
		{Name: "source", Type: Text, Nullable: true, Meaning: "what started it: push, web, schedule, merge_request_event, parent_pipeline, pipeline, …"},
		{Name: "ref", Type: Text, Nullable: true, Meaning: "branch, tag, or refs/merge-requests/…"},
		{Name: "ref_type", Type: Text, Meaning: "branch, tag or merge_request"},
		{Name: "is_default_branch", Type: Boolean, Nullable: true, Meaning: "whether ref was the project's default branch when the row was written; NULL where that was unknown"},
		{Name: "merge_request_iid", Type: BigInt, Nullable: true, Meaning: "number of the merge request that it ran for"},
		{Name: "sha", Type: Text, Nullable: true, Meaning: "commit that it ran on"},
		{
			Name: "before_sha", Type: Text, Nullable: true, Meaning: "commit that the ref stood at before the push",
			keep: keepAlways, keepWhy: "it never changes, and only some answers say it",
		},
		{Name: "tag", Type: Boolean, Nullable: true, Meaning: "whether ref is a tag"},
		{Name: "user_id", Type: BigInt, Nullable: true, Meaning: "who started it", References: "users.id"},
		{
			Name: "parent_pipeline_id", Type: BigInt, Nullable: true, Meaning: "of a child pipeline: the pipeline whose bridge started it", References: "pipelines.id",
			keep: keepAlways, keepWhy: "it never changes; most answers leave it to be found through the bridge",
		},
		{
			Name: "upstream_pipeline_id", Type: BigInt, Nullable: true, Meaning: "the pipeline of another project whose bridge started it", References: "pipelines.id",
			keep: keepAlways, keepWhy: "it never changes; most answers leave it to be found through the bridge",
		},
		{Name: "created_at", Type: Timestamp, Nullable: true, Meaning: "when it was created"},
		{Name: "updated_at", Type: Timestamp, Nullable: true, Meaning: "when GitLab last changed it; tells newer answers from older ones; NULL while only a web hook told of the last change"},
		{Name: "started_at", Type: Timestamp, Nullable: true, Meaning: "when its first job started"},
		{Name: "finished_at", Type: Timestamp, Nullable: true, Meaning: "when its last job ended; a later retry moves it"},
		{
			Name: "committed_at", Type: Timestamp, Nullable: true, Meaning: "commit time of sha",
			keep: keepAlways, keepWhy: "a commit's time never changes, and only some answers say it",
		},
		{Name: "duration_seconds", Type: Double, Nullable: true, Meaning: "GitLab's own: time in which a job ran, waiting left out, whole seconds"},
		{Name: "queued_seconds", Type: Double, Nullable: true, Meaning: "GitLab's own: from creation to start, whole seconds"},
		{Name: "coverage", Type: Double, Nullable: true, Meaning: "test coverage, percent"},
		{Name: "yaml_errors", Type: Text, Nullable: true, Meaning: "what is wrong with the configuration"},
		{
			Name: "failure_reason", Type: Text, Nullable: true, Meaning: "why the pipeline itself failed (config_error, …)",
			keep: keepSameVersion, keepWhy: "REST never says it; while updated_at and status stand, what GraphQL said still holds, and after a retry it no longer does",
		},
		{Name: "has_warnings", Type: Boolean, Nullable: true, Meaning: "whether a job failed that was allowed to"},
		{Name: "web_url", Type: Text, Nullable: true, Meaning: "page on GitLab"},
		timePrecision(), deletedAt(), syncedAt(),
	}}
}

func jobsTable() Table {
	return Table{Name: "jobs", Meaning: "One attempt of one job; attempts that were retried are rows too.", newest: newestAsked, Columns: []Column{
		instanceID(),
		{Name: "id", Type: BigInt, Key: true, Meaning: "GitLab's id of the attempt"},
		{Name: "project_id", Type: BigInt, Meaning: "the project that it ran in", References: "projects.id"},
		{Name: "pipeline_id", Type: BigInt, Meaning: "the pipeline that it belongs to", References: "pipelines.id"},
		{Name: "name", Type: Text, Meaning: "name with matrix and n/m parts: rspec 1/3"},
		{Name: "base_name", Type: Text, Meaning: "name without them, as GitLab groups jobs: rspec"},
		{Name: "stage", Type: Text, Nullable: true, Meaning: "name of its stage"},
		{Name: "kind", Type: Text, Meaning: "build (runs on a runner), bridge (starts a pipeline) or external (reported by another system)"},
		{Name: "status", Type: Text, Meaning: "GitLab's word, unknown ones too"},
		{Name: "allow_failure", Type: Boolean, Nullable: true, Meaning: "whether it may fail without failing the pipeline"},
		{Name: "retried", Type: Boolean, Nullable: true, Meaning: "whether a later attempt of the same job exists; false for the effective one"},
		{
			Name: "manual", Type: Boolean, Nullable: true, Meaning: "whether a person has to start it; NULL where GitLab did not say",
			keep: keepAlways, keepWhy: "when: manual belongs to the configuration of the attempt and never changes; REST shows it only while the status is manual",
		},
		{Name: "created_at", Type: Timestamp, Nullable: true, Meaning: "when it was created"},
		{
			Name: "queued_at", Type: Timestamp, Nullable: true, Meaning: "when it became ready for a runner, always cut to seconds; NULL where GitLab did not say",
			keep: keepSameRun, keepWhy: "only GraphQL says it; once the attempt has started it stands, before that it may be queued again",
		},
		{Name: "started_at", Type: Timestamp, Nullable: true, Meaning: "when a runner started it"},
		{Name: "finished_at", Type: Timestamp, Nullable: true, Meaning: "when it ended"},
		{Name: "erased_at", Type: Timestamp, Nullable: true, Meaning: "when its log and artifacts were erased"},
		{Name: "duration_seconds", Type: Double, Nullable: true, Meaning: "from start to end, or to the moment of asking while it runs"},
		{Name: "queued_seconds", Type: Double, Nullable: true, Meaning: "time that it waited for a runner"},
		{Name: "coverage", Type: Double, Nullable: true, Meaning: "test coverage, percent"},
		{
			Name: "failure_reason", Type: Text, Nullable: true, Meaning: "GitLab's word for why it failed: script_failure, runner_system_failure, …",
			keep: keepSameState, keepWhy: "GraphQL says it only in translated prose; while start and status stand, what REST said still holds",
		},
		{Name: "runner_id", Type: BigInt, Nullable: true, Meaning: "runner that took it", References: "runners.id"},
		{
			Name: "user_id", Type: BigInt, Nullable: true, Meaning: "who started it", References: "users.id",
			keep: keepSameRun, keepWhy: "GraphQL does not say it; it changes only when a waiting job is played, which starts it",
		},
		{
			Name: "commit_committed_at", Type: Timestamp, Nullable: true, Meaning: "commit time of its commit",
			keep: keepAlways, keepWhy: "a commit's time never changes, and GraphQL does not say it",
		},
		{Name: "tags", Type: TextList, Nullable: true, Meaning: "runner tags that it asks for; NULL where unknown, empty where none"},
		{
			Name: "artifacts_bytes", Type: BigInt, Nullable: true, Meaning: "size of its artifacts, in bytes",
			keep: keepSameRun, keepWhy: "some answers leave artifacts out; an answer without any says 0",
		},
		{
			Name: "downstream_pipeline_id", Type: BigInt, Nullable: true, Meaning: "of a bridge: the pipeline that it started", References: "pipelines.id",
			keep: keepAlways, keepWhy: "a bridge starts one pipeline, and only the list of bridges says which",
		},
		{Name: "web_url", Type: Text, Nullable: true, Meaning: "page on GitLab"},
		timePrecision(), deletedAt(), syncedAt(),
	}}
}
