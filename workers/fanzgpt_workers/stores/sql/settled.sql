-- How many attempts were settled; follows settle_budgeted.sql.
SELECT count(*) FROM settled
