-- $1 ts $2 event id $3 limit $4 job
select e.ts, e.id, heimdex_event_json(e)::text as event from job_event e
 where e.job_id = $4::uuid and e.ts >= $1::timestamptz and (e.ts, e.id) > ($1::timestamptz, $2::uuid)
 order by e.ts, e.id limit $3::int4
