-- How often did findings open and end each year?
SELECT year(time) AS year, count(*) FILTER (step = 'opened') AS opened, count(*) FILTER (step = 'resolved') AS resolved
FROM causes GROUP BY year HAVING opened + resolved > 0 ORDER BY year
