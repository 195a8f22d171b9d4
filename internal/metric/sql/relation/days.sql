SELECT j.*
FROM measure_days j/*joins*/
WHERE j.day >= :first_day AND j.day < :after_day/*filters*/
