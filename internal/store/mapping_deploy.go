package store

// What deploy rules make of jobs and pipelines.
//
// A deployment that a rule found has the id −job_id, or −(10^15 + pipeline_id)
// where it took the pipeline: GitLab's own ids are above 0, both stay exact in
// a JSON number, and finding it again finds the same row. What GitLab itself
// recorded for the job is the one deployment there is, deleted since or not; the
// rule then only says its service. A rule on pipelines is silent where a job of
// that pipeline deployed to the same environment.

// ended are the statuses of jobs and pipelines that say something about a
// deployment; those never run, canceled or waiting deployed nothing that is known.
const deployStatuses = "('success', 'failed', 'running')"

// taken gives the first deploy rule for each job, and for each pipeline.
func (m *mapping) taken() string {
	return `SELECT * FROM (
		SELECT f.instance_id, f.pipeline_id, f.project_id, f.job_id, f.name, f.stage, f.environment AS known, f.status, f.finished_at, f.deleted_at, f.synced_at,
			c.rule_id, c.service_id, c.environment, c.tier, row_number() OVER (PARTITION BY f.instance_id, f.job_id ORDER BY c.place) AS n
		FROM map_fulfilled f JOIN stage_map_candidate c ON c.set_id = f.set_id AND c.cond = f.cond
		WHERE c.deploy AND f.status IN ` + deployStatuses + `
	UNION ALL
		SELECT m.instance_id, m.pipeline_id, m.project_id, NULL, '', '', '', p.status, p.finished_at, p.deleted_at, p.synced_at,
			c.rule_id, c.service_id, c.environment, c.tier, row_number() OVER (PARTITION BY m.instance_id, m.pipeline_id ORDER BY c.place) AS n
		FROM map_set m JOIN stage_map_candidate c ON c.set_id = m.set_id JOIN pipelines p ON p.instance_id = m.instance_id AND p.id = m.pipeline_id
		WHERE c.deploy AND c.cond = 0 AND m.set_id IN (SELECT set_id FROM stage_map_candidate WHERE deploy AND cond = 0) AND p.status IN ` + deployStatuses + `
	) t WHERE n = 1`
}

// owners gives the service of what was taken: the rule's; else the pipeline's
// that this job itself leads to, if that is one; else the pipeline's, if it has one.
func (m *mapping) owners() string {
	return `SELECT t.instance_id, t.pipeline_id, t.job_id, ` + owner + ownersOf("map_taken") + `
		GROUP BY t.instance_id, t.pipeline_id, t.job_id`
}

// owner chooses the service of a row t among those of its run, s, of which f
// says whether the job itself leads to them.
const owner = `CASE WHEN min(t.service_id) > 0 THEN min(t.service_id)
			WHEN count(DISTINCT CASE WHEN s.cond = 0 OR f.cond IS NOT NULL THEN s.service_id END) = 1 THEN min(CASE WHEN s.cond = 0 OR f.cond IS NOT NULL THEN s.service_id END)
			WHEN count(DISTINCT s.service_id) = 1 THEN min(s.service_id) END AS service_id`

func ownersOf(table string) string {
	return ` FROM ` + table + ` t LEFT JOIN map_member m ON m.instance_id = t.instance_id AND m.pipeline_id = t.pipeline_id
		LEFT JOIN map_result s ON s.kind_id = m.kind_id
		LEFT JOIN stage_map_job f ON f.name = t.name AND f.stage = t.stage AND f.environment = t.known AND f.cond = s.cond`
}

// recorded gives what GitLab itself recorded of the pipelines, with the deploy
// rule that takes the job, else the one that takes the run for the same environment.
func (m *mapping) recorded() string {
	known := "''"
	if m.uses.Environment {
		known = "d.environment"
	}
	return `SELECT d.instance_id, d.id, d.pipeline_id, coalesce(j.name, '') AS name, coalesce(j.stage, '') AS stage, CAST(` + known + ` AS VARCHAR) AS known,
			coalesce(t.rule_id, p.rule_id) AS rule_id, coalesce(nullif(t.service_id, 0), nullif(p.service_id, 0), 0) AS service_id
		FROM map_run r JOIN deployments d ON d.instance_id = r.instance_id AND d.pipeline_id = r.pipeline_id AND d.source = 'gitlab'
		LEFT JOIN jobs j ON j.instance_id = d.instance_id AND j.id = d.job_id
		LEFT JOIN map_taken t ON t.instance_id = d.instance_id AND t.job_id = d.job_id
		LEFT JOIN map_taken p ON p.job_id IS NULL AND p.instance_id = d.instance_id AND p.pipeline_id = d.pipeline_id AND p.environment = d.environment`
}

// recordedOwners gives their services, by the same rule as owners.
func (m *mapping) recordedOwners() string {
	return `SELECT t.instance_id, t.id, t.rule_id, ` + owner + ownersOf("map_recorded") + ` GROUP BY t.instance_id, t.id, t.rule_id`
}

// deployments gives the rows that rules make.
func (m *mapping) deployments() string {
	return `SELECT t.instance_id, CASE WHEN t.job_id IS NULL THEN -(1000000000000000 + t.pipeline_id) ELSE -t.job_id END AS id,
			t.project_id, r.repository_id, o.service_id, t.environment, CASE WHEN t.tier = '' THEN NULL ELSE t.tier END AS tier, p.sha, t.pipeline_id, t.job_id,
			CASE WHEN t.status = 'running' THEN NULL ELSE t.finished_at END AS deployed_at,
			CASE t.status WHEN 'success' THEN true WHEN 'failed' THEN false END AS success,
			t.rule_id, 'rule' AS source, CAST(NULL AS BIGINT) AS iid, p.ref, t.status, CAST(NULL AS BIGINT) AS user_id,
			CAST(NULL AS TIMESTAMPTZ) AS created_at, CAST(NULL AS TIMESTAMPTZ) AS updated_at, t.deleted_at, t.synced_at
		FROM map_taken t JOIN pipelines p ON p.instance_id = t.instance_id AND p.id = t.pipeline_id
		JOIN map_owner o ON o.instance_id = t.instance_id AND o.pipeline_id = t.pipeline_id AND coalesce(o.job_id, 0) = coalesce(t.job_id, 0)
		LEFT JOIN projects r ON r.instance_id = t.instance_id AND r.id = t.project_id
		WHERE NOT EXISTS (SELECT 1 FROM deployments d WHERE d.source = 'gitlab' AND d.instance_id = t.instance_id AND d.job_id = t.job_id)
		AND (t.job_id IS NOT NULL OR NOT EXISTS (SELECT 1 FROM map_taken j WHERE j.instance_id = t.instance_id AND j.pipeline_id = t.pipeline_id
				AND j.job_id IS NOT NULL AND j.environment = t.environment)
			AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.source = 'gitlab' AND d.instance_id = t.instance_id AND d.pipeline_id = t.pipeline_id
				AND d.environment = t.environment))`
}
