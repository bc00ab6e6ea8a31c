-- Jobs of any status, or of the commonest one (succeeded), newest first: the primary key backwards, because UUIDv7's order is
-- time's. Random ids of older releases sort behind every UUIDv7: they come last, and only if there is room.
-- Where few jobs of a type or an organisation lie far back among many others, the counts say when all of them are found.
-- $1 type $2 org $3 since $4 limit $5 status
with bound as materialized (
    select heimdex_uuid_floor(clock_timestamp() + interval '1 hour') as newest,
           coalesce(heimdex_uuid_floor($3::timestamptz - interval '1 hour'), '00000000-0000-0000-0000-000000000000') as oldest,
           case when $1::varchar is null and $2::uuid is null then $4::int4
                else least($4::int4, greatest(0, (
                         select sum(c.count) from (select * from job_count union all select * from delta) as c
                          where ($1::varchar is null or c.type = $1::varchar) and ($2::uuid is null or c.org_id = $2::uuid)
                            and ($5::text is null or c.status = $5::text::job_status)))) end as n
), picked as materialized (
    select id from (
        (select j.id from job j
          where j.id >= (select oldest from bound) and j.id < (select newest from bound)
            and ($1::varchar is null or j.type = $1::varchar) and ($2::uuid is null or j.org_id = $2::uuid)
            and ($3::timestamptz is null or j.created_at >= $3::timestamptz)
            and ($5::text is null or j.status = $5::text::job_status)
          order by j.id desc limit (select n from bound))
        union all
        (select j.id from job j
          where j.id >= (select newest from bound)
            and ($1::varchar is null or j.type = $1::varchar) and ($2::uuid is null or j.org_id = $2::uuid)
            and ($3::timestamptz is null or j.created_at >= $3::timestamptz)
            and ($5::text is null or j.status = $5::text::job_status)
          order by j.id desc limit (select n from bound))
    ) as j limit (select n from bound)
)
select heimdex_job_json(j)::text as job from picked p join job j on j.id = p.id order by j.created_at desc, j.id desc
