python3 -c 'import sys, platform; print(sys.version_info[:2], platform.machine(), 0.1 + 0.2, 2 ** 100, sum(range(10 ** 5)))'
python3 -m test -q test_json test_math test_struct test_re test_decimal test_mmap 2>&1 | tail -n 3 | grep -E 'SUCCESS'
