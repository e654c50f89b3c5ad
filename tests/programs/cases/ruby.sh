ruby -e 'puts (1..20).reduce(:*), [3, 1, 2].sort.inspect, "abc".gsub(/b/) { |m| m.upcase }, 10.0 / 3, 2**200 % 1_000_007'
ruby -rjson -rset -rdigest -e 'puts JSON.generate({a: [1, 2.5, nil]}), Set.new([1, 1, 2]).size, Digest::SHA256.hexdigest("abc")'
ruby -e 't = 4.times.map { |i| Thread.new { (1..20000).sum * i } }; puts t.sum(&:value); f = Fiber.new { Fiber.yield 1; 2 }; puts f.resume + f.resume'
ruby -e 'puts `echo from a child`; pid = fork { exit 4 }; Process.wait pid; puts $?.exitstatus; trap("USR1") { puts "signal" }; Process.kill("USR1", $$); sleep 0.05'
