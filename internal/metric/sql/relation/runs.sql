SELECT /*dims*/p.*
FROM pipelines p/*joins*/
WHERE /*own*/p.created_at >= :from AND p.created_at < :to/*filters*/
