// The test library. Both it and the project have a CHECK: in a test, CHECK is the test library's.
// Include this after every project header, whose inline functions use the project's.
#pragma once

#include "ir/support/check.h"
#undef CHECK

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
