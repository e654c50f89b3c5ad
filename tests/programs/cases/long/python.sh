# All of the Python test modules that the short cases take parts of, two at a time. Its whole time has not been measured on a quiet machine.
# test_group and test_user: see ../python-subprocess.sh; ThreadedVSOCKSocketStreamTest: see ../python-socket.sh
python3 -m test -j 2 --timeout 1200 -w test_subprocess test_socket test_multiprocessing_fork test_multiprocessing_spawn test_multiprocessing_forkserver \
    test_multiprocessing_main_handling test_threading test_signal test_ctypes test_json test_math test_struct test_re test_decimal test_mmap \
    test_fcntl test_select test_selectors test_poll test_epoll test_pty \
    -i test_group -i test_user -i ThreadedVSOCKSocketStreamTest > log 2>&1 || { cat log; exit 1; }
