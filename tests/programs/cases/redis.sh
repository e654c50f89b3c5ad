redis-server --port 0 --unixsocket /tmp/s --save '' --daemonize no --loglevel warning --io-threads 1 > log 2>&1 &
until [ -S /tmp/s ] || ! kill -0 $!; do sleep 0.1; done
redis-cli -s /tmp/s set k v; redis-cli -s /tmp/s incrby n 41; redis-cli -s /tmp/s incr n; redis-cli -s /tmp/s get k
redis-cli -s /tmp/s eval 'local s = 0 for i = 1, 1000 do s = s + i end return s' 0
redis-benchmark -s /tmp/s -n 3000 -c 10 -q -t set,get,lpush,zadd > bench || exit 1; grep -c 'requests per second' bench | sed 's/[1-9][0-9]*/some/'
redis-cli -s /tmp/s zadd z 1 a 2 b; redis-cli -s /tmp/s zrange z 0 -1 withscores; redis-cli -s /tmp/s shutdown nosave; wait; echo "server $?"
