// The test program's main, compiled once because the test library's header is heavy.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
