-- Partitions ahead, and workers long dead.
with gone as (
    delete from worker w where w.dead and w.renewed_at < clock_timestamp() - interval '1 hour'
       and not exists (select from claim c where c.worker = w.id)
    returning w.id
)
select heimdex_upkeep_partitions() as partitions, (select count(*) from gone) as workers
