WITH RECURSIVE named(id, name) AS (
 SELECT c.id, CASE WHEN t.name GLOB 'core::pin::Pin<*' OR t.name GLOB '&mut *' OR t.name GLOB 'alloc::boxed::Box<*' THEN '' ELSE t.name END FROM chain c JOIN future_type t ON t.id=c.future_type_id WHERE parent_id IS NULL
 UNION ALL
 SELECT c.id, CASE WHEN t.name GLOB 'core::pin::Pin<*' OR t.name GLOB '&mut *' OR t.name GLOB 'alloc::boxed::Box<*' THEN n.name ELSE n.name || ' > ' || t.name END FROM named n JOIN chain c ON c.parent_id=n.id JOIN future_type t ON t.id=c.future_type_id)
SELECT n.name, sum(a.wait_ns) FROM named n JOIN await_chain a ON a.id=n.id WHERE a.wait_ns>0 GROUP BY n.name ORDER BY 2 DESC;
