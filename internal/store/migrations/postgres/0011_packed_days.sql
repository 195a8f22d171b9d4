-- A day's numbers are kept as change_points reads them: packed into a text.

ALTER TABLE measure_days ADD COLUMN level text;

UPDATE measure_days SET level = concat(day - DATE '1970-01-01', ' ', n, ' ', median);

ALTER TABLE measure_days ALTER COLUMN level SET NOT NULL, DROP COLUMN n, DROP COLUMN median;
