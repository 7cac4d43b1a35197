/**
 * Databases whose text the system of this machine sorts otherwise than that of the server which made them, in words (hazard D27). From 15 on
 * (pg_database.datcollversion).
 */
export const COLLATION_MISMATCHES = `
SELECT datname || ' (made with ' || datcollversion || ', here ' || coalesce(pg_database_collation_actual_version(oid), 'none') || ')' AS says FROM pg_catalog.pg_database
WHERE datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid) AND datcollversion IS NOT NULL AND datallowconn`;
