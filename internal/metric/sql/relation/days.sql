SELECT p.*
FROM measure_days p/*joins*/
WHERE p.day >= :first_day AND p.day < :after_day/*filters*/
