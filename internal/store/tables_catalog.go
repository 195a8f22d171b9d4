package store

// The tables of the catalog: services, the rules that map to them, and what
// the rules found.

func catalogTables() []Table {
	return []Table{
		{Name: "deployments", Meaning: "A deployment, known from a deploy rule or from GitLab.", newest: newestAsked, Columns: []Column{
			instanceID(),
			{Name: "id", Type: BigInt, Key: true, Meaning: "GitLab's id of the deployment; below 0 where a rule found it: −job_id, or −(10^15 + pipeline_id) where it took the pipeline"},
			{Name: "project_id", Type: BigInt, Meaning: "the project that was deployed from", References: "projects.id"},
			{Name: "repository_id", Type: BigInt, Nullable: true, Meaning: "its repository", References: "repositories.id", keep: keepAlways, keepWhy: "GitLab's answers do not say it"},
			{Name: "service_id", Type: BigInt, Nullable: true, Meaning: "the service that was deployed; NULL where no rule says it, or where the pipeline has several and the job none of its own", References: "services.id", keep: keepAlways, keepWhy: "rules say it, not GitLab"},
			{Name: "environment", Type: Text, Meaning: "name of the environment: production"},
			{Name: "tier", Type: Text, Nullable: true, Meaning: "production, staging, testing, development or other: as GitLab or the rule says", keep: keepAlways, keepWhy: "the list of environments says it, not every answer"},
			{Name: "sha", Type: Text, Nullable: true, Meaning: "commit that was deployed", keep: keepAlways, keepWhy: "it never changes, and web hooks leave it out"},
			{Name: "pipeline_id", Type: BigInt, Nullable: true, Meaning: "pipeline that deployed; NULL where the deployment was made through the API", References: "pipelines.id", keep: keepAlways, keepWhy: "it never changes, and GitLab forgets it with the job"},
			{Name: "job_id", Type: BigInt, Nullable: true, Meaning: "job that deployed; NULL where the deployment was made through the API", References: "jobs.id", keep: keepAlways, keepWhy: "it never changes, and GitLab forgets it with the job"},
			{Name: "deployed_at", Type: Timestamp, Nullable: true, Meaning: "when it succeeded or failed: the end of its job, without a job when GitLab last changed it; NULL before"},
			{Name: "success", Type: Boolean, Nullable: true, Meaning: "whether it worked; NULL while it runs or waits, and where it was canceled or skipped"},
			{Name: "rule_id", Type: BigInt, Nullable: true, Meaning: "the rule that found it, also where GitLab recorded it", References: "deploy_rules.id", keep: keepAlways, keepWhy: "rules say it, not GitLab"},
			{Name: "source", Type: Text, Meaning: "gitlab where GitLab recorded it, else rule"},
			{Name: "iid", Type: BigInt, Nullable: true, added: 4, Meaning: "GitLab's number of it within the project", keep: keepAlways, keepWhy: "it never changes, and web hooks leave it out"},
			{Name: "ref", Type: Text, Nullable: true, added: 4, Meaning: "branch or tag that was deployed", keep: keepAlways, keepWhy: "it never changes, and some web hooks leave it out"},
			{Name: "status", Type: Text, Nullable: true, added: 4, Meaning: "created, blocked, running, success, failed, canceled, skipped: GitLab's word; where a rule found it, the status of the job or pipeline"},
			{Name: "user_id", Type: BigInt, Nullable: true, added: 4, Meaning: "who deployed", References: "users.id", keep: keepAlways, keepWhy: "it never changes"},
			{Name: "created_at", Type: Timestamp, Nullable: true, added: 4, Meaning: "when GitLab made it, which for a manual job is long before it deploys", keep: keepAlways, keepWhy: "it never changes, and web hooks leave it out"},
			{Name: "updated_at", Type: Timestamp, Nullable: true, added: 4, Meaning: "GitLab's own time of last change; NULL after a web hook"},
			deletedAt(), syncedAt(),
		}},
		{Name: "services", Meaning: "A service of the catalog.", newest: newestLast, Columns: []Column{
			{Name: "id", Type: BigInt, Key: true, Meaning: "weir's number of the service"},
			{Name: "identifier", Type: Text, Meaning: "short name, unique in the catalog"},
			{Name: "name", Type: Text, Nullable: true, Meaning: "name as shown"},
			{Name: "description", Type: Text, Nullable: true, Meaning: "what it does"},
			{Name: "owner", Type: Text, Nullable: true, Meaning: "team that answers for it"},
			{Name: "tier", Type: Text, Nullable: true, Meaning: "how much depends on it, in the catalog's word"},
			{Name: "lifecycle", Type: Text, Nullable: true, Meaning: "experimental, production, deprecated, …"},
			{Name: "source", Type: Text, Meaning: "where it was described: file, backstage, ui or api"},
			deletedAt(),
		}},
		{Name: "service_rules", Meaning: "A rule that maps pipelines to a service; the first priority at which one matches wins, with all its rules that match.", newest: newestLast, Columns: []Column{
			{Name: "id", Type: BigInt, Key: true, Meaning: "weir's number of the rule"},
			{Name: "priority", Type: BigInt, Meaning: "rules are tried from the lowest"},
			{Name: "match", Type: JSON, Nullable: true, Meaning: "what a pipeline must have, patterns by field: project, group, topic, ref, job, …"},
			{Name: "service_id", Type: BigInt, Meaning: "the service that it yields", References: "services.id"},
			{Name: "enabled", Type: Boolean, Meaning: "whether it is tried"},
			{Name: "source", Type: Text, Meaning: "where it was written: file, backstage, ui or api"},
			{Name: "name", Type: Text, Nullable: true, added: 3, Meaning: "what it is called, for people"},
		}},
		{Name: "deploy_rules", Meaning: "A rule that takes pipelines or jobs for deployments; the first that matches wins.", newest: newestLast, Columns: []Column{
			{Name: "id", Type: BigInt, Key: true, Meaning: "weir's number of the rule"},
			{Name: "priority", Type: BigInt, Meaning: "rules are tried from the lowest"},
			{Name: "match", Type: JSON, Nullable: true, Meaning: "what a pipeline or job must have, patterns by field: project, ref, stage, job, …"},
			{Name: "environment", Type: Text, Meaning: "the environment that it yields"},
			{Name: "tier", Type: Text, Nullable: true, Meaning: "the tier that it yields"},
			{Name: "service_id", Type: BigInt, Nullable: true, Meaning: "the service that it yields; NULL: the pipeline's", References: "services.id"},
			{Name: "enabled", Type: Boolean, Meaning: "whether it is tried"},
			{Name: "source", Type: Text, Meaning: "where it was written: file, ui or api"},
			{Name: "name", Type: Text, Nullable: true, added: 3, Meaning: "what it is called, for people"},
		}},
		{Name: "pipeline_services", Meaning: "A pipeline and a service that it belongs to, with the rule that says so.", newest: newestLast, keyless: true, Columns: []Column{
			instanceID(),
			{Name: "pipeline_id", Type: BigInt, Key: true, Meaning: "the pipeline", References: "pipelines.id"},
			{Name: "service_id", Type: BigInt, Key: true, Meaning: "the service", References: "services.id"},
			{Name: "rule_id", Type: BigInt, Nullable: true, Meaning: "why: the rule that matched", References: "service_rules.id"},
		}},
	}
}
