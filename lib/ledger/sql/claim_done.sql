-- The last job of these claims is completed.
-- $1 tokens
delete from claim where token = any($1::uuid[])
