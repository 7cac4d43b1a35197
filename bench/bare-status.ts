// The least that has to be done for a status: pg, and nothing else, asks every server at once. Arguments: SOCKET-DIRECTORY:PORT …
import pg from 'pg';

const answers = await Promise.all(
  process.argv.slice(2).map(async (place) => {
    const at = place.lastIndexOf(':');
    const client = new pg.Client({ host: place.slice(0, at), port: Number(place.slice(at + 1)), user: 'postgres', database: 'postgres' });
    await client.connect();
    const { rows } = await client.query<Record<string, unknown>>(`SELECT pg_is_in_recovery() AS standby,
      CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn, pg_last_wal_receive_lsn() AS received,
      (SELECT json_agg(r) FROM pg_stat_replication r) AS senders, (SELECT json_agg(w) FROM pg_stat_wal_receiver w) AS receiver,
      (SELECT json_agg(s) FROM pg_replication_slots s) AS slots, (SELECT system_identifier::text FROM pg_control_system()) AS identifier,
      (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline`);
    await client.end();
    return rows[0];
  }),
);
process.stdout.write(`${JSON.stringify(answers)}\n`);
