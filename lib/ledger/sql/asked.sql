-- Did this claim commit? Asked when a connection broke in its COMMIT. A no is final only if the old backend was gone before.
-- $1 token
select exists (select from claim c where c.token = $1::uuid) as committed
