-- Adds the deltas up. One folder at a time; the others have nothing to do meanwhile.
-- $1 how many
with turn as materialized (
    select pg_try_advisory_xact_lock(hashtext('heimdex.fold')) as mine
), taken as (
    delete from delta where ctid = any(array(select d.ctid from delta d where (select mine from turn) limit $1::int4))
    returning org_id, type, status, count
), folded as (
    insert into job_count as c (org_id, type, status, count)
    select org_id, type, status, sum(count) from taken group by 1, 2, 3 order by 1, 2, 3
    on conflict (org_id, type, status) do update set count = c.count + excluded.count
)
select count(*) as folded from taken
