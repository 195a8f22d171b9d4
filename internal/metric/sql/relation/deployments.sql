SELECT d.instance_id, d.id, d.project_id, coalesce(d.service_id, k.service_id) AS service_id, d.environment, coalesce(d.tier, k.tier) AS tier,
       d.sha, d.pipeline_id, d.job_id, d.deployed_at AS ended_at, d.success, d.deleted_at
FROM deployments d
LEFT JOIN (
  SELECT instance_id, job_id, min(service_id) AS service_id, min(tier) AS tier
  FROM deployments WHERE source = 'rule' AND job_id IS NOT NULL GROUP BY instance_id, job_id
) k ON d.source = 'gitlab' AND k.instance_id = d.instance_id AND k.job_id = d.job_id
WHERE d.success IS NOT NULL AND d.deployed_at IS NOT NULL/*tier*//*deleted*/
  AND NOT (d.source = 'rule' AND EXISTS (
    SELECT 1 FROM deployments g WHERE g.source = 'gitlab' AND g.instance_id = d.instance_id AND g.job_id = d.job_id))
