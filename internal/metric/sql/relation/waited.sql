SELECT /*dims*/p.*
FROM pipelines p
LEFT JOIN users w ON w.instance_id = p.instance_id AND w.id = p.user_id/*joins*/
WHERE /*own*/p.created_at >= :from AND p.created_at < :to AND p.source IS DISTINCT FROM 'schedule' AND w.bot IS NOT TRUE/*filters*/
