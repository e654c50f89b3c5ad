# Python's own test_subprocess. Left out:
#   test_group, test_user   ids that the root's user namespace does not map: EINVAL natively in one, too
#   ProcessTestCaseNoPoll   ProcessTestCase once more, over select(): long/python
#   test_swap_std_fds_with_one_closed   24 interpreters, one after the other: long/python
python3 -m test test_subprocess -i test_group -i test_user -i ProcessTestCaseNoPoll -i test_swap_std_fds_with_one_closed > log 2>&1 || { cat log; exit 1; }
