# Blocks, hashes, strings, integers.
h = Hash.new(0)
300_000.times { |i| h[(i * 7919) % 1009] += i & 3 }
words = (1..40_000).map { |i| "w#{i * 31 % 977}" }
puts [h.values.sum, words.uniq.sort.first(3).join(","), (1..2000).reduce(:*).to_s.size].join(" ")
