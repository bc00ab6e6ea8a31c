-- The sweep's look ahead while Kafka is silent: the same for younger ids, without moving the position, because ids of slower clocks
-- may still come in behind it.
-- $1 how far behind now, in ms $2 how many ids at most $3 where to go on
with walked as materialized (
    select j.id, j.type, j.priority, j.status from job j
     where j.id > (select greatest(position, $3::uuid) from sweep)
       and j.id < (select heimdex_uuid_floor(clock_timestamp() - $1::int8 * interval '1 ms'))
     order by j.id limit $2::int4
), still as (
    select j.id, j.type, j.priority from walked w join job j on j.id = w.id
     where w.status = 'queued' and j.status = 'queued' order by j.id for update of j
), left_behind as (
    insert into waiting (job_id, type, queue, priority, due, reason)
    select w.id, w.type, coalesce((select t.queue from job_type t where t.type = w.type), 'default'), w.priority, clock_timestamp(),
           'swept'
      from still w
    on conflict do nothing
    returning job_id
)
select (select count(*) from walked) as walked, (select count(*) from left_behind) as swept,
       (select id from walked order by id desc limit 1) as last
