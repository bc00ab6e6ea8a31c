-- What is known before a search: where it begins and ends, the sweep's position, and how many jobs there are to find, by the counts.
-- Random ids of older releases sort behind every UUIDv7: behind `newest`.
-- $1 type $2 org $3 since $4 until $5 status
select b.newest, coalesce(heimdex_uuid_floor($4::timestamptz + interval '1 hour'), b.newest) as first,
       coalesce(heimdex_uuid_floor($3::timestamptz - interval '1 hour'), '00000000-0000-0000-0000-000000000000') as oldest,
       (select position from sweep) as position,
       c.jobs, c.of_type, c.of_org, c.matching
  from (select heimdex_uuid_floor(clock_timestamp() + interval '1 hour') as newest) as b
 cross join (
       select coalesce(sum(count), 0)::int8 as jobs,
              coalesce(sum(count) filter (where type = $1::varchar), 0)::int8 as of_type,
              coalesce(sum(count) filter (where org_id = $2::uuid), 0)::int8 as of_org,
              coalesce(sum(count) filter (where ($1::varchar is null or type = $1::varchar) and ($2::uuid is null or org_id = $2::uuid)
                                            and ($5::text is null or status = $5::text::job_status)), 0)::int8 as matching
         from (select * from job_count union all select * from delta) as each_count) as c
