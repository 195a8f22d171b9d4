SELECT /*dims*/j.*
FROM jobs j/*joins*/
WHERE j.kind = 'build' AND j.created_at >= :from AND j.created_at < :to/*filters*/
