-- Events behind a place, oldest first. Times are in a block-range index, which gives no order: so windows that double in length are
-- looked through one after the other until there are enough.
-- $1 ts $2 event id $3 limit
select found.ts, found.id, found.event
  from (select e.ts, e.id, e.event
          from generate_series(0, 31) as k (k) cross join lateral (
               select e.ts, e.id, heimdex_event_json(e)::text as event from job_event e
                where e.ts >= $1::timestamptz + (2 ^ k.k - 1) * interval '1 s' and e.ts < $1::timestamptz + (2 ^ (k.k + 1) - 1) * interval '1 s'
                  and (e.ts, e.id) > ($1::timestamptz, $2::uuid)
                order by e.ts, e.id limit $3::int4) as e
         where $1::timestamptz + (2 ^ k.k - 1) * interval '1 s' <= (select clock_timestamp() + interval '1 minute')
         limit $3::int4) as found
 order by found.ts, found.id
