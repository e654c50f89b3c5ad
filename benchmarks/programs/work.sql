create table t(id integer primary key, name text, value real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 120000)
insert into t select i, 'name' || (i * 7919 % 10007), i * 0.25 from n;
create index by_name on t(name);
select count(*), sum(value), max(name) from t;
select name, count(*), avg(value) from t group by name order by 2 desc, 1 limit 3;
select count(*) from t a join t b on a.name = b.name where a.id < 20000;
