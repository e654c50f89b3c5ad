# Python's own test_multiprocessing_fork, with processes. Left out, because their time goes into waiting or into starting
# interpreters, and long/python has them: managers, threads, the other two start methods, and the tests named here.
# With TEST_PATIENCE test_put, too: it gives a thread a tenth of a second, in which not all of its code has been compiled.
python3 -m test test_multiprocessing_fork -i 'WithManager*' -i 'WithThreads*' -i 'test_wait_*' -i test_thread_safety -i TestStartMethod \
    -i test_boundaries -i test_map_no_failfast -i 'test_resource_tracker*' -i test_rapid_restart -i test_strings \
    ${TEST_PATIENCE:+-i test_put} > log 2>&1 || { cat log; exit 1; }
