python3 -m test -q test_threading test_signal test_ctypes 2>&1 | tail -n 6 | grep -E 'SUCCESS'
