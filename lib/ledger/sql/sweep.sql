-- Walks fresh ids once, in key order, up to a moment behind now: what is still queued gets a waiting row. One sweeper at a time
-- (the row is locked); the position moves with the rows it makes, in one transaction. The moment must lie further behind than
-- clocks and transactions are late: what comes in behind the position has a waiting row from the start.
-- A look ahead, while Kafka is silent, is the same for younger ids and doesn't move the position, because ids of slower clocks may still
-- come in behind it.
-- $1 how far behind now, in ms $2 how many ids at most $3 from where, if that is ahead of the position $4 move the position
with place as materialized (
    select greatest(position, $3::uuid) as position from sweep for update skip locked
), walked as materialized (
    select j.id, j.type, j.priority, j.status from job j
     where j.id > (select position from place)
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
), moved as (
    update sweep set position = w.id from (select id from walked order by id desc limit 1) as w where $4::bool
)
select (select count(*) from walked) as walked, (select count(*) from left_behind) as swept,
       (select id from walked order by id desc limit 1) as last
