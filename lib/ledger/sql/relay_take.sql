-- The relay takes over announcements that their makers have not published: ten seconds to do it, longer after each failure.
-- $1 how many
with taken as (
    select id from outbox where due <= (select clock_timestamp()) order by due limit $1::int4 for update skip locked
)
update outbox o
   set due = clock_timestamp() + least(interval '10 s' * 2 ^ least(o.tries, 5), interval '5 min'), tries = o.tries + 1
  from taken t where o.id = t.id
returning o.id, o.kind, o.ids
