-- Which of these ids are no job's.
-- $1 ids
select u.id from unnest($1::uuid[]) as u (id) where not exists (select from job j where j.id = u.id) order by u.id
